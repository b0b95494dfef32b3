"""Server-sent events: the lines of a `text/event-stream`, written and read at any cut.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

__all__ = ['SSEDecoder', 'ServerSentEvent', 'sse_comment', 'sse_event']

LINE_END = re.compile('\r\n|\r|\n')
LONGEST = 8 * 1024 * 1024
"""Characters of one event that a decoder holds by default."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """An event as a client is given it.

    Attributes:
        data: Its lines of data, joined by line feeds.
        event: Its type.
        id: The last id until then, this event's or an earlier one's: what a client sends as `Last-Event-ID`.
    """

    data: str
    event: str = 'message'
    id: str = ''


def sse_event(
    data: str | None = None,
    *,
    event: str | None = None,
    id: str | None = None,  # noqa: A002 - the name of the field
    retry: float | None = None,
) -> bytes:
    r"""Write an event.

    Args:
        data: What it carries. Each of its lines becomes a field, and so a client sees every kind of line end as `\n`;
            in JSON there is none. Without data, clients take note of `id` and `retry` and tell nobody.
        event: Its type; a browser's `onmessage` sees only those without.
        id: What the client is to send as `Last-Event-ID` when it connects again.
        retry: Seconds that the client is to wait until it does.

    Raises:
        ValueError: `event` or `id` has a line end, `id` has a NUL, or `retry` is negative: clients would take them for
            something else.

    Example:
        >>> sse_event('one\ntwo', id='7')
        b'id: 7\ndata: one\ndata: two\n\n'
    """
    lines: list[str] = []
    if event is not None:
        lines.append(f'event: {_one_line("event", event)}')
    if id is not None:
        lines.append(f'id: {_one_line("id", id)}')
    if retry is not None:
        if not 0 <= retry < float('inf'):
            raise ValueError(f'retry={retry!r}: use a number of seconds, 0 or more')
        lines.append(f'retry: {round(retry * 1000)}')
    if data is not None:
        lines += [f'data: {line}' for line in LINE_END.split(data)]
    return ('\n'.join(lines) + '\n\n').encode()


def sse_comment(text: str = '') -> bytes:
    r"""Write a comment, which no client tells anybody of: it only keeps the connection alive.

    Example:
        >>> sse_comment('still here')
        b': still here\n\n'
    """
    return (''.join(f': {line}\n' for line in LINE_END.split(text)) + '\n').encode()


class SSEDecoder:
    r"""Reads the bytes of an event stream, cut anywhere.

    Args:
        limit: Characters of one event at most.

    Attributes:
        last_event_id: What to send as `Last-Event-ID` when connecting again; empty if there was no id.
        retry: Seconds to wait until then, if the server has said so.

    Example:
        >>> decoder = SSEDecoder()
        >>> decoder.feed(b'id: 7\ndata: o'), decoder.feed(b'ne\n\n')
        ([], [ServerSentEvent(data='one', event='message', id='7')])
    """

    __slots__ = (
        '_after_cr',
        '_began',
        '_data',
        '_decode',
        '_event',
        '_id',
        '_limit',
        '_line',
        '_size',
        'last_event_id',
        'retry',
    )

    def __init__(self, *, limit: int = LONGEST) -> None:
        self.last_event_id = ''
        self.retry: float | None = None
        self._limit = limit
        self._decode = codecs.getincrementaldecoder('utf-8')(errors='replace').decode
        self._began = False
        self._after_cr = False
        self._line: list[str] = []  # of a line whose end has not come
        self._size = 0  # characters that are held
        self._data: list[str] = []
        self._event = ''
        self._id = ''

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """Take in some bytes. Returns the events that have become complete.

        Raises:
            ValueError: An event is longer than `limit`.
        """
        text = self._decode(piece)
        if text and not self._began:
            self._began = True
            text = text.removeprefix('\ufeff')
        if text and self._after_cr:
            # A line ends with its CR at once; the LF that may follow in another piece is of the same end.
            self._after_cr = False
            text = text.removeprefix('\n')
        events: list[ServerSentEvent] = []
        start = 0
        for end in LINE_END.finditer(text):
            self._hold(text[start : end.start()])
            start = end.end()
            line, self._line = ''.join(self._line), []
            if event := self._end_of_line(line):
                events.append(event)
        if start < len(text):
            self._hold(text[start:])
        self._after_cr = text.endswith('\r') or (self._after_cr and not text)
        return events

    def _hold(self, piece: str) -> None:
        self._line.append(piece)
        self._size += len(piece)
        if self._size > self._limit:
            raise ValueError(f'an event is longer than the limit of {self._limit} characters')

    def _end_of_line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._end_of_event()
        field, _, value = line.partition(':')
        value = value.removeprefix(' ')
        if field == 'data':
            self._data.append(value)
            return None
        self._size -= len(line)
        if field == 'event':
            self._event = value
        elif field == 'id' and '\0' not in value:
            self._id = value
        elif field == 'retry' and value.isascii() and value.isdecimal():
            self.retry = int(value) / 1000
        return None

    def _end_of_event(self) -> ServerSentEvent | None:
        data, event = self._data, self._event
        self._data, self._event, self._size = [], '', 0
        self.last_event_id = self._id
        return ServerSentEvent('\n'.join(data), event or 'message', self._id) if data else None


def _one_line(name: str, value: str) -> str:
    if LINE_END.search(value) or (name == 'id' and '\0' in value):
        raise ValueError(f'{name}={value!r}: it cannot hold a line end{" or a NUL" if name == "id" else ""}')
    return value
