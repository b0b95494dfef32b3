"""What can be wrong with a stream and with what viewers were sent of it: pure, so that it can be tried on bad streams.

A viewer is given the events of a stream in one order, whatever connections they came over: each once, from the first to
the last, the same for all viewers, and the last of them says how the run ended. The text is numbered words, so that one
that is in the log twice, or not at all, is seen as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ['ENDS', 'Defect', 'DefectKind', 'Event', 'Told', 'defects', 'defects_of_stream', 'words']

DefectKind: TypeAlias = Literal['duplicated', 'missing', 'reordered', 'disagreeing', 'endless', 'late']

ENDS = ('end', 'error')
"""The types of the frames with which a stream ends."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a viewer was sent: an offset and a frame, as it came."""

    offset: int
    data: str

    @property
    def is_last(self) -> bool:
        return json.loads(self.data)['type'] in ENDS


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong, and where."""

    kind: DefectKind
    where: str


@dataclass(slots=True)
class Told:
    """A stream as it is in the log when all is over, and what was to come of it.

    Attributes:
        name: The stream.
        entries: What the log has.
        words: How many words the run was to write.
        seen: What each of its viewers was sent, in its order.
        died_at: When its worker was killed, on the clock of the viewers, or as much later as no worker was there at
            all; `None` if it was not killed.
        ended_at: When the first viewer was told how it ended.
    """

    name: str
    entries: Sequence[str]
    words: int
    seen: Sequence[Sequence[Event]] = ()
    died_at: float | None = None
    ended_at: float | None = None


def words(count: int, author: str) -> list[str]:
    """The text of a run: numbered words, each with its author."""
    return [f'{number}@{author} ' for number in range(count)]


def defects(streams: Iterable[Told], *, within: float) -> list[Defect]:
    """All that is wrong.

    Args:
        streams: The streams, when all is over.
        within: Seconds after the death of its worker in which the viewers of a stream are to be told.
    """
    found: list[Defect] = []
    for stream in streams:
        found += defects_of_stream(stream)
        for number, seen in enumerate(stream.seen):
            found += _of_viewer(stream, seen, f'{stream.name}, viewer {number}')
        if stream.died_at is not None and stream.ended_at is not None and stream.ended_at - stream.died_at > within:
            found.append(Defect('late', f'{stream.name}: its end came {stream.ended_at - stream.died_at:.2f} s after'))
    return found


def defects_of_stream(stream: Told) -> list[Defect]:
    """What is wrong with a stream itself: its words, its author, its end."""
    frames: list[dict[str, Any]] = [json.loads(one) for one in stream.entries]
    ends = [offset for offset, one in enumerate(frames) if one['type'] in ENDS]
    written = ''.join(one['text'] for one in frames if one['type'] == 'text').split()
    numbers = [int(word.partition('@')[0]) for word in written]
    found: list[Defect] = []
    if len({word.partition('@')[2] for word in written}) > 1:
        found.append(Defect('disagreeing', f'{stream.name} has words of several authors'))
    if not ends:
        found.append(Defect('endless', stream.name))
    elif ends != [len(frames) - 1]:
        found.append(Defect('endless', f'{stream.name} goes on after its end: {ends} of {len(frames)}'))
    # What was lost with its worker is not there; of what the worker has finished, all is.
    is_whole = bool(frames) and frames[-1].get('finish') == 'complete'
    expected = stream.words if is_whole else max(numbers, default=-1) + 1
    return found + _of_order(numbers, expected, f'{stream.name}, words')


def _of_viewer(stream: Told, seen: Sequence[Event], where: str) -> list[Defect]:
    found = _of_order([event.offset for event in seen], len(stream.entries), where)
    if not seen or not seen[-1].is_last:
        found.append(Defect('endless', where))
    for event in seen:
        if event.offset < len(stream.entries) and stream.entries[event.offset] != event.data:
            found.append(Defect('disagreeing', f'{where}: {event} is {stream.entries[event.offset]}'))
        elif event.offset >= len(stream.entries):
            found.append(Defect('disagreeing', f'{where}: {event}, and the stream has {len(stream.entries)} entries'))
    return found


def _of_order(numbers: Sequence[int], expected: int, where: str) -> list[Defect]:
    """What is wrong with numbers that are to be 0, 1, 2, ... until `expected`."""
    found: list[Defect] = []
    came: set[int] = set()
    highest = -1
    for number in numbers:
        if number in came:
            found.append(Defect('duplicated', f'{where}: {number}'))
        elif number < highest:
            found.append(Defect('reordered', f'{where}: {number} after {highest}'))
        came.add(number)
        highest = max(highest, number)
    return found + [Defect('missing', f'{where}: {n}') for n in range(expected) if n not in came]
