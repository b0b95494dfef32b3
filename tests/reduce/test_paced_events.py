"""Events whose text is cut anew: the same text, and everything else in its place among the characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, SupportsIndex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import (
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
)

from pydantic_ai_streaming import Smoothing
from pydantic_ai_streaming.core.pacing import Pacer
from pydantic_ai_streaming.reduce.paced_events import PacedEvents

SMOOTHING = Smoothing(max_lag=0.4, drain=0.1)
WORDS = st.text('ab *_\n🙂', max_size=9)


def delta(text: str, **more: Any) -> PartDeltaEvent:
    return PartDeltaEvent(index=0, delta=TextPartDelta(text, **more))


def signature() -> PartDeltaEvent:
    return PartDeltaEvent(index=5, delta=ThinkingPartDelta(signature_delta='s'))


def told(events: Sequence[Any]) -> list[str]:
    """The events with text joined: a character each, other events as words, so that their places can be compared."""
    said: list[str] = []
    for event in events:
        text = ''
        if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
            text = event.delta.content_delta
            if event.delta.provider_details:
                said += [*text, 'details']
                continue
        elif isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
            said.append('start')
            text = event.part.content
        else:
            said.append(event.event_kind)
        said += text
    return said


@st.composite
def responses(draw: st.DrawFn) -> list[Any]:
    events: list[Any] = []
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            events += [PartStartEvent(index=1, part=ThinkingPart('hm')), PartEndEvent(index=1, part=ThinkingPart('hm'))]
        events.append(PartStartEvent(index=0, part=TextPart(draw(WORDS))))
        for _ in range(draw(st.integers(0, 6))):
            more = draw(st.sampled_from(['text', 'text', 'text', 'signature', 'details']))
            if more == 'signature':
                events.append(signature())
            elif more == 'details':
                events.append(delta(draw(WORDS), provider_details={'a': 1}, provider_name='p'))
            else:
                events.append(delta(draw(WORDS)))
        if draw(st.booleans()):
            events.append(PartEndEvent(index=0, part=TextPart('all of it')))
    return events


def played(events: Sequence[Any], gaps: Iterator[float]) -> tuple[list[Any], float]:
    """All that is passed on, and the seconds from the end of the source to the last of it."""
    machine, now, out = PacedEvents(SMOOTHING), 0.0, list[Any]()
    for event in events:
        arrives = now + next(gaps)
        while (due := machine.next_due) is not None and due <= arrives:
            now = max(now, due)
            out += machine.due(now)
        now = arrives
        machine.feed(event, now)
        out += machine.due(now)
    ended = now
    machine.close(now)
    out += machine.due(now)
    while not machine.finished:
        due = machine.next_due
        assert due is not None
        now = max(now, due)
        out += machine.due(now)
    return out, now - ended


@settings(max_examples=150, deadline=None)
@given(responses(), st.lists(st.sampled_from([0.0, 0.0005, 0.03, 0.3]), min_size=40, max_size=40))
def test_everything_keeps_its_place_among_the_characters(events: list[Any], gaps: list[float]) -> None:
    out, late = played(events, iter(gaps))
    assert told(out) == told(events)
    assert late <= 3 * (SMOOTHING.drain + 1 / SMOOTHING.fps) + 1e-6


@settings(max_examples=100, deadline=None)
@given(responses(), st.integers(0, 20))
def test_what_is_flushed_at_any_moment_is_the_rest(events: list[Any], fed: int) -> None:
    machine, out = PacedEvents(SMOOTHING), list[Any]()
    for number, event in enumerate(events[:fed]):
        machine.feed(event, number / 100)
        out += machine.due(number / 100)
    out += machine.flush(fed / 100)
    assert machine.finished
    assert told(out) == told(events[:fed])


def test_the_end_of_a_part_waits_for_its_text() -> None:
    machine = PacedEvents(SMOOTHING)
    machine.feed(PartStartEvent(index=0, part=TextPart('')), 0.0)
    machine.feed(delta(' '.join(['word'] * 20)), 0.0)
    machine.feed(PartEndEvent(index=0, part=TextPart('')), 0.0)
    at_once = [event.event_kind for event in machine.due(0.0)]
    assert at_once[0] == 'part_start'
    assert 'part_end' not in at_once
    assert machine.next_due == pytest.approx(1 / 60, abs=0.02)
    assert machine.due(SMOOTHING.drain + 0.02)[-1].event_kind == 'part_end'


class Sliced(str):
    """Text that counts the characters of its slices."""

    __slots__ = ()
    characters: ClassVar = 0

    def __getitem__(self, place: SupportsIndex | slice) -> Sliced:
        part = Sliced(super().__getitem__(place))
        Sliced.characters += len(part)
        return part


def test_a_long_rest_with_much_between_is_copied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the rest for each event would take as long as the two lengths multiplied."""
    events = PacedEvents(SMOOTHING)
    events.feed(PartStartEvent(index=0, part=TextPart('')), 0.0)
    for _ in range(500):
        events.feed(delta('word '), 0.0)
        events.feed(signature(), 0.0)
    rest = Sliced('word ' * 500)

    def flush(pacer: Pacer) -> str:
        return rest

    monkeypatch.setattr(Pacer, 'flush', flush)
    assert ''.join(said for said in told(events.flush(1.0)) if len(said) == 1) == rest
    assert Sliced.characters == len(rest)
