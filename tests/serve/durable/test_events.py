"""Entries as events: complete at every cut, the same for all who read them, each with the position of its client."""

from __future__ import annotations

import base64
import json
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydantic_ai_streaming.core.sse import SSEDecoder
from pydantic_ai_streaming.logs import Head, Slice
from pydantic_ai_streaming.serve.durable.events import EVENT_SIZE, KEPT_SIZE, EventWriter
from pydantic_ai_streaming.serve.durable.offsets import offset_of


def stream(length: int, *, closed: bool = False) -> Head:
    return Head(stream_id='s', incarnation='x', length=length, closed=closed)


def told(pieces: list[bytes]) -> list[tuple[str, str]]:
    return [(event.event, event.data) for event in SSEDecoder(limit=2**30).feed(b''.join(pieces))]


SIZES = st.lists(st.sampled_from([1, 100, EVENT_SIZE // 2, EVENT_SIZE - 10, EVENT_SIZE, 2 * EVENT_SIZE]), max_size=6)


@given(sizes=SIZES, more=st.integers(0, 2), closed=st.booleans())
def test_events_have_all_entries_in_order_and_each_is_followed_by_its_position(
    sizes: list[int], more: int, closed: bool
) -> None:
    entries = [json.dumps('x' * size).encode() for size in sizes]
    part = Slice(stream(len(entries) + more, closed=closed), 0, entries)
    events = told(list(EventWriter().events(part, 'application/json', '7')))
    data = [json.loads(text) for kind, text in events if kind == 'data']
    controls = [json.loads(text) for kind, text in events if kind == 'control']
    assert [text for texts in data for text in texts] == ['x' * size for size in sizes]
    assert [kind for kind, _ in events] == (['data', 'control'] * len(data) or ['control'])
    ends = [offset_of(control['streamNextOffset']) for control in controls]
    assert ends == [sum(map(len, data[: number + 1])) for number in range(len(data))] or ends == [0]
    for control, end in zip(controls, ends, strict=True):
        assert control.get('upToDate', False) == (end == part.head.length)
        assert ('streamClosed' in control) == (closed and end == part.head.length) == ('streamCursor' not in control)


def test_who_reads_the_same_entries_later_is_told_what_is_so_by_then() -> None:
    writer, entries = EventWriter(), [b'1', b'2']
    at_once = told(list(writer.events(Slice(stream(2), 0, entries), 'application/json', '7')))
    later = told(list(writer.events(Slice(stream(3), 0, entries), 'application/json', '8')))
    at_last = told(list(writer.events(Slice(stream(2, closed=True), 0, entries), 'application/json', '9')))
    assert at_once[0] == later[0] == at_last[0] == ('data', '[1,2]')
    positions = [set(json.loads(events[1][1])) - {'streamNextOffset'} for events in (at_once, later, at_last)]
    assert positions == [{'streamCursor', 'upToDate'}, {'streamCursor'}, {'streamClosed', 'upToDate'}]
    more = told(list(writer.events(Slice(stream(3), 0, [*entries, b'3']), 'application/json', '9')))
    assert more[0] == ('data', '[1,2,3]')


def test_what_is_kept_for_the_next_client_has_a_bound() -> None:
    writer = EventWriter()
    kept = writer._kept  # pyright: ignore[reportPrivateUsage] - it is what is to be bounded
    sizes = [EVENT_SIZE, 1, 3 * EVENT_SIZE, 2 * KEPT_SIZE, KEPT_SIZE // 2, 7]
    for number in range(200):
        part = Slice(stream(number + 1), number, [b'x' * sizes[number % len(sizes)]])
        list(writer.events(part, 'text/plain', '7'))
        assert sum(map(sys.getsizeof, kept.values())) <= KEPT_SIZE + 40 * len(kept)
    assert len(kept) > 2


def test_a_large_event_is_sent_in_pieces_of_what_those_who_are_abreast_share() -> None:
    writer = EventWriter()
    entry = json.dumps('x' * 2**20).encode()
    part = Slice(stream(1), 0, [entry])
    pieces = list(writer.events(part, 'application/json', '7'))
    assert max(map(len, pieces)) == EVENT_SIZE
    assert told(pieces)[0] == ('data', f'[{entry.decode()}]')
    tracemalloc.start()
    waiting = [writer.events(part, 'application/json', '7') for _ in range(50)]
    begun = [next(one) for one in waiting]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(begun) == 50
    assert held < 50 * 2 * EVENT_SIZE


@pytest.mark.parametrize('content_type', ['application/octet-stream', 'image/png', 'application/x-ndjson', ''])
def test_bytes_that_are_not_text_go_as_base64(content_type: str) -> None:
    part = Slice(stream(2), 0, [b'\x00\r\n\xff', b'\n'])
    [(kind, text), _] = told(list(EventWriter().events(part, content_type, '7')))
    assert (kind, base64.b64decode(text)) == ('data', b'\x00\r\n\xff\n')
