"""Where a client is in a stream: the ids of events, and what it sends to go on from there."""

from __future__ import annotations

from urllib.parse import quote, unquote

from starlette.requests import Request

from ..core.wording import counted
from ..logs.heads import Head
from .refused import Refused

__all__ = ['event_id', 'offset_of', 'single', 'stream_of']

LONGEST = 15
"""Digits of an offset, at most."""


def event_id(stream_id: str, offset: int) -> str:
    """The id of an event, which names its stream and its offset.

    It comes back in a header, where clients agree on ASCII alone, and in a line, which ends at a line end. So the id of
    the stream is percent-encoded, which changes nothing of those that are made here.

    Example:
        >>> event_id('k3s_Zt-a', 7), event_id('häfen: 50 %', 7)
        ('k3s_Zt-a:7', 'h%C3%A4fen%3A%2050%20%25:7')
    """
    return f'{quote(stream_id, safe="")}:{offset}'


def stream_of(last_event_id: str) -> str:
    """The stream of an event, by the id of the event.

    Example:
        >>> stream_of('h%C3%A4fen%3A%2050%20%25:7')
        'häfen: 50 %'
    """
    return unquote(last_event_id.rpartition(':')[0])


def offset_of(request: Request, head: Head) -> int:
    """The offset from which a client wants to read a stream: after `Last-Event-ID`, else from `?offset=`, else from 0.

    An `EventSource` keeps its address when it connects again, and so what it has seen goes first.

    Raises:
        Refused: It is no offset of this stream, or beyond its end.
    """
    last = single(request.headers.getlist('last-event-id'))
    if last:
        number, ours, first = last.rpartition(':')[2], stream_of(last) == head.stream_id, 1
    else:
        number, ours, first = single(request.query_params.getlist('offset'), '0'), True, 0
    if not ours or not (number.isascii() and number.isdecimal() and len(number) <= LONGEST):
        raise Refused(400, 'malformed_offset', 'This is no offset of this stream.')
    offset = int(number) + first
    if offset > head.length:
        raise Refused(400, 'offset_beyond', f'The stream has {counted(head.length, "entry")}.')
    return offset


def single(values: list[str], default: str = '') -> str:
    """The value of something that a request may have once; what comes twice is read in two ways by two programs.

    Raises:
        Refused: It is there more than once.
    """
    if len(values) > 1:
        raise Refused(400, 'malformed', 'A header or a parameter is there twice.')
    return values[0] if values else default
