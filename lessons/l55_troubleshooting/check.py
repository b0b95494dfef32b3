"""Answers that come late, in one piece, in part, or with a tool in between, and one with which nothing is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from pydantic_ai import Agent

from pydantic_ai_streaming import Deadlines, RunStream, StreamingError
from pydantic_ai_streaming.course import Exercise
from pydantic_ai_streaming.testing import EndEarly, ScriptedModel, Stall, Step, Text, Thinking, ToolCall

WORDS = [f'word {number} ' for number in range(12)]


async def asked(exercise: Exercise, *responses: Sequence[Step | str], tool: float = 3) -> object:
    agent = Agent(ScriptedModel(*responses, gap=0.1))

    @agent.tool_plain
    async def search() -> str:
        """Takes its time."""
        await asyncio.sleep(tool)
        return 'found'

    async with RunStream(agent.run_stream_events('Go'), deadlines=Deadlines(idle=30)) as stream:
        with suppress(StreamingError):
            await stream.get_output()
    return exercise.get('cause')(stream)


def saw(what: str, said: object, expected: str) -> str:
    return f'{what} You say {said!r}, and it is {expected!r}.'


async def check_nothing_is_wrong_with_a_quick_answer(exercise: Exercise) -> None:
    said = await asked(exercise, WORDS)
    assert said == 'fine', saw('The first word came after 0.1 s, the last after 1.2 s.', said, 'fine')


async def check_a_model_that_begins_late_is_waited_for(exercise: Exercise) -> None:
    said = await asked(exercise, [Text('At last ', wait=4), *WORDS])
    assert said == 'waiting', saw('Nothing at all came for 4 s, then twelve words.', said, 'waiting')


async def check_a_cut_is_seen_whenever_it_comes(exercise: Exercise) -> None:
    said = await asked(exercise, [*WORDS[:5], EndEarly()])
    assert said == 'cut', saw(
        'The provider hung up after five words. `finish` of the stream is "truncated", and the figures look fine.',
        said, 'cut',
    )  # fmt: skip
    said = await asked(exercise, [Text('At last ', wait=4), Stall()])
    assert said == 'cut', saw('Two words came after 4 s, and then none for 30 s: a deadline passed.', said, 'cut')


async def check_one_piece_is_no_stream(exercise: Exercise) -> None:
    said = await asked(exercise, [Text(''.join(WORDS), wait=4)])
    assert said == 'buffered', saw(
        f'{len("".join(WORDS))} characters came at once, after 4 s: some proxy had gathered them. A model that begins '
        'late begins with a word; how many pieces were there?', said, 'buffered',
    )  # fmt: skip


async def check_thoughts_are_not_silence(exercise: Exercise) -> None:
    said = await asked(exercise, [*[Thinking('hm ')] * 30, *WORDS])
    assert said == 'thinking', saw('The model thought for 3 s, in 30 pieces, and then wrote.', said, 'thinking')


async def check_a_tool_at_work_is_no_slow_model(exercise: Exercise) -> None:
    said = await asked(exercise, [ToolCall('search')], WORDS)
    assert said == 'tool', saw('A tool worked for 3 s before the answer.', said, 'tool')
    said = await asked(exercise, [*WORDS, ToolCall('search')], WORDS)
    assert said == 'tool', saw('A tool worked for 3 s in the middle of the answer.', said, 'tool')


async def check_a_gap_in_the_middle_is_found(exercise: Exercise) -> None:
    said = await asked(exercise, [*WORDS[:6], Text('as I said ', wait=5), *WORDS[6:]])
    assert said == 'gap', saw('After six words there was nothing for 5 s; then it went on.', said, 'gap')


async def check_the_worst_comes_first(exercise: Exercise) -> None:
    said = await asked(exercise, [*[Thinking('hm ')] * 20, ToolCall('search')], WORDS, tool=9)
    assert said == 'tool', saw('The model thought for 2 s, and then a tool worked for 9 s.', said, 'tool')
    said = await asked(exercise, [*[Thinking('hm ')] * 90, ToolCall('search')], WORDS, tool=2)
    assert said == 'thinking', saw('The model thought for 9 s, and then a tool worked for 2 s.', said, 'thinking')
