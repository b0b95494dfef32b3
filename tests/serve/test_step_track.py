"""What is written of a step that is run again, for every place where the first attempt was cut off."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ToolCallPart,
)

from pydantic_ai_streaming.serve.step_track import StepTrack, tracks_of

REPLY = 'High water is at noon; 潮 👩‍🚀.'


def said(text: str, size: int) -> list[Any]:
    return [
        PartStartEvent(index=0, part=TextPart('')),
        *(
            PartDeltaEvent(index=0, delta=TextPartDelta(content_delta=text[start : start + size]))
            for start in range(0, len(text), size)
        ),
    ]


def written(track: StepTrack, events: Iterable[Any], *, ended: bool) -> list[bytes]:
    frames = [frame for event in events for frame in track.add(event)]
    return [frame.encode() for frame in frames + (track.end() if ended else [])]


def shown(entries: Iterable[bytes]) -> str:
    text = ''
    for one in map(json.loads, entries):
        if one['type'] == 'text':
            text += one['text']
        elif one['type'] == 'retraction':
            assert text.endswith(one['text'])
            text = text.removesuffix(one['text'])
    return text


@pytest.mark.parametrize('in_another_process', [False, True])
@pytest.mark.parametrize('size', [1, 3, 100])
@pytest.mark.parametrize('reply', [REPLY, 'High tide.', '', 'High water is at noon', 'Low'])
@pytest.mark.parametrize('cut', range(len(REPLY) + 1))
def test_the_reply_of_the_last_attempt_is_shown_and_what_it_shares_with_the_first_is_not_written_twice(
    cut: int, reply: str, size: int, in_another_process: bool
) -> None:
    track = StepTrack('2')
    first = written(track, said(REPLY[:cut], 2), ended=False)
    if in_another_process:
        track = tracks_of(first).get('2', track)
    track.begin()
    second = written(track, said(reply, size), ended=True)
    assert shown(first + second) == reply
    common = 0
    while common < min(cut, len(reply)) and REPLY[common] == reply[common]:
        common += 1
    new = ''.join(one['text'] for one in map(json.loads, second) if one['type'] == 'text')
    assert new == reply[common:]
    assert sum(b'"retraction"' in one for one in second) == (cut > common)


def test_a_third_attempt_knows_what_the_second_has_taken_back() -> None:
    entries: list[bytes] = []
    for reply in ('one two', 'one three', 'one two'):
        track = tracks_of(entries).get('2', StepTrack('2'))
        track.begin()
        entries += written(track, said(reply, 1), ended=True)
    assert shown(entries) == 'one two'
    assert [one['attempt'] for one in map(json.loads, entries) if one['type'] == 'retraction'] == [1, 2]


def test_thinking_is_taken_back_without_touching_the_text() -> None:
    track = StepTrack('2')
    first = written(track, [PartStartEvent(index=0, part=ThinkingPart('So')), *said('Noon', 4)], ended=False)
    track = tracks_of(first)['2']
    second = written(track, [PartStartEvent(index=0, part=ThinkingPart('Hm')), *said('Noon', 4)], ended=True)
    assert shown(first + second) == 'Noon'
    (retraction,) = [one for one in map(json.loads, second) if one['type'] == 'retraction']
    assert (retraction['text'], retraction['thinking']) == ('', 'So')


def test_a_call_is_told_once_and_another_one_is_told_too() -> None:
    calls = [FunctionToolCallEvent(ToolCallPart('tide', {'on': day}, f'{day}')) for day in ('Monday', 'Friday')]
    first = written(StepTrack('3'), calls[:1], ended=False)
    track = tracks_of(first)['3']
    second = written(track, calls, ended=True)
    assert [json.loads(one)['tool_call_id'] for one in first + second] == ['Monday', 'Friday']


def test_steps_do_not_know_of_each_other_and_entries_of_other_kinds_are_none_of_theirs() -> None:
    entries = [
        b'{"type":"start","stream":"a"}',
        b'A{"type":"text"}',
        *written(StepTrack('2'), said('one', 3), ended=True),
    ]
    tracks = tracks_of(entries)
    assert list(tracks) == ['2']
    assert written(StepTrack('3'), said('one', 3), ended=True)
