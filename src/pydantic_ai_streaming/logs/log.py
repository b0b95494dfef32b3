"""Streams that are kept apart from who writes and who reads them: `StreamLog`."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet, WeakValueDictionary

from ..aio.closing import over, uninterrupted
from ..core.telling import told_to
from ..errors import StreamLogError, StreamMissing
from .backend import LogBackend
from .catching_up import CatchingUp
from .group_commit import GroupCommit, Outcome
from .heads import SLICE_BYTES, Head, Refusal, Slice, Wanted, Write, is_name, storable
from .leaps import Leaps
from .loops import LoopOfUse
from .producer import Producer
from .tail import Follower, Tail
from .upkeep import for_ever

__all__ = ['StreamLog']

logger = told_to(__name__)


class StreamLog:
    """Streams of entries (bytes), each in an order that is the same for everybody, read from any offset.

    An entry is seen by nobody before it is where the backend keeps it, and by everybody after that. Of all that write
    in this process there is one that talks to the backend: what comes while it does goes into the next commit. All that
    follow a stream in this process share what has been read of it.

    A stream has a producer, with a lease that is renewed as long as its process lives. When it has lapsed, another one
    may take over, in an epoch of its own, and what the old one still sends is refused. Of a stream without a lease,
    anybody may append to its end (`write`).

    As a context it is opened and closed; without that, it is opened when it is first used. It belongs to one event loop
    at a time. One that was not closed is opened anew in the next loop, as by another `asyncio.run`. A producer that is
    used there goes on; who still follows a stream from before gets `LogClosed`, and can follow it anew.

    Args:
        backend: Where it is kept; `MemoryLog`, `SQLiteLog` and `RedisLog` have theirs.
        lease: Seconds after which a producer that has not renewed its lease counts as dead. It is renewed three times
            in that time.

    Raises:
        ValueError: `lease` is not positive.
        StoreUnavailable: From most methods: the backend cannot be reached. What is there is as it was.
        StreamUsageError: From most methods: it is used in another event loop, which still runs.
    """

    def __init__(self, backend: LogBackend, *, lease: float = 10.0) -> None:
        if not 0 < lease < math.inf:
            raise ValueError(f'lease={lease!r}: use a positive number of seconds')
        self.lease = lease
        self._backend = backend
        self._leaps = Leaps(lease)
        self._loop = LoopOfUse()
        self._commits = GroupCommit(self._commit)
        self._tails: WeakValueDictionary[str, Tail] = WeakValueDictionary()
        self._begin()

    def _begin(self) -> None:
        """Begin with nothing that is followed or written here. Who does either is told."""
        left, self._tails = list(self._tails.values()), WeakValueDictionary()
        self._behind = CatchingUp(self._tails, self._backend.fetch)
        self._producers: WeakSet[Producer] = WeakSet()
        self._opening: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        for tail in left:
            tail.leave()

    def _here(self) -> None:
        """Go on in this event loop. What belongs to one before, as it has ended, does nothing more."""
        if not self._loop.is_this and self._loop.changes(self._going()):
            self._commits = GroupCommit(self._commit)
            self._begin()

    def _going(self) -> list[asyncio.Task[None]]:
        return [*([] if self._opening is None else [self._opening]), *self._tasks]

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and make ready what is needed there. Once is enough."""
        self._here()
        if self._opening is None or (self._opening.done() and (self._opening.cancelled() or self._opening.exception())):
            self._opening = asyncio.create_task(self._open(), name='pydantic-ai-streaming log open')
        await asyncio.shield(self._opening)

    async def _open(self) -> None:
        await self._backend.open()
        self._tasks = [
            asyncio.create_task(self._for_ever(work), name=f'pydantic-ai-streaming log {work.__name__.strip("_")}')
            for work in (self._listen, self._behind.run, self._renew, self._sweep)
        ]

    async def _for_ever(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        # Once writes go through again, those who live are to have renewed their leases long before somebody else looks.
        await for_ever(work, at_most=self.lease / 10)

    async def close(self) -> None:
        """Write what has come, and let go of everything. Streams that are open are left to their leases.

        Who follows one of those gets `LogClosed`, when everything that this process has of it has come.
        """
        if not self._loop.known:
            return
        producers = list(self._producers)  # also those of a loop that has ended
        self._here()
        for producer in producers:
            producer.over = True
        try:
            await self._commits.flush()
        except BaseException:
            await uninterrupted(self._let_go())
            raise
        await self._let_go()

    async def _let_go(self) -> None:
        going = self._going()
        for task in going:
            task.cancel()
        try:
            await over(*going)
        finally:
            self._begin()
            self._loop.leave()
            await self._backend.close()

    # Streams

    async def create(
        self,
        stream_id: str | None = None,
        *,
        owner: str | None = None,
        ttl: float | None = 86_400.0,
        details: dict[str, Any] | None = None,
        token: str | None = None,
    ) -> Producer:
        """Make a stream and become its producer.

        Args:
            stream_id: Its name; one that cannot be guessed by default.
            owner: Whose it is, for `owned`.
            ttl: Seconds after its last write after which it is forgotten; `None`: never.
            details: What is kept with it; has to have a JSON form.
            token: Its incarnation, and the name of this creation: once is enough, should its answer have been lost.

        Raises:
            StreamLogError: There is one of this name (`reason` is `exists`).
            ValueError: `ttl` is not positive.
        """
        if ttl is not None and not 0 < ttl < math.inf:
            raise ValueError(f'ttl={ttl!r}: use a positive number of seconds, or None')
        head = Head(
            stream_id=secrets.token_urlsafe(16) if stream_id is None else stream_id,
            incarnation=token or secrets.token_urlsafe(9),
            ttl=ttl,
            owner=owner,
            details=details or {},
        )
        write = Write(stream_id=head.stream_id, create=head, lease=self.lease, token=head.incarnation)
        return self._producer(await self._written(write))

    async def take_over(self, stream_id: str) -> Producer:
        """Become the producer of a stream that has lost its own.

        Raises:
            StreamLogError: Its producer is alive (`reason` is `held`), or it is closed (`closed`).
            StreamMissing: There is no such stream.
        """
        write = Write(stream_id=stream_id, take_over=True, lease=self.lease, token=secrets.token_urlsafe(9))
        return self._producer(await self._written(write))

    def _producer(self, head: Head) -> Producer:
        producer = Producer(head, self._tail_of(head), self.write, self._adopt, self.open)
        self._producers.add(producer)
        return producer

    def _tail_of(self, head: Head) -> Tail:
        tail = self._tails.get(head.stream_id)
        if tail is None or tail.gone:
            tail = self._tails[head.stream_id] = Tail(head.length)
        tail.see(Slice(head, head.length, ()))
        return tail

    def _adopt(self, producer: Producer, head: Head) -> Tail:
        """What there is of a producer's stream here, where it may be used for the first time."""
        self._here()
        if producer.over or not producer.tail.left:
            return producer.tail
        self._producers.add(producer)
        tail = self._tails.get(head.stream_id)
        if tail is None or tail.gone:
            return self._tail_of(head)
        if tail.head is not None and tail.head.incarnation != head.incarnation:
            tail = Tail(0)  # its own is gone
            tail.see(None)
        return tail

    async def head(self, stream_id: str) -> Head:
        """A stream as it is now.

        Raises:
            StreamMissing: There is no such stream.
        """
        return (await self.read(stream_id, limit=0)).head

    async def read(self, stream_id: str, offset: int = 0, *, limit: int = 1000, size: int = SLICE_BYTES) -> Slice:
        """Read a stream as it is now, `limit` entries of it at most, and none after `size` bytes.

        Raises:
            StreamMissing: There is no such stream.
            ValueError: The offset is negative.
        """
        if offset < 0:
            raise ValueError(f'offset={offset}: offsets are counted from 0')
        await self.open()
        part = None
        if is_name(stream_id):
            (part,) = await self._backend.fetch([Wanted(stream_id, offset, limit, size)])
        if part is None:
            raise StreamMissing(stream_id)
        return part

    async def follow(self, stream_id: str, offset: int = 0) -> Follower:
        """Follow a stream from an offset. One beyond the end waits for what comes there.

        Raises:
            StreamMissing: There is no such stream.
            LogClosed: The log was closed meanwhile.
            ValueError: The offset is negative.
        """
        if offset < 0:
            raise ValueError(f'offset={offset}: offsets are counted from 0')
        await self.open()
        tail = await self._tail(stream_id, offset)
        return Follower(
            tail,
            offset,
            read=lambda start, limit, size: self.read(stream_id, start, limit=limit, size=size),
            missing=lambda: StreamMissing(stream_id),
        )

    async def _tail(self, stream_id: str, offset: int) -> Tail:
        while (tail := self._tails.get(stream_id)) is not None and not tail.gone:
            if tail.head is not None:
                return tail
            await tail.wait()  # somebody else has it read just now
        # It is among the tails before it is read, so that no change falls between the two.
        tail = self._tails[stream_id] = Tail(offset)
        try:
            part = await self.read(stream_id, offset)
        except BaseException:
            tail.see(None)
            raise
        if not tail.entries:  # unless somebody here has written meanwhile
            tail.start = min(offset, part.head.length)
        tail.see(part if part.entries else Slice(part.head, tail.start, ()))
        if tail.missed:
            self._behind.soon([stream_id])
        if tail.behind:
            await self._behind.refresh([stream_id])
        return tail

    async def stop(self, stream_id: str) -> bool:
        """Ask the producer of a stream to end it, wherever it is. Returns whether the stream had not ended.

        Raises:
            StreamMissing: There is no such stream.
        """
        try:
            await self._written(Write(stream_id=stream_id, stop=True))
        except StreamLogError as error:
            if error.reason != 'closed':
                raise
            return False
        return True

    async def delete(self, stream_id: str) -> None:
        """Forget a stream. Who follows it gets `StreamMissing`, and so does its producer.

        Raises:
            StreamMissing: There is no such stream.
        """
        await self.write(Write(stream_id=stream_id, delete=True))

    async def owned(self, owner: str) -> Sequence[Head]:
        """The streams of an owner, in no order."""
        await self.open()
        return await self._backend.owned(owner) if is_name(owner) else []

    async def lapsed(self) -> Sequence[str]:
        """The streams whose producer is gone without having closed them.

        Those that are written here are not among them, and just after a leap of the clock there are none: their leases
        have lapsed because nobody had the time to renew them.
        """
        await self.open()
        has_leapt = self._leaps.lately(wall=time.time(), now=asyncio.get_running_loop().time())
        names = await self._backend.lapsed()
        mine = {one.stream_id for one in self._producers if not (one.over or one.fenced)}
        return [] if has_leapt else [one for one in names if one not in mine]

    async def write(self, write: Write) -> Head | None:
        """Do a write of any kind; returns what has become of the stream, `None` if it is deleted.

        Raises:
            StreamMissing: There is no such stream.
            StreamFenced: Another producer has taken over.
            StreamLogError: The write was refused for another `reason`.
            StoreError: Its details have no JSON form, or a name in it has half a character (`reason` is `unstorable`).
            TypeError: An entry is something else than bytes.
        """
        await self.open()
        outcome = await self._commits.write(storable(write))
        if isinstance(outcome, Refusal):
            if outcome.reason == 'repeated':
                return outcome.head
            raise outcome.error(write.stream_id)
        return outcome

    async def _written(self, write: Write) -> Head:
        head = await self.write(write)
        assert head is not None  # only what was deleted has none
        return head

    # What keeps it going

    async def _commit(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        try:
            outcomes = await self._backend.commit(writes)
        except GeneratorExit:
            raise  # its event loop was closed, so nobody follows anything in it
        except BaseException:
            # They may have been done: who follows them here is told by nobody else.
            self._behind.soon(write.stream_id for write in writes)
            raise
        # Not where the writer waits: it may have been cancelled.
        for write, outcome in zip(writes, outcomes, strict=True):
            self._notice(write, outcome)
        return outcomes

    def _notice(self, write: Write, outcome: Outcome) -> None:
        tail = self._tails.get(write.stream_id)
        if tail is None:
            return
        if isinstance(outcome, Refusal):
            if outcome.head is not None or outcome.reason == 'missing':
                tail.see(None if outcome.head is None else Slice(outcome.head, outcome.head.length, ()))
        elif isinstance(outcome, Head):
            tail.see(Slice(outcome, outcome.length - len(write.entries), write.entries))
        elif outcome is None:
            tail.see(None)
        if tail.behind:  # somebody else has written in between
            self._behind.soon([write.stream_id])

    async def _listen(self) -> None:
        async with aclosing(self._backend.changes(lambda: set(self._tails))) as changes:
            async for changed in changes:
                self._behind.soon(one for one, version in changed.items() if self._is_news(one, version))

    def _is_news(self, stream_id: str, version: int | None) -> bool:
        tail = self._tails.get(stream_id)
        return tail is not None and (version is None or tail.head is None or tail.head.version < version)

    async def _renew(self) -> None:
        while True:
            await asyncio.gather(*(self._renewed(one) for one in self._producers if not (one.over or one.fenced)))
            await asyncio.sleep(self.lease / 3)

    async def _renewed(self, producer: Producer) -> None:
        try:
            await self.write(Write(stream_id=producer.stream_id, epoch=producer.epoch, lease=self.lease))
        except StreamLogError as error:
            logger.warning('Stream %s is not renewed: %s', producer.stream_id, error)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(60)
            await self._backend.sweep()
            # Nobody tells of what has expired; and should a change have been lost on its way, it is found here.
            self._behind.soon(set(self._tails))
