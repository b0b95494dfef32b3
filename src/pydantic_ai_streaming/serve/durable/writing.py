"""What clients have written through the protocol, done to the log: looked at, decided, tried again."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from ...errors import StoreError, StreamLogError, StreamMissing
from ...logs.heads import Head, Write
from ...logs.log import StreamLog
from .answers import Answer, Step, refusal
from .appending import decide_append
from .asking import Append, Asker, Create, Fork
from .creating import decide_create
from .deleting import decide_delete, forgotten, is_fork_of
from .forking import MOST_FORKS, Beyond, Source, copied, decide_fork
from .kept import Kept, described, kept_in
from .messages import is_json

__all__ = ['Writing']

ATTEMPTS: Final = 1000
"""Times that a request is tried while others write in between."""

IN_TURN: Final = 1.0
"""Seconds that a request waits for others of this process. When the log hangs, they are not to wait in a row."""


class Writing:
    """Does to a log what the machines say.

    Args:
        log: The log.
        content_type: Of streams that were not made through this protocol and do not say it.
    """

    def __init__(self, log: StreamLog, *, content_type: str) -> None:
        self._log = log
        self._content_type = content_type
        # Those of this process that would only have each other asked again. It is right without that, and slow.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def look(self, stream_id: str) -> Head | None:
        """A stream as it is now, if it is there."""
        try:
            return await self.settled(await self._log.head(stream_id))
        except StreamMissing:
            return None

    async def seen(self, asker: Asker, stream_id: str) -> Head | None:
        """A stream as it is now, if it is there for who asks."""
        head = await self.look(stream_id)
        return head if head is not None and asker.may_have(head) else None

    async def settled(self, head: Head) -> Head | None:
        """A stream, if it is still there: of one that was deleted, the name is kept only while it has forks."""
        kept = kept_in(head)
        if kept is None or not kept.deleted or await self._forks(head, kept):
            return head
        with contextlib.suppress(StreamLogError, StoreError):
            await self._log.write(forgotten(head))
        await self._settle_origin(kept)
        return None

    async def _settle_origin(self, kept: Kept) -> None:
        if kept.origin is not None:
            await self.look(kept.origin.stream_id)

    async def _forks(self, head: Head, kept: Kept) -> tuple[str, ...]:
        """Those forks of a stream that are there."""
        heads = await asyncio.gather(*(self._there(one) for one in kept.forks))
        return tuple(one for one, fork in zip(kept.forks, heads, strict=True) if is_fork_of(head.stream_id, fork))

    async def _there(self, stream_id: str) -> Head | None:
        try:
            return await self._log.head(stream_id)
        except StreamMissing:
            return None

    # What clients ask for

    async def append(self, asker: Asker, append: Append) -> Answer:
        """Add to a stream, or close it."""

        async def decide() -> Answer | Step:
            return decide_append(append, await self.seen(asker, append.stream_id))

        if not append.is_conditional:
            return await self._done(decide)
        async with self._turn(append.stream_id):
            return await self._done(decide)

    @asynccontextmanager
    async def _turn(self, stream_id: str) -> AsyncGenerator[None]:
        lock = self._turns.setdefault(stream_id, asyncio.Lock())
        try:
            async with asyncio.timeout(IN_TURN):
                await lock.acquire()
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            lock.release()

    async def create(self, create: Create) -> Answer:
        """Make a stream, or see that it is there."""
        fork = create.fork

        async def decide() -> Answer | Step:
            head = await self.look(create.stream_id)
            if fork is None:
                return decide_create(create, head)
            source = await self._source(create, fork, head)
            return decide_fork(create, fork, head, source, self._content_type)

        return await self._done(decide)

    async def _source(self, create: Create, fork: Fork, head: Head | None) -> Source | None:
        first = copied(create, head)
        if first is None or (at := await self.seen(create.asker, fork.source)) is None:
            return None
        try:
            part = await self._log.read(fork.source, first)
            beyond = await self._beyond(fork, part.head, head)
        except StreamMissing:
            return None
        if beyond is None:
            return await self._source(create, fork, head)  # it was replaced between the two
        kept = kept_in(at)
        forks: Sequence[str] = () if kept is None else kept.forks
        if kept is not None and len(forks) >= MOST_FORKS:
            forks = await self._forks(at, kept)
        return Source(part, beyond, tuple(forks))

    async def _beyond(self, fork: Fork, source: Head, head: Head | None) -> Beyond | None:
        """Where a fork of this stream ends; `None` if that is another stream by now."""
        copying = None if head is None else kept_in(head)
        content_type = described(source, self._content_type).content_type
        if copying is not None and copying.whole and is_json(content_type):
            return Beyond(copying.whole, 0, content_type)  # it was found when the copy was begun
        origin = None if copying is None else copying.origin
        offset = origin.offset if origin is not None else source.length if fork.offset is None else fork.offset
        beyond = Beyond(offset, fork.sub, content_type)
        more = beyond.missing > 0 and offset < source.length
        while more:
            part = await self._log.read(fork.source, beyond.offset)
            if part.head.incarnation != source.incarnation:
                return None
            more = beyond.see(part)
        return beyond

    async def delete(self, asker: Asker, stream_id: str) -> Answer:
        """Forget a stream."""
        origins: list[Kept] = []

        async def decide() -> Answer | Step:
            head = await self.seen(asker, stream_id)
            kept = None if head is None else kept_in(head)
            forks = () if head is None or kept is None else await self._forks(head, kept)
            origins[:] = [] if kept is None else [kept]
            return decide_delete(head, forks, secrets.token_urlsafe(9))

        answer = await self._done(decide)
        if answer.status == 204:
            for kept in origins:
                await self._settle_origin(kept)
        return answer

    async def _done(self, decide: Callable[[], Awaitable[Answer | Step]]) -> Answer:
        for _ in range(ATTEMPTS):
            decision = await decide()
            if isinstance(decision, Answer):
                return decision
            try:
                head = await self._write(decision.writes)
            except StreamLogError:
                continue
            if decision.answer is not None:
                return decision.answer(0 if head is None else head.length)
        return refusal(503, 'Too many others write to this stream.', retry_after=1)

    async def _write(self, writes: Sequence[Write]) -> Head | None:
        # Together, so that they are in one commit and nobody sees the stream between them.
        first, *_ = await asyncio.gather(*(self._log.write(write) for write in writes), return_exceptions=True)
        if isinstance(first, BaseException):
            raise first
        return first
