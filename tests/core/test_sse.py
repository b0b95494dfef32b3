"""Server-sent events, written and read at every cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydantic_ai_streaming.core.sse import ServerSentEvent, SSEDecoder, sse_comment, sse_event

TEXTS = st.text(st.characters(codec='utf-8'))
NAMES = st.text(st.characters(codec='utf-8', exclude_characters='\r\n\0'), max_size=20)


def read(*pieces: bytes) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def at_every_cut(stream: bytes) -> list[ServerSentEvent]:
    """What a stream says; the same whole, in two pieces cut anywhere, and byte by byte."""
    events = read(stream)
    for cut in range(len(stream) + 1):
        assert read(stream[:cut], stream[cut:]) == events, f'cut at {cut}'
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == events
    return events


@pytest.mark.parametrize(
    ('stream', 'events'),
    [
        (b'data: one\n\n', [ServerSentEvent('one')]),
        (b'data: one\r\rdata: two\r\r', [ServerSentEvent('one'), ServerSentEvent('two')]),
        (b'data: one\r\n\r\ndata: two\r\n\r\n', [ServerSentEvent('one'), ServerSentEvent('two')]),
        (b'data: one\r\n\ndata: two\n\r', [ServerSentEvent('one'), ServerSentEvent('two')]),
        (b'\xef\xbb\xbfdata: after the mark\n\n', [ServerSentEvent('after the mark')]),
        ('data: \ufeff\n\n'.encode(), [ServerSentEvent('\ufeff')]),
        (b'data:one\ndata:  two\ndata\n\n', [ServerSentEvent('one\n two\n')]),
        (b'data\n\n', [ServerSentEvent('')]),
        (b': ping\n\ndata: x\n: inside\n\n', [ServerSentEvent('x')]),
        (b'event: add\ndata: 1\n\ndata: 2\n\n', [ServerSentEvent('1', 'add'), ServerSentEvent('2')]),
        (b'event: lost\n\ndata: 2\n\n', [ServerSentEvent('2')]),
        (
            b'id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n',
            [*(ServerSentEvent(x, id='1') for x in 'ab'), ServerSentEvent('c')],
        ),
        (b'id: 1\n\nid: 2\0\ndata: a\n\n', [ServerSentEvent('a', id='1')]),
        (b'Data: a\n\nother: b\n\n', []),
        (b'data: not over', []),
        (b'data: not over\n', []),
        ('data: ⛴️ 👩‍🚀\n\n'.encode(), [ServerSentEvent('⛴️ 👩‍🚀')]),
        (b'data: \xff\xe2\n\n', [ServerSentEvent('\N{REPLACEMENT CHARACTER}' * 2)]),
    ],
)
def test_a_stream_is_read_as_the_standard_says_at_every_cut(stream: bytes, events: list[ServerSentEvent]) -> None:
    assert at_every_cut(stream) == events


@given(data=TEXTS, event=NAMES.filter(bool), event_id=NAMES, comment=TEXTS)
def test_what_was_written_is_read_at_every_cut(data: str, event: str, event_id: str, comment: str) -> None:
    stream = sse_comment(comment) + sse_event(data, event=event, id=event_id, retry=1.5)
    lines = data.replace('\r\n', '\n').replace('\r', '\n')
    assert at_every_cut(stream) == [ServerSentEvent(lines, event, event_id)]


@given(st.lists(TEXTS, max_size=5), st.data())
def test_cuts_anywhere_lose_and_double_nothing(texts: list[str], draw: st.DataObject) -> None:
    stream = b''.join(sse_event(text, id=str(number)) for number, text in enumerate(texts))
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [event.id for event in read(*pieces)] == [str(number) for number in range(len(texts))]


def test_the_id_and_the_delay_for_connecting_again_are_kept() -> None:
    decoder = SSEDecoder()
    assert (decoder.last_event_id, decoder.retry) == ('', None)
    decoder.feed(sse_event(retry=2.5) + b'retry: soon\n\nretry: \xd9\xa3\n\n' + sse_event('a', id='7') + b'id: 8\nda')
    assert (decoder.last_event_id, decoder.retry) == ('7', 2.5), 'an event that was cut off has not been seen'
    decoder.feed(b'ta: b\n\n')
    assert decoder.last_event_id == '8'


@pytest.mark.parametrize('field', ['event', 'id'])
@pytest.mark.parametrize('value', ['a\nb', 'a\rb', '\r\n'])
def test_a_line_end_in_a_name_would_begin_another_field(field: str, value: str) -> None:
    with pytest.raises(ValueError, match='line end'):
        sse_event('x', **{field: value})  # pyright: ignore[reportArgumentType] - one of two names


def test_what_clients_ignore_is_refused() -> None:
    with pytest.raises(ValueError, match='NUL'):
        sse_event('x', id='a\0')
    with pytest.raises(ValueError, match='retry=-1'):
        sse_event('x', retry=-1)


@pytest.mark.parametrize('endless', [b'data: xxxxxxxx', b'data: xxxxxxxx\n', b': xxxx', b'event: xxxxxxxxx'])
def test_an_event_without_end_does_not_fill_the_memory(endless: bytes) -> None:
    decoder = SSEDecoder(limit=1000)

    def go_on() -> None:
        for _ in range(200):
            decoder.feed(endless)

    with pytest.raises(ValueError, match='limit of 1000'):
        go_on()


def test_comments_and_events_without_end_are_no_matter() -> None:
    decoder = SSEDecoder(limit=100)
    for _ in range(200):
        assert decoder.feed(b': ping\n') == []
        assert decoder.feed(sse_event('x' * 90)) == [ServerSentEvent('x' * 90)]
