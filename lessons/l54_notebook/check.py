"""A function without `await`, called where no event loop runs, and where one does, as in a cell of a notebook."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent

from pydantic_ai_streaming.course import Exercise, NotYet, Screen
from pydantic_ai_streaming.testing import EndEarly, ScriptedModel, Step, ToolCall

WORDS = ['The rocks ', 'say ', 'nothing, ', 'so the ', 'lighthouse ', 'does.']
ANSWER = ''.join(WORDS)


def called(exercise: Exercise, *responses: list[Step | str], wait: float = 0.004) -> tuple[Screen, object]:
    agent = Agent(ScriptedModel(*responses, gap=wait))

    @agent.tool_plain
    def look() -> str:
        """Looks out of the window."""
        return 'fog'

    with Screen() as screen:
        try:
            said = exercise.get('tell')(agent, 'What is it for?')
        except RuntimeError as error:
            if 'loop' not in str(error):
                raise
            raise NotYet(
                f'A loop runs already, as in every notebook, and your function raised RuntimeError: {error} '
                'The stream needs a loop of its own, in a thread of its own.'
            ) from None
    if hasattr(said, '__await__'):
        getattr(said, 'close', bool)()
        raise NotYet('`tell` gives back something to be awaited; it is to be a plain function.')
    return screen, said


def check_it_works_in_a_script(exercise: Exercise) -> None:
    # pydantic-ai takes the thread's own loop where there is one, and would leave open one that it makes.
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        screen, said = called(exercise, [*WORDS])
    asyncio.set_event_loop(None)
    assert said == ANSWER, f'No loop runs. The answer is {ANSWER!r}, and you give back {said!r}.'
    assert screen.text.strip() == ANSWER, f'No loop runs. The answer is {ANSWER!r}, and you print {screen.text!r}.'


async def check_it_works_in_a_cell(exercise: Exercise) -> None:
    screen, said = called(exercise, [*WORDS])
    assert said == ANSWER, f'A loop runs already. The answer is {ANSWER!r}, and you give back {said!r}.'
    assert screen.text.strip() == ANSWER, f'A loop runs already. The answer is {ANSWER!r}; you print {screen.text!r}.'


async def check_the_text_grows_while_it_is_written(exercise: Exercise) -> None:
    screen, _ = called(exercise, [*WORDS])
    assert len(screen.shown) >= len(WORDS), (
        f'The answer came in {len(WORDS)} pieces, and appeared in {len(screen.shown)}: print each at once, and flush.'
    )


async def check_the_answer_is_what_comes_after_a_tool(exercise: Exercise) -> None:
    screen, said = called(exercise, ['Let me look. ', ToolCall('look')], ['Fog.'])
    assert said == 'Fog.', f'After "Let me look. " and a tool, the answer was "Fog."; you give back {said!r}.'
    assert 'Fog.' in screen.text, f'The answer is "Fog.", and you print {screen.text!r}.'


async def check_half_an_answer_is_an_error(exercise: Exercise) -> None:
    try:
        _, said = called(exercise, [*WORDS[:3], EndEarly()])
    except NotYet:
        raise
    except Exception:
        return
    raise NotYet(f'The provider hung up after three pieces, and you give back {said!r} as if that were the answer.')
