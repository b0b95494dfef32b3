"""Frames of real runs, given to the reducer as networks and React give them: twice, late, mixed, and never."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_ai import Agent, ModelRetry

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import Exercise, NotYet
from pydantic_ai_streaming.serve import LiveStreams
from pydantic_ai_streaming.testing import ScriptedModel, Step, ToolCall

WORDS = ['one ', 'two ', 'three ', 'four']
ANSWER = ''.join(WORDS)
Arrival = tuple[str, int, Mapping[str, Any]]


async def sent(*responses: list[str | Step], name: str = 'a') -> list[Arrival]:
    """What is sent of a run with a tool, whose outputs are all rejected but the last."""
    agent = Agent(ScriptedModel(*responses), retries=3)
    rejected = iter(responses[1:-1])

    @agent.tool_plain
    def look() -> str:
        """Looks."""
        return 'seen'

    @agent.output_validator
    def check(output: str) -> str:
        if next(rejected, None):
            raise ModelRetry('Again.')
        return output

    async with LiveStreams() as streams:
        live = streams.start(RunStream(agent.run_stream_events('Count!')))
        return [(name, number, frame) for number, frame in enumerate([json.loads(one) async for one in live.read(0)])]


def shown(exercise: Exercise, arrivals: Iterable[Arrival], messages: Any = None) -> Any:
    """The messages after these frames."""
    messages = {} if messages is None else messages
    for stream, number, frame in arrivals:
        messages = exercise.get('reduced')(messages, stream, number, frame)
        if not isinstance(messages, dict):
            raise NotYet(f'The reducer is to give back the messages, and gives back {messages!r}.')
    return messages  # pyright: ignore[reportUnknownVariableType] - a learner's


def text(messages: Any, stream: str = 'a') -> str:
    if stream not in messages:
        raise NotYet(f'Stream {stream!r} has no message: there are {list(messages)}.')
    return messages[stream].text


async def check_pieces_in_order_are_the_answer(exercise: Exercise) -> None:
    messages = shown(exercise, await sent([*WORDS]))
    assert text(messages) == ANSWER, f'The answer is {ANSWER!r}, and the message has {text(messages)!r}.'
    assert messages['a'].state == 'complete', f'The answer is complete, and its state is {messages["a"].state!r}.'


async def check_a_frame_that_comes_twice_counts_once(exercise: Exercise) -> None:
    frames = await sent([*WORDS])
    twice = text(shown(exercise, [frame for frame in frames for _ in range(2)]))
    assert twice == ANSWER, f'Two connections told of each frame, and the message has {twice!r}.'
    again = text(shown(exercise, [*frames[:4], *frames[2:]]))
    assert again == ANSWER, (
        f'The connection was lost after frame 3 and picked up at frame 2, and the message has {again!r}.'
    )


async def check_what_is_given_is_not_changed(exercise: Exercise) -> None:
    frames = await sent([*WORDS])
    for count in range(len(frames)):
        before = shown(exercise, frames[:count])
        kept = copy.deepcopy(before)
        shown(exercise, frames[count : count + 1], before)
        assert before == kept, (
            f'Frame {count}, {frames[count][2]["type"]!r}, changed the messages that the reducer was given: {before}. '
            'React calls it twice with the same ones, and compares old and new to see what to draw.'
        )


async def check_what_comes_too_early_waits(exercise: Exercise) -> None:
    frames = await sent([*WORDS])
    messages = shown(exercise, [*frames[:2], *frames[3:]])
    said = text(messages)
    assert ANSWER.startswith(said), f'Frame 2 was lost on the way, and the message has {said!r}, with a hole in it.'
    wanted = messages['a'].next
    assert wanted == 2, f'Frame 2 is missing, and `next` is {wanted}: the page would ask for all from there on.'
    whole = text(shown(exercise, frames[2:], messages))
    assert whole == ANSWER, f'The missing frames were sent again, and the message has {whole!r}.'


async def check_a_rejected_attempt_is_taken_back(exercise: Exercise) -> None:
    frames = await sent(['Let me look. ', ToolCall('look')], ['No ', 'idea.'], ['Nothing.'], [*WORDS])
    said = text(shown(exercise, frames))
    assert said == f'Let me look. {ANSWER}', (
        f'The model said "Let me look. ", called a tool, and answered {ANSWER!r} after two attempts that were '
        f'rejected. The message has {said!r}.'
    )
    first = next(number for _, number, frame in frames if frame['type'] == 'retraction')
    state = shown(exercise, frames[: first + 1])['a'].state
    assert state == 'waiting', f'The text was taken back and nothing new has come, and the state is {state!r}.'


async def check_two_answers_do_not_mix(exercise: Exercise) -> None:
    one, other = await sent([*WORDS], name='a'), await sent(['five ', 'six ', 'seven ', 'eight'], name='b')
    messages = shown(exercise, [frame for pair in zip(one, other, strict=True) for frame in pair])
    said = [text(messages, 'a'), text(messages, 'b')]
    assert said == [ANSWER, 'five six seven eight'], f'Two answers came at the same time, and the messages are {said}.'


async def check_it_is_told_how_an_answer_ended(exercise: Exercise) -> None:
    ends = [
        ('complete', {'type': 'end', 'finish': 'complete'}),
        ('stopped', {'type': 'end', 'finish': 'stopped'}),
        ('failed', {'type': 'error', 'finish': 'failed', 'error_id': '5e1f'}),
    ]
    start = await sent([*WORDS])
    for state, end in ends:
        message = shown(exercise, [*start[:3], ('a', 3, end)])['a']
        assert message.state == state, f'The last frame was {end}, and the state is {message.state!r}.'
        assert message.text == 'one two ', f'Two words came before {end}, and the message has {message.text!r}.'
