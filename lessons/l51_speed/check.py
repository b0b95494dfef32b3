"""Models that write 50 tokens a second, in pieces of five, and lose time with all sorts of other things."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent

from pydantic_ai_streaming.course import Exercise, NotYet
from pydantic_ai_streaming.testing import ScriptedModel, Step, Text, Thinking, ToolCall, Usage

PIECES = [f'a piece of tokens, number {number}. ' for number in range(41)]
"""Forty tenths of a second lie between the first of them and the last."""
WRITTEN = Usage(output_tokens=205)
RATE = 205 / 4.0


async def measured(
    exercise: Exercise, *responses: list[Step | str], showing: float = 0
) -> tuple[float | None, float | None]:
    agent = Agent(ScriptedModel(*responses, gap=0.1))
    shown: list[str] = []

    @agent.tool_plain
    async def search() -> str:
        """Takes ten seconds."""
        await asyncio.sleep(10)
        return 'found'

    async def show(piece: str) -> None:
        shown.append(piece)
        await asyncio.sleep(showing)

    told = await exercise.call('speed', agent, 'How fast?', show)
    try:
        first, rate = told
    except (TypeError, ValueError):
        raise NotYet(f'Two numbers are to be given back, and there is {told!r}.') from None
    expected = ''.join(step for response in responses for step in response if isinstance(step, str))
    assert expected in ''.join(shown), f'The answer was not shown: {len("".join(shown))} of {len(expected)} characters.'
    return first, rate


def near(value: float | None, expected: float) -> bool:
    return value is not None and abs(value - expected) < 0.1 * expected


async def check_tokens_are_what_the_provider_counts(exercise: Exercise) -> None:
    _, rate = await measured(exercise, [*PIECES, WRITTEN])
    words = sum(len(piece.split()) for piece in PIECES)
    assert near(rate, RATE), (
        f'The provider counted 205 tokens, which came in 4.0 s: {RATE:.0f} a second. You say {said(rate)}. There were '
        f'{words} words in {len(PIECES)} pieces, and neither are tokens.'
        + (' And time.time() is not the clock of the event loop.' if rate and rate > 1000 else '')
    )


async def check_the_first_text_is_timed_from_the_question(exercise: Exercise) -> None:
    first, _ = await measured(exercise, [Thinking('Hm.'), Text('Well. ', wait=3), *PIECES, WRITTEN])
    assert first is not None, 'There was text, and you say there was none.'
    assert near(first, 3.1), f'The first text came after 3.1 s, and you say {first:.2f} s.'


async def check_the_wait_for_the_first_is_no_writing(exercise: Exercise) -> None:
    _, rate = await measured(exercise, [Text('', wait=20), *PIECES, WRITTEN])
    assert near(rate, RATE), (
        f'After 20 s of silence came 205 tokens in 4.0 s: {RATE:.0f} a second. You say {said(rate)}. '
        'Those who wait care for both, and they are two numbers.'
    )


async def check_a_tool_at_work_is_no_writing(exercise: Exercise) -> None:
    called: list[Step | str] = [*PIECES, ToolCall('search'), WRITTEN]
    _, rate = await measured(exercise, called, [*PIECES, WRITTEN])
    assert near(rate, RATE), (
        f'Twice came 205 tokens in 4.0 s, and between them a tool worked for 10 s. The model wrote {RATE:.0f} a '
        f'second, and you say {said(rate)}.'
    )


async def check_a_slow_reader_is_no_slow_model(exercise: Exercise) -> None:
    _, rate = await measured(exercise, [*PIECES, WRITTEN], showing=1)
    assert near(rate, RATE), (
        f'The model wrote {RATE:.0f} tokens a second. It takes you a second to show each piece, and so you say '
        f'{said(rate)}.'
    )


async def check_thinking_is_writing_too(exercise: Exercise) -> None:
    thoughts = [Thinking(f'thought {number} ') for number in range(40)]
    _, rate = await measured(exercise, [*thoughts, *PIECES, Usage(output_tokens=410)])
    assert near(rate, 410 / 8), (
        f'For four seconds the model thought, and for four it wrote. The provider counts the tokens of both, 410: '
        f'{410 / 8:.0f} a second. You say {said(rate)}.'
    )


async def check_without_a_count_there_is_no_rate(exercise: Exercise) -> None:
    _, rate = await measured(exercise, [*PIECES, Usage(output_tokens=0)])
    assert rate is None, f'The provider reported no tokens, and you say {said(rate)}. Whatever that is, it is no rate.'


def said(rate: float | None) -> str:
    return 'that there is no rate' if rate is None else f'{rate:.0f}'
