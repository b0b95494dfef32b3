"""Clients that wait: a long poll, and server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from ...core.sse import sse_comment
from ...core.telling import told_to
from ...errors import StoreError, StoreUnavailable, StreamLogError, StreamMissing
from ...logs.heads import Head, Slice, Write
from ...logs.log import StreamLog
from ...logs.tail import FETCHES, Follower, Tail
from .events import EVENT_SIZE, EventWriter
from .kept import Kept, kept_in

__all__ = ['ANSWER_SIZE', 'Events', 'Times', 'Wait', 'keep_alive', 'polled']

logger = told_to(__name__)

ANSWER_SIZE: Final = 2**20
"""Bytes of entries after which an answer ends: a client that does not read holds as much."""


def lifetime(head: Head) -> float | None:
    """Seconds without a read or a write after which a stream is forgotten, if reads count."""
    return None if kept_in(head) is None else head.ttl


async def keep_alive(log: StreamLog, head: Head) -> None:
    """Begin the time to live of a stream anew, where it is counted from reads. A read does not fail if that does."""
    if lifetime(head) is not None:
        with contextlib.suppress(StreamLogError, StoreError):
            await log.write(Write(stream_id=head.stream_id, incarnation=head.incarnation))


class Wait:
    """Waits for what comes after an offset of a stream, and keeps the stream alive meanwhile.

    Args:
        log: The log.
        head: The stream, read from the log: what this process has of it may lag behind that.
        offset: The offset.
        size: Bytes after which no other entry is taken at once.
    """

    def __init__(self, log: StreamLog, head: Head, offset: int, *, size: int) -> None:
        self._log = log
        self._size = size
        self._head = head
        self._offset = offset
        self._follower: Follower | None = None
        self._clock = asyncio.get_running_loop().time
        seconds = lifetime(head)
        self._pause = math.inf if seconds is None else seconds / 3
        self._renew_at = self._clock() + self._pause

    async def more(self, until: float) -> Slice | None:
        """What has come, without entries if that is only the end; `None` if it is nothing until then.

        Raises:
            StreamMissing: The stream was deleted or has expired.
            StoreUnavailable: What this process does not have cannot be fetched.
        """
        follower = self._follower = self._follower or await self._follow()
        while True:
            if (part := await follower.take(size=self._size)) is not None:
                return part
            if follower.exhausted and follower.tail.head is not None:
                return Slice(follower.tail.head, follower.offset, ())
            if (now := self._clock()) >= until:
                return None
            if now >= self._renew_at:
                self._renew_at = now + self._pause
                await keep_alive(self._log, self._head)
            await follower.wait(min(until, self._renew_at))

    async def _follow(self) -> Follower:
        head = self._head
        while True:
            follower = await self._log.follow(head.stream_id, self._offset)
            tail = follower.tail
            if tail.head is not None and tail.head.incarnation == head.incarnation:
                if tail.head.version < head.version:
                    await self._catch_up(tail)
                return follower
            # One of the two is gone, and it is not yet known here which.
            now = await self._log.read(head.stream_id, limit=0)
            if now.head.incarnation != head.incarnation:
                raise StreamMissing(head.stream_id)
            tail.see(now)

    async def _catch_up(self, tail: Tail) -> None:
        """Have what this process has of the stream hold all that was there when the client asked."""
        for _ in range(FETCHES):
            tail.see(await self._log.read(self._head.stream_id, tail.end))
            if not tail.behind:
                return
        tail.skip()


async def polled(log: StreamLog, head: Head, *, seconds: float) -> Slice:
    """What comes after the end of a stream, at the latest after so many seconds, when it may be nothing.

    Raises:
        StreamMissing: The stream was deleted or has expired.
        StoreUnavailable: The log cannot be reached.
    """
    until = asyncio.get_running_loop().time() + seconds
    more = await Wait(log, head, head.length, size=ANSWER_SIZE).more(until)
    return Slice(head, head.length, ()) if more is None else more


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds that a connection may last, and seconds of silence after which it is told that it is still there."""

    connection: float
    keep_alive: float


class Events(AsyncIterator[bytes]):
    """The pieces of the body of server-sent events, from an offset on.

    It ends with the stream, when the stream is deleted, when the log cannot be reached, or when the connection has
    lasted long enough: the client connects again, and is told what it is. It holds no task, and of the stream what it
    is about to send.

    Args:
        log: The log.
        head: The stream, read from the log.
        offset: The offset.
        kept: What is known of the stream.
        writer: Writes what is sent.
        cursor: What the client is to send to caches.
        times: How long it lasts.
    """

    def __init__(
        self, log: StreamLog, head: Head, offset: int, kept: Kept, *, writer: EventWriter, cursor: str, times: Times
    ) -> None:
        self._write = partial(writer.events, content_type=kept.content_type, cursor=cursor)
        self._keep_alive = times.keep_alive
        self._wait = Wait(log, head, offset, size=EVENT_SIZE)
        begins = Slice(head, offset, ())
        self._over = begins.last
        # A client that has everything is told so before it waits.
        self._ready = self._write(begins) if offset == head.length else iter(())
        self._clock = asyncio.get_running_loop().time
        self._until = self._clock() + times.connection

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> bytes:
        while (piece := next(self._ready, None)) is None:
            if self._over or self._clock() >= self._until:
                raise StopAsyncIteration
            try:
                more = await self._wait.more(min(self._until, self._clock() + self._keep_alive))
            except (StreamLogError, StoreError) as error:
                if isinstance(error, StoreError) and not isinstance(error, StoreUnavailable):
                    logger.error('A stream can no longer be sent: %s', error)
                raise StopAsyncIteration from None
            if more is not None:
                self._over = more.last
                self._ready = self._write(more)
            elif self._clock() < self._until:
                return sse_comment('keep-alive')
        return piece
