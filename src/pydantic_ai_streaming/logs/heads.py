"""What a log knows of a stream beside its entries, and what a write makes of that: the same for every backend.

A write is a set of conditions and a set of changes, applied as a whole or refused. Everything that is done to a stream
is one: to create it, to append, to close, to renew a lease or take a lapsed one over, to ask for a stop, to delete.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from ..errors import StoreError, StreamFenced, StreamLogError, StreamMissing

__all__ = [
    'SLICE_BYTES',
    'Head',
    'Refusal',
    'RefusalReason',
    'Slice',
    'Wanted',
    'Write',
    'apply',
    'cut',
    'is_name',
    'storable',
]

SLICE_BYTES = 4 * 2**20
"""Bytes of entries after which a slice ends, if nobody wants less: what a reader holds at once has a bound."""

RefusalReason: TypeAlias = Literal['missing', 'exists', 'fenced', 'closed', 'changed', 'held', 'repeated']
"""Why a write was refused.

There is no such stream; there is one already; another producer has taken over; the stream has ended; it was written to
since it was read; its producer is alive; the write is done already.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A stream, without its entries.

    Attributes:
        stream_id: Its name.
        incarnation: A token of its creator: a stream that was deleted and made anew is another one.
        version: How many writes have changed it.
        length: How many entries it has; the offset of the next one.
        epoch: Which producer writes it: 1 for the first, one more for each that has taken over.
        closed: Whether nothing more will come.
        stopping: Whether somebody has asked its producer to stop.
        leased_until: Until when its producer counts as alive, in seconds on the backend's clock; `None` if none is
            needed, because anybody may write.
        ttl: Seconds after the last write (or touch) after which it is forgotten; `None`: never, or at `expires_at`.
        expires_at: When it is forgotten, in seconds on the backend's clock.
        token: Of the last write that had one.
        owner: Whose it is.
        details: What its creator wants to be kept with it.
    """

    stream_id: str
    incarnation: str
    version: int = 0
    length: int = 0
    epoch: int = 1
    closed: bool = False
    stopping: bool = False
    leased_until: float | None = None
    ttl: float | None = None
    expires_at: float | None = None
    token: str | None = None
    owner: str | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])

    def dump(self) -> str:
        """JSON, for a backend."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}, separators=(',', ':'))

    @classmethod
    def load(cls, text: str | bytes) -> Head:
        """From `dump`. What a newer version has added is left out.

        Raises:
            StoreError: It is something else.
        """
        try:
            known = {name: value for name, value in json.loads(text).items() if name in cls.__slots__}
            return cls(**known)
        except (TypeError, ValueError, AttributeError) as error:
            raise StoreError(f'The head of a stream is damaged: {text[:200]!r}', reason='damaged') from error

    def lapsed(self, now: float) -> bool:
        """Whether its producer is gone without having closed it."""
        return not self.closed and self.leased_until is not None and self.leased_until <= now

    def expired(self, now: float) -> bool:
        """Whether it is to be forgotten, and counts as missing."""
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Conditions, and what is done to a stream if they hold.

    Attributes:
        stream_id: The stream.
        create: Make the stream, of which there is none: the head that it begins with.
        entries: What is appended. Refused if the stream is closed.
        epoch: Refused if another producer has taken over.
        version: Refused if the stream has been written to since it had this version, or is another incarnation.
        incarnation: Refused, as with `version`, if the stream is another incarnation.
        token: The name of this write: it is not done again if it was the last one with a name, as when the answer to it
            was lost.
        close: Nothing more will come.
        stop: Ask the producer to stop.
        lease: The producer is alive for so many seconds from now.
        take_over: Become the producer, in an epoch of its own. Refused while the last one is alive.
        details: What is kept with the stream from now on; `None` leaves it.
        expires_in: The stream is forgotten so many seconds from now (`math.inf`: never). One with a `ttl` lives on with
            its next write.
        delete: Forget the stream.
    """

    stream_id: str
    create: Head | None = None
    entries: Sequence[bytes] = ()
    epoch: int | None = None
    version: int | None = None
    incarnation: str | None = None
    token: str | None = None
    close: bool = False
    stop: bool = False
    lease: float | None = None
    take_over: bool = False
    details: dict[str, Any] | None = None
    expires_in: float | None = None
    delete: bool = False

    @property
    def quiet(self) -> bool:
        """Whether readers have nothing to see of it: it keeps a stream alive, and changes nothing."""
        return not (self.create or self.entries or self.close or self.stop or self.take_over or self.delete) and (
            self.details is None
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write that was not done, and the stream as it is."""

    reason: RefusalReason
    head: Head | None = None

    def error(self, stream_id: str) -> StreamLogError:
        """What is raised for it."""
        if self.reason == 'missing':
            return StreamMissing(stream_id)
        if self.reason == 'fenced':
            return StreamFenced(stream_id)
        return StreamLogError(stream_id, reason=self.reason)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Entries to be read: those from `start` on, `limit` of them at most, and none after `size` bytes."""

    stream_id: str
    start: int = 0
    limit: int = 1000
    size: int = SLICE_BYTES


def cut(entries: Sequence[bytes], first: int, limit: int, size: int) -> Sequence[bytes]:
    """Entries from `first` on, `limit` of them at most, and none after the one that brings them to `size` bytes.

    Example:
        >>> cut([b'one', b'two', b'three', b'four'], 1, 3, 7)
        [b'two', b'three']
    """
    found = entries[first : first + limit]
    for index, entry in enumerate(found):
        size -= len(entry)
        if size <= 0:
            return found[: index + 1]
    return found


@dataclass(frozen=True, slots=True)
class Slice:
    """A stream with some of its entries, read at one instant.

    Attributes:
        head: The stream.
        start: The offset of the first of the entries.
        entries: As many as were wanted, or until the end; fewer, but one at least, if they are large.
    """

    head: Head
    start: int
    entries: Sequence[bytes]

    @property
    def end(self) -> int:
        """The offset of the entry after these."""
        return self.start + len(self.entries)

    @property
    def last(self) -> bool:
        """Whether nothing will ever come after these."""
        return self.head.closed and self.end >= self.head.length


def apply(head: Head | None, write: Write, now: float) -> Head | Refusal | None:
    """The head after a write, `None` if the stream is gone, or why the write is refused.

    Args:
        head: The stream as it is, if there is one.
        write: What is to be done.
        now: The instant, in seconds on the backend's clock.

    Example:
        >>> head = apply(None, Write(stream_id='a', create=Head(stream_id='a', incarnation='x')), now=0)
        >>> head = apply(head, Write(stream_id='a', entries=[b'one', b'two'], epoch=1), now=1)
        >>> head.length, head.version
        (2, 2)
        >>> apply(head, Write(stream_id='a', entries=[b'three'], epoch=0), now=2).reason
        'fenced'
    """
    if head is not None and head.expired(now):
        head = None
    if write.create is not None:
        if head is not None:
            repeated = write.token is not None and write.token == head.token
            return Refusal('repeated' if repeated else 'exists', head)
        head = write.create
    elif head is None:
        return Refusal('missing')
    elif (reason := _refused(head, write, now)) is not None:
        return Refusal(reason, head)
    if write.delete:
        return None
    return replace(
        head,
        version=head.version + (not write.quiet),
        length=head.length + len(write.entries),
        epoch=head.epoch + write.take_over,
        closed=head.closed or write.close,
        stopping=head.stopping or write.stop,
        leased_until=head.leased_until if write.lease is None else now + write.lease,
        expires_at=_expiry(head, write, now),
        token=write.token or head.token,
        details=head.details if write.details is None else write.details,
    )


def _expiry(head: Head, write: Write, now: float) -> float | None:
    seconds = head.ttl if write.expires_in is None else write.expires_in
    if seconds is None:
        return head.expires_at
    return None if seconds == math.inf else now + seconds


def _refused(head: Head, write: Write, now: float) -> RefusalReason | None:
    if write.token is not None and write.token == head.token:
        return 'repeated'
    if write.epoch is not None and write.epoch != head.epoch:
        return 'fenced'
    if write.incarnation is not None and write.incarnation != head.incarnation:
        return 'changed'
    if write.version is not None and write.version != head.version:
        return 'changed'
    if head.closed and (write.entries or write.close or write.take_over or write.stop):
        return 'closed'
    if write.take_over and not head.lapsed(now):
        return 'held'
    return None


def is_name(text: str) -> bool:
    """Whether a text can name something in every backend: half a character, as of a torn surrogate pair, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def storable(write: Write) -> Write:
    """The write as every backend keeps it: its details are a copy, and what JSON makes of them.

    Raises:
        StoreError: The details have no JSON form, or a name is no text.
        TypeError: An entry is something else than bytes.
    """
    create = write.create
    if not all(type(entry) is bytes for entry in write.entries):
        raise TypeError(f'Entries of stream {write.stream_id!r}: use a sequence of bytes')
    names = (write.stream_id, write.token, None if create is None else create.owner)
    for name in names:
        if name is not None and not is_name(name):
            raise StoreError(f'{name!r} is no text: it has half a character', reason='unstorable')
    if create is not None:
        create = replace(create, details=_as_json(create.details, write))
    details = None if write.details is None else _as_json(write.details, write)
    return write if create is None and details is None else replace(write, create=create, details=details)


def _as_json(details: dict[str, Any], write: Write) -> dict[str, Any]:
    try:
        return json.loads(json.dumps(details))
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(
            f'The details of stream {write.stream_id!r} have no JSON form: {error}', reason='unstorable'
        ) from error
