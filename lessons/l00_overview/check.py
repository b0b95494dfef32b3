"""An answer that is whole, one that is cut off, one that falls silent, and one that is only slow."""

from __future__ import annotations

from pydantic_ai import Agent

from pydantic_ai_streaming.course import Exercise
from pydantic_ai_streaming.testing import EndEarly, ScriptedModel, Stall, Step, Text


async def answer(exercise: Exercise, *script: Step | str) -> tuple[str, str]:
    return await exercise.call('answer', Agent(ScriptedModel(list(script), gap=0.1)), 'Why?')


async def check_a_whole_answer_is_complete(exercise: Exercise) -> None:
    said = await answer(exercise, 'Salt ', 'from ', 'rocks.')
    assert said[0] != 'stopped', (
        f'The model was not done, and you left the context: {said!r}. The end of `async with` stops what goes on; wait '
        'for the answer inside of it.'
    )
    assert said == ('complete', 'Salt from rocks.'), f"It was to be ('complete', 'Salt from rocks.'), and is {said!r}."


async def check_an_answer_that_is_cut_off_is_truncated(exercise: Exercise) -> None:
    how, text = await answer(exercise, 'Salt ', 'from ', EndEarly())
    assert how == 'truncated', (
        f'The provider hung up after "Salt from ", without a finish reason, and you call that {how!r}. '
        'That a loop ends does not mean that the answer did.'
    )
    assert text == 'Salt from ', f'"Salt from " had come before the provider hung up, and you give back {text!r}.'


async def check_what_came_before_the_silence_is_kept(exercise: Exercise) -> None:
    how, text = await answer(exercise, 'Salt ', 'from ', Stall())
    assert how == 'timed_out', f'The model fell silent for good, and you call that {how!r}.'
    assert text == 'Salt from ', f'"Salt from " had come before the silence, and you give back {text!r}.'


async def check_a_slow_answer_is_no_silence(exercise: Exercise) -> None:
    slow = [Text(f'{number} ', wait=4) for number in range(5)]
    how, text = await answer(exercise, *slow)
    assert (how, text) == ('complete', '0 1 2 3 4 '), (
        f'A piece came every four seconds, twenty in all. That is slow and not silent, and you call it {how!r}.'
    )
