"""Answers that are slow for five reasons. Only two of them are a reason to give up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse

from pydantic_ai_streaming.course import Exercise, NotYet
from pydantic_ai_streaming.testing import KeepAlive, ScriptedModel, Stall, Step, Text, ToolCall


@dataclass
class Told:
    """What the function gave back, after how many seconds, and what was shown until then."""

    ended: str
    history: list[ModelMessage]
    took: float
    shown: str

    @property
    def kept(self) -> str:
        """The text of the model in the history."""
        return ''.join(message.text or '' for message in self.history if isinstance(message, ModelResponse))


async def tell(exercise: Exercise, *responses: list[Step | str], reading: float = 0) -> Told:
    agent = Agent(ScriptedModel(*responses, gap=0.1))

    @agent.tool_plain
    async def search() -> str:
        """Takes its time."""
        await asyncio.sleep(40)
        return 'found'

    shown: list[str] = []

    async def show(piece: str) -> None:
        shown.append(piece)
        await asyncio.sleep(reading)

    clock = asyncio.get_running_loop().time
    began = clock()
    # A task of its own: where a clock stops the reader, nothing comes of it but a cancellation.
    task = asyncio.create_task(exercise.call('tell', agent, 'Why?', show))
    await asyncio.wait([task])
    took = clock() - began
    if task.cancelled():
        raise NotYet(
            f'After {took:.0f} s, with {"".join(shown)!r} shown, a CancelledError left your function, though nobody '
            'had cancelled it. A clock in a generator goes on while whoever reads is at work, and cancels them instead.'
        )
    ended, history = task.result()
    return Told(ended, history, took, ''.join(shown))


async def check_a_whole_answer_is_complete(exercise: Exercise) -> None:
    told = await tell(exercise, ['Because ', 'it is.'])
    assert told.shown == 'Because it is.', f'The answer is "Because it is.", and {told.shown!r} is shown.'
    assert told.ended == 'complete', f'The answer is whole, and you call it {told.ended!r}.'
    assert told.kept == 'Because it is.', f'The answer is "Because it is.", and the history has {told.kept!r}.'


async def check_a_slow_reader_is_no_silence(exercise: Exercise) -> None:
    told = await tell(exercise, ['one ', 'two ', 'three '], reading=15)
    assert (told.ended, told.shown) == ('complete', 'one two three '), (
        f'The model was done after 0.3 s. Each piece took 15 s to show, and you call that {told.ended!r}, '
        f'with {told.shown!r} shown.'
    )


async def check_a_long_answer_is_no_silence(exercise: Exercise) -> None:
    told = await tell(exercise, [Text(f'{number} ', wait=2) for number in range(40)])
    assert told.ended == 'complete', (
        f'A piece came every two seconds for 80 s, and you gave it up after {told.took:.0f} s, as {told.ended!r}. '
        'Count the silence, not the answer.'
    )


async def check_a_tool_at_work_is_no_silence(exercise: Exercise) -> None:
    told = await tell(exercise, ['Let me see. ', ToolCall('search')], ['Found.'])
    assert told.ended == 'complete', (
        f'A tool worked for 40 s, and you call that {told.ended!r}. Nobody waited for the model meanwhile.'
    )
    assert told.shown.endswith('Found.'), f'After the tool the model said "Found.", and {told.shown!r} is shown.'


async def check_a_silence_is_noticed_after_ten_seconds_and_nothing_is_lost(exercise: Exercise) -> None:
    told = await tell(exercise, ['one ', 'two ', Stall()])
    assert told.ended == 'idle', f'The model fell silent after two words, and you call that {told.ended!r}.'
    assert 9.9 < told.took < 11, f'The silence began at 0.2 s, and was given up at {told.took:.1f} s instead of 10.2 s.'
    assert told.kept == 'one two ', f'"one two " had come before the silence, and the history has {told.kept!r}.'


async def check_a_model_that_never_begins_is_silent_too(exercise: Exercise) -> None:
    told = await tell(exercise, [Stall()])
    assert told.ended == 'idle', f'Not a word came, and you call that {told.ended!r}.'
    assert told.took < 11, (
        f'Not a word came, and you waited for {told.took:.0f} s. The first word has a limit of its own.'
    )


async def check_a_ping_is_no_word(exercise: Exercise) -> None:
    told = await tell(exercise, ['one ', *[KeepAlive(wait=5)] * 30])
    assert told.took < 12, (
        f'After "one ", only pings came, one every 5 s. You took them for words, for {told.took:.0f} s.'
    )


async def check_two_minutes_are_enough(exercise: Exercise) -> None:
    told = await tell(exercise, [Text(f'{number} ', wait=2) for number in range(100)])
    assert told.ended == 'total', f'It would have gone on for 200 s, and you call it {told.ended!r}.'
    assert told.took < 121, f'It was to be given up after 120 s, and was after {told.took:.0f} s.'
    assert told.kept.startswith('0 1 2 '), f'Two minutes of text had come, and the history has {told.kept!r}.'
