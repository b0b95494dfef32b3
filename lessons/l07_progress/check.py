"""An answer of 50 characters, cut in different ways; and a tool that takes a second for each of three pages."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent, RunContext

from pydantic_ai_streaming.course import Exercise, Screen
from pydantic_ai_streaming.testing import ScriptedModel, Step, ToolCall, reply

ANSWER = 'The keeper counts ships. Tonight, one counts back.'
MARKS = ['20 characters', '40 characters']


async def follow(exercise: Exercise, *responses: list[Step | str]) -> tuple[Screen, object]:
    agent = Agent(ScriptedModel(*responses, gap=0.1))

    @agent.tool
    async def read(ctx: RunContext) -> str:
        for page in (1, 2, 3):
            await asyncio.sleep(1)
            await ctx.emit(exercise.get('Read')(pages=page, of=3))
        return 'A long story.'

    with Screen() as screen:
        count = await exercise.call('follow', agent, 'What is it about?')
    return screen, count


async def check_the_count_is_that_of_the_text(exercise: Exercise) -> None:
    _, count = await follow(exercise, [*reply(ANSWER, cut=7)])
    assert count == len(ANSWER), (
        f'The answer has {len(ANSWER)} characters, and you count {count}. Is each chunk what is new, or all so far?'
    )


async def check_no_mark_is_missed_wherever_the_pieces_end(exercise: Exercise) -> None:
    for size in (1, 7, 9, 20):
        screen, _ = await follow(exercise, [*reply(ANSWER, cut=size)])
        lines = screen.text.splitlines()
        assert lines == MARKS, (
            f'The answer came in pieces of {size}, and you print {lines}; it was to be {MARKS}. '
            'A count goes past a mark more often than it stops there.'
        )


async def check_a_mark_is_passed_when_its_piece_comes(exercise: Exercise) -> None:
    screen, _ = await follow(exercise, [*reply(ANSWER, cut=7)])
    first = screen.shown[0].at
    assert first < 0.35, f'There were 21 characters after 0.3 s, and you say so after {first:.1f} s.'


async def check_a_long_piece_passes_two_marks(exercise: Exercise) -> None:
    screen, _ = await follow(exercise, [ANSWER])
    lines = screen.text.splitlines()
    assert lines == MARKS, f'The answer came in one piece, and you print {lines}; it was to be {MARKS}.'


async def check_the_pages_are_told_of_while_the_tool_works(exercise: Exercise) -> None:
    screen, count = await follow(exercise, ['Let me look. ', ToolCall('read')], [ANSWER])
    pages = [(round(shown.at), shown.text.strip()) for shown in screen.shown if 'page' in shown.text]
    assert pages == [(1, 'page 1 of 3'), (2, 'page 2 of 3'), (3, 'page 3 of 3')], (
        f'A page was read after one second, two and three, with an event for each; you print {pages} (when, what). '
        'A tool may take longer than the answer, and text cannot tell of it.'
    )
    assert count == len('Let me look. ' + ANSWER), (
        f'The model wrote 13 characters before the tool and {len(ANSWER)} after it, and you count {count}.'
    )
