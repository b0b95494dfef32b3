"""What a request asks for, read from its headers and parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote

from ...logs.heads import Head
from .answers import Refused
from .kept import Turn
from .messages import media_type
from .offsets import offset_of

__all__ = ['Append', 'Asker', 'Create', 'Fork', 'Mode', 'Read', 'appending', 'creating', 'reading']

Mode: TypeAlias = Literal['long-poll', 'sse']
"""How a client waits for what is not there yet."""

COUNT: Final = re.compile(r'0|[1-9][0-9]{0,15}')
NUMBER: Final = re.compile(r'[0-9]{1,16}')
CONTENT_TYPE: Final = re.compile(r'[\w.+-]+/[\w.+-]+')
GREATEST: Final = 2**53 - 1
"""The greatest integer that every client of the protocol has."""
LONGEST_LIFE: Final = 2**31 - 1
"""Seconds."""
LONGEST_NAME: Final = 256
"""Characters of what is kept with a stream: the id of a producer, a `Stream-Seq`, a content type."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks.

    Attributes:
        owner: Whose is what they make; `None` if they are not known.
        sees_all: Whether they may have the streams of anybody, because nobody is asked who they are.
    """

    owner: str | None = None
    sees_all: bool = True

    def may_have(self, head: Head) -> bool:
        """Whether a stream is theirs. Another's is as missing as one that there is not."""
        return self.sees_all or head.owner == self.owner


@dataclass(frozen=True, slots=True)
class Fork:
    """That a stream is to begin with what another one has: up to `offset` (its end, if that is `None`), and `sub`."""

    source: str
    offset: int | None
    sub: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """A stream is to be made, or to be there.

    Attributes:
        asker: For whom.
        stream_id: Its name.
        incarnation: A token for it, if it is made.
        content_type: Of its entries; `None` if that is not said.
        ttl: Seconds without a read or a write after which it is forgotten.
        expires_at: When it is forgotten, as the client has written it.
        close: Whether nothing is to come after the body.
        body: What it begins with.
        fork: Of which stream it is a fork.
        url: Its address.
        now: The instant, in seconds since 1970.
    """

    asker: Asker
    stream_id: str
    incarnation: str
    content_type: str | None
    ttl: int | None
    expires_at: str | None
    close: bool
    body: bytes
    fork: Fork | None
    url: str
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Something is to be added to a stream, or it is to be closed, or both.

    Attributes:
        stream_id: The stream.
        content_type: Of the body; `None` if that is not said.
        body: What is added.
        close: Whether nothing is to come after it.
        seq: It is refused if the last one that was said is not less.
        expected: It is refused if the stream does not end here.
        turn: The request of an idempotent producer.
    """

    stream_id: str
    content_type: str | None
    body: bytes
    close: bool
    seq: str | None
    expected: int | None
    turn: Turn | None

    @property
    def is_conditional(self) -> bool:
        """Whether it depends on what others have written."""
        return not (self.turn is None and self.seq is None and self.expected is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A stream is to be read.

    Attributes:
        offset: The first entry; `None`: only what comes from now on.
        asked: The offset as it was asked for.
        mode: How the client waits; `None`: it does not.
        cursor: What the client was told for caches.
        etags: What the client has already.
    """

    offset: int | None
    asked: str
    mode: Mode | None
    cursor: str | None
    etags: Sequence[str]


def creating(
    headers: Mapping[str, str],
    body: bytes,
    *,
    asker: Asker,
    stream_id: str,
    incarnation: str,
    named: Callable[[str], str | None],
    url: str,
    now: float,
) -> Create:
    """Read what a `PUT` asks for.

    Args:
        headers: Its headers, by names in lower case.
        body: Its body.
        asker: Who asks.
        stream_id: The stream.
        incarnation: A token for it.
        named: The id of the stream at a path, if there may be one.
        url: The address of the stream.
        now: The instant, in seconds since 1970.

    Raises:
        Refused: It cannot be read.
    """
    content_type = headers.get('content-type')
    if content_type is not None and not CONTENT_TYPE.fullmatch(media_type(content_type)):
        content_type = None
    ttl, expires_at = headers.get('stream-ttl'), headers.get('stream-expires-at')
    if ttl is not None and expires_at is not None:
        raise Refused(400, 'Stream-TTL and Stream-Expires-At exclude each other.')
    if ttl is not None and not (COUNT.fullmatch(ttl) and int(ttl) <= LONGEST_LIFE):
        raise Refused(400, f'Stream-TTL has to be a whole number of seconds, {LONGEST_LIFE} at most, in plain digits.')
    if expires_at is not None:
        instant_of(expires_at)
    return Create(
        asker=asker,
        stream_id=stream_id,
        incarnation=incarnation,
        content_type=None if content_type is None else _kept(content_type, 'Content-Type'),
        ttl=None if ttl is None else int(ttl),
        expires_at=expires_at,
        close=_closes(headers),
        body=body,
        fork=_fork(headers, named),
        url=url,
        now=now,
    )


def instant_of(timestamp: str) -> float:
    """Seconds since 1970 of a timestamp of RFC 3339.

    Raises:
        Refused: It is none.
    """
    try:
        instant = datetime.fromisoformat(timestamp)
        if instant.tzinfo is None or len(timestamp) > 40:
            raise ValueError
        return instant.timestamp()
    except (ValueError, OverflowError):
        raise Refused(400, 'Stream-Expires-At has to be a timestamp as in RFC 3339, with a time zone.') from None


def _fork(headers: Mapping[str, str], named: Callable[[str], str | None]) -> Fork | None:
    source, token = headers.get('stream-forked-from'), headers.get('stream-fork-offset')
    sub = headers.get('stream-fork-sub-offset')
    if sub is not None and (source is None or not COUNT.fullmatch(sub)):
        raise Refused(400, 'Stream-Fork-Sub-Offset has to be a number in plain digits, with Stream-Forked-From.')
    if source is None:
        return None
    if (stream_id := named(unquote(source))) is None:
        raise Refused(404, 'Stream-Forked-From is the path of no stream of this server.')
    return Fork(stream_id, None if token is None else _offset(token, 'Stream-Fork-Offset'), int(sub or 0))


def _offset(token: str, name: str) -> int:
    try:
        return offset_of(token)
    except ValueError:
        raise Refused(400, f'{name} is no offset.') from None


def appending(headers: Mapping[str, str], body: bytes, *, stream_id: str) -> Append:
    """Read what a `POST` asks for.

    Raises:
        Refused: It cannot be read.
    """
    seq, expected = headers.get('stream-seq'), headers.get('stream-expected-offset')
    return Append(
        stream_id=stream_id,
        content_type=headers.get('content-type'),
        body=body,
        close=_closes(headers),
        seq=None if seq is None else _kept(seq, 'Stream-Seq'),
        expected=None if expected is None else _offset(expected, 'Stream-Expected-Offset'),
        turn=_turn(headers),
    )


def _turn(headers: Mapping[str, str]) -> Turn | None:
    values = [headers.get(f'producer-{name}') for name in ('id', 'epoch', 'seq')]
    if values == [None, None, None]:
        return None
    producer, epoch, seq = values
    if not producer or epoch is None or seq is None:
        raise Refused(400, 'Producer-Id, Producer-Epoch and Producer-Seq belong together.')
    for number in (epoch, seq):
        if not (NUMBER.fullmatch(number) and int(number) <= GREATEST):
            raise Refused(400, f'Producer-Epoch and Producer-Seq have to be numbers from 0 to {GREATEST}.')
    return Turn(_kept(producer, 'Producer-Id'), int(epoch), int(seq))


def reading(parameters: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> Read:
    """Read what a `GET` asks for.

    Args:
        parameters: Those of the query, each as often as it is there.
        headers: Its headers, by names in lower case.

    Raises:
        Refused: It cannot be read.
    """
    offsets = [value for name, value in parameters if name == 'offset']
    others = dict(parameters)
    mode: Mode | None = None
    if (live := others.get('live')) in ('long-poll', 'sse'):
        mode = live
    if len(offsets) > 1 or (mode is not None and not offsets):
        raise Refused(400, 'One offset is needed.' if offsets else f'live={mode} needs an offset.')
    asked = offsets[0] if offsets else '-1'
    try:
        offset = {'-1': 0, 'now': None}[asked] if asked in ('-1', 'now') else offset_of(asked)
    except ValueError:
        raise Refused(400, 'This is no offset: use one that was sent, -1 or now.') from None
    etags = [etag.strip().removeprefix('W/') for etag in headers.get('if-none-match', '').split(',')]
    return Read(offset=offset, asked=asked, mode=mode, cursor=others.get('cursor'), etags=etags)


def _closes(headers: Mapping[str, str]) -> bool:
    return headers.get('stream-closed', '').lower() == 'true'


def _kept(value: str, name: str) -> str:
    if len(value) > LONGEST_NAME:
        raise Refused(400, f'{name} is longer than {LONGEST_NAME} characters.')
    return value
