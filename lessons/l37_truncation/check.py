"""An answer that ends in each of the ways there are, and a tool with a mistake in it."""

from __future__ import annotations

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError, ModelHTTPError, ModelOverloadedError

from pydantic_ai_streaming.course import Exercise, NotYet
from pydantic_ai_streaming.testing import EndEarly, Fail, Finish, ScriptedModel, Step, ToolCall

HALF: list[Step | str] = ['It is ', 'safe ']


async def answer(exercise: Exercise, *script: Step | str) -> tuple[str, str]:
    agent = Agent(ScriptedModel(list(script), ['Done.'], gap=0.1))

    @agent.tool_plain
    def measure() -> str:
        """Has a mistake in it."""
        thickness: dict[str, str] = {}
        return thickness['bay']

    try:
        given = await exercise.call('answer', agent, 'Is the ice safe?')
    except ModelAPIError as error:
        raise NotYet(
            f'{error!r} is an end like others, and was to be told of by its name; your function raises it.'
        ) from None
    try:
        how, text = given
    except (TypeError, ValueError):
        raise NotYet(f'How it ended and the text were to be given back, and not {given!r}.') from None
    return how, text


async def check_a_whole_answer_is_complete(exercise: Exercise) -> None:
    said = await answer(exercise, *HALF, 'in winter.')
    assert said == ('complete', 'It is safe in winter.'), f'The answer is whole, and you give back {said!r}.'


async def check_a_stream_that_just_ends_is_cut_off(exercise: Exercise) -> None:
    how, text = await answer(exercise, *HALF, EndEarly())
    assert how == 'cut off', (
        f'The stream ended after "It is safe ", without a finish reason. The whole was "It is safe in winter."; you '
        f'call it {how!r}.'
    )
    assert text == 'It is safe ', f'"It is safe " had come, and you give back {text!r}.'


async def check_an_answer_that_may_not_go_on_is_not_complete(exercise: Exercise) -> None:
    for finish, name in ((Finish('length'), 'too long'), (Finish('content_filter'), 'filtered')):
        how, text = await answer(exercise, *HALF, finish)
        assert how == name, (
            f'After "It is safe ", came {finish.reason!r} as the finish reason: it is {name!r}. You call it {how!r}.'
        )
        assert text == 'It is safe ', f'"It is safe " had come, and you give back {text!r}.'


async def check_the_text_is_what_the_model_wrote(exercise: Exercise) -> None:
    for error in (ModelConnectionError('scripted', 'reset'), ModelOverloadedError('scripted', 'later')):
        how, text = await answer(exercise, *HALF, Fail(error))
        assert how == 'broken', f'A {type(error).__name__} came after "It is safe ", and you call it {how!r}.'
        assert text == 'It is safe ', (
            f'The model wrote "It is safe ", and you give back {text!r}. Whoever stores that, or sends it to a model, '
            'takes all of it for what the model wrote.'
        )


async def check_without_a_word_it_is_refused(exercise: Exercise) -> None:
    said = await answer(exercise, Fail(ModelHTTPError(429, 'scripted', 'too many requests')))
    assert said == ('refused', ''), f'The provider answered 429, too many requests, and you give back {said!r}.'


async def check_mistakes_of_the_program_are_raised(exercise: Exercise) -> None:
    try:
        said = await answer(exercise, *HALF, ToolCall('measure'))
    except KeyError:
        return
    raise NotYet(
        f'The tool raised a KeyError, which is a mistake in it, and you give back {said!r}. Who will look for it there?'
    )
