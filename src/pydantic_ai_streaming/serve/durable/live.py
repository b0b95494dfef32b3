"""Clients that wait: a long poll, and server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ...core.sse import sse_comment
from ...errors import StoreUnavailable, StreamLogError, StreamMissing
from ...logs.heads import Head, Slice, Write
from ...logs.log import StreamLog
from ...logs.tail import Follower
from .events import EventWriter
from .kept import Kept, kept_in
from .reading import caught_up

__all__ = ['Events', 'Times', 'Wait', 'keep_alive', 'polled']


def lifetime(head: Head) -> float | None:
    """Seconds without a read or a write after which a stream is forgotten, if reads count."""
    return None if kept_in(head) is None else head.ttl


async def keep_alive(log: StreamLog, head: Head) -> None:
    """Begin the time to live of a stream anew, where it is counted from reads. A read does not fail if that does."""
    if lifetime(head) is not None:
        with contextlib.suppress(StreamLogError, StoreUnavailable):
            await log.write(Write(stream_id=head.stream_id, incarnation=head.incarnation))


class Wait:
    """Waits for what comes after some entries of a stream, and keeps it alive meanwhile.

    Args:
        log: The log.
        part: What the client has, up to its end: read from the log and not from a tail, which may lag behind it.
    """

    def __init__(self, log: StreamLog, part: Slice) -> None:
        self._log = log
        self._part = part
        self._follower: Follower | None = None
        self._clock = asyncio.get_running_loop().time
        seconds = lifetime(part.head)
        self._pause = math.inf if seconds is None else seconds / 3
        self._renew_at = self._clock() + self._pause

    async def more(self, until: float) -> Slice | None:
        """What has come, without entries if that is only the end; `None` if it is nothing until then.

        Raises:
            StreamMissing: The stream was deleted or has expired.
            StoreUnavailable: Older entries cannot be fetched.
        """
        follower = self._follower = self._follower or await self._follow()
        while True:
            if (part := await follower.take()) is not None:
                return part
            if follower.exhausted and follower.tail.head is not None:
                return Slice(follower.tail.head, follower.offset, ())
            if (now := self._clock()) >= until:
                return None
            if now >= self._renew_at:
                self._renew_at = now + self._pause
                await keep_alive(self._log, self._part.head)
            await follower.wait(min(until, self._renew_at))

    async def _follow(self) -> Follower:
        head = self._part.head
        while True:
            follower = await self._log.follow(head.stream_id, self._part.end)
            seen = follower.tail.head
            if seen is not None and seen.incarnation == head.incarnation:
                return follower
            # One of the two is gone, and it is not yet known here which.
            now = await self._log.read(head.stream_id, limit=0)
            if now.head.incarnation != head.incarnation:
                raise StreamMissing(head.stream_id)
            follower.tail.see(now)


async def polled(log: StreamLog, part: Slice, *, seconds: float) -> Slice:
    """What has come after some entries, at the latest after so many seconds, when it may be nothing.

    Raises:
        StreamMissing: The stream was deleted or has expired.
        StoreUnavailable: The log cannot be reached.
    """
    until = asyncio.get_running_loop().time() + seconds
    more = await Wait(log, part).more(until)
    return Slice(part.head, part.end, ()) if more is None else more


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds that a connection may last, and seconds of silence after which it is told that it is still there."""

    connection: float
    keep_alive: float


class Events(AsyncIterator[bytes]):
    """The pieces of the body of server-sent events, from some entries on.

    It ends with the stream, when the stream is deleted, when the log cannot be reached, or when the connection has
    lasted long enough: the client connects again, and is told what it is. It holds no task, and of the stream what it
    is about to send.

    Args:
        log: The log.
        part: What is sent first, read from the log.
        kept: What is known of the stream.
        writer: Writes what is sent.
        cursor: What the client is to send to caches.
        times: How long it lasts.
    """

    def __init__(
        self, log: StreamLog, part: Slice, kept: Kept, *, writer: EventWriter, cursor: str, times: Times
    ) -> None:
        self._log = log
        self._part = part
        self._content_type = kept.content_type
        self._writer = writer
        self._cursor = cursor
        self._times = times
        self._ready = writer.events(part, kept.content_type, cursor)
        self._wait: Wait | None = None
        self._clock = asyncio.get_running_loop().time
        self._until = self._clock() + times.connection

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> bytes:
        while (piece := next(self._ready, None)) is None:
            if self._part.last or self._clock() >= self._until:
                raise StopAsyncIteration
            try:
                more = await self._more()
            except (StreamLogError, StoreUnavailable):
                raise StopAsyncIteration from None
            if more is None:
                if self._clock() >= self._until:
                    raise StopAsyncIteration
                return sse_comment('keep-alive')
            self._part = more
            self._ready = self._writer.events(more, self._content_type, self._cursor)
        return piece

    async def _more(self) -> Slice | None:
        if self._wait is None:
            if not caught_up(self._part):
                return await self._next()
            self._wait = Wait(self._log, self._part)
        return await self._wait.more(min(self._until, self._clock() + self._times.keep_alive))

    async def _next(self) -> Slice:
        head = self._part.head
        part = await self._log.read(head.stream_id, self._part.end)
        if part.head.incarnation != head.incarnation:
            raise StreamMissing(head.stream_id)
        return part
