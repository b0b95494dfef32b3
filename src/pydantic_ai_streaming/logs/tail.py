"""What this process has of a stream, shared by all who follow it here, and a reader of that: `Follower`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from ..errors import LogClosed
from .heads import SLICE_BYTES, Head, Slice, cut

__all__ = ['Follower', 'Tail']

WINDOW = 4 * 2**20
"""Bytes of a stream that are kept for those who follow it; who is further behind reads from the backend."""

BESIDE = 64
"""Bytes that an entry takes beside its own, about: many small ones are not to take many times as much."""

FETCHES = 8
"""So many times in a row what is missing is fetched, at most. If that is not all, each reader goes the rest of the way
by itself, from the backend, and here it goes on from the end."""

CROWD = 32
"""So many who wait at once are told of a change no sooner than the loop has had as long for others as it took to tell
them of the last one."""

LONGEST_REST = 0.1
"""Seconds that a crowd waits for that, at most."""


class Tail:
    """The last entries of a stream, as far as this process has seen them.

    It lives as long as somebody follows or writes the stream here, in one event loop.

    Attributes:
        head: The stream, when it was last seen; `None` before that.
        start: The offset of the first entry that is here.
        entries: What is here.
        gone: Whether the stream was deleted or has expired.
        left: Whether the log was closed: of a stream that is open, nothing more is seen here.
        missed: Whether it was changed while it was read for the first time.
    """

    __slots__ = (
        '__weakref__',
        '_asked',
        '_loop',
        '_part',
        '_resting',
        '_size',
        '_waking',
        '_watchers',
        'entries',
        'gone',
        'head',
        'left',
        'missed',
        'start',
    )

    def __init__(self, start: int) -> None:
        self.head: Head | None = None
        self.start = start
        self.entries: list[bytes] = []
        self.gone = False
        self.left = False
        self.missed = False
        self._loop = asyncio.get_running_loop()
        self._size = 0
        self._part: Slice | None = None
        self._resting = False
        self._waking = False  # as soon as the rest is over
        self._asked = (0, 0, 0, 0)
        # By identity, in order: one of a thousand is forgotten without looking at the others.
        self._watchers: dict[asyncio.Future[bool], None] = {}

    @property
    def end(self) -> int:
        """The offset of the entry after those that are here."""
        return self.start + len(self.entries)

    @property
    def behind(self) -> bool:
        """Whether the stream has entries that are to be fetched."""
        return not self.gone and (self.head is None or self.end < self.head.length)

    @property
    def lacks(self) -> int:
        """How many those are, as far as is known."""
        return 0 if self.head is None else self.head.length - self.end

    def see(self, part: Slice | None) -> None:
        """Take up what was read or written of the stream, as far as it is new; `None` if it is not there."""
        if self.gone:
            return
        if part is None or (self.head is not None and self.head.incarnation != part.head.incarnation):
            self.gone = True
        else:
            new = part.end - self.end
            if part.start <= self.end and new > 0:
                self.entries += part.entries[len(part.entries) - new :]
                self._size += sum(map(len, part.entries[len(part.entries) - new :])) + BESIDE * new
                self._trim()
            elif self.head is not None and part.head.version <= self.head.version:
                return
            if self.head is None or part.head.version > self.head.version:
                self.head = part.head
        self._wake()

    def _trim(self) -> None:
        # Half at once, so that it costs little per entry.
        if self._size > WINDOW:
            drop = 0
            while self._size > WINDOW // 2 and drop < len(self.entries) - 1:
                self._size -= len(self.entries[drop]) + BESIDE
                drop += 1
            del self.entries[:drop]
            self.start += drop

    def skip(self) -> None:
        """Let go of what is here, and go on from the end of the stream."""
        if self.head is not None:
            self.entries, self._size, self.start = [], 0, self.head.length
            self._wake()

    def part(self, offset: int, limit: int, size: int) -> Slice:
        """What is here from an offset on, cut as `cut` does: the same for all who ask for the same."""
        head, part, asked = self.head, self._part, (offset, limit, size, self.end)
        assert head is not None  # it was seen before anybody could follow it
        if part is None or self._asked != asked or part.head is not head:
            self._asked = asked
            self._part = part = Slice(head, offset, cut(self.entries, offset - self.start, limit, size))
        return part

    def _wake(self) -> None:
        if self._resting:
            self._waking = True
            return
        watchers, self._watchers = self._watchers, {}
        for changed in watchers:
            if not changed.done():
                changed.set_result(True)
        if len(watchers) >= CROWD:
            # Each of a thousand sends a piece in this turn of the loop, and whoever writes the stream needs a few turns
            # for the next one: without a rest in between, it would get no further than that. What comes meanwhile is
            # sent together.
            loop = asyncio.get_running_loop()
            self._resting = True
            loop.call_soon(self._told, loop, loop.time())

    def _told(self, loop: asyncio.AbstractEventLoop, began: float) -> None:
        """All who were woken have had their turn."""
        loop.call_later(min(loop.time() - began, LONGEST_REST), self._rested)

    def _rested(self) -> None:
        self._resting = False
        if self._waking:
            self._waking = False
            self._wake()

    def leave(self) -> None:
        """The log was closed. Who waits for a change is told so, and who has not taken all that is here can still."""
        self.left = True
        watchers, self._watchers = self._watchers, {}
        for changed in watchers:
            if changed.done() or changed.get_loop().is_closed():
                continue
            if self._waking:  # they have not been told of the last change yet: it may have been the end
                changed.set_result(True)
            else:
                changed.set_exception(LogClosed())

    def watch(self) -> asyncio.Future[bool]:
        """A future that the next change sets to true. Who waits for it no longer says so with `unwatch`.

        Raises:
            LogClosed: The log was closed, or this is another event loop. So does the future, if that comes later.
        """
        loop = asyncio.get_running_loop()
        if self.left or loop is not self._loop:
            raise LogClosed
        changed: asyncio.Future[bool] = loop.create_future()
        self._watchers[changed] = None
        return changed

    def unwatch(self, changed: asyncio.Future[bool]) -> None:
        """Forget a future of `watch`."""
        self._watchers.pop(changed, None)

    async def wait(self, until: float | None = None) -> bool:
        """Wait for a change, at most until the loop's clock shows `until` (seconds): whether there was one.

        Raises:
            LogClosed: The log was closed.
        """
        changed = self.watch()
        timer = None if until is None else asyncio.get_running_loop().call_at(until, _give_up, changed)
        try:
            return await changed
        finally:
            if timer is not None:
                timer.cancel()
            self.unwatch(changed)


def _give_up(changed: asyncio.Future[bool]) -> None:
    if not changed.done():
        changed.set_result(False)


class Follower(AsyncIterator[Slice]):
    """Yields a stream from an offset, as it is written, a slice at a time, until it is closed.

    It holds no task and no connection: it can be dropped anywhere, and one at `offset` goes on from there.

    Attributes:
        offset: The offset of the entry that comes next.
        tail: What it shares with others of this process.

    Raises:
        StreamMissing: From the iteration: the stream was deleted or has expired meanwhile.
        LogClosed: From the iteration: this process has closed the log, everything that it had of the stream has come,
            and that was not all.
        StoreUnavailable: From the iteration, where older entries are to be fetched, and cannot be.
    """

    __slots__ = ('_missing', '_read', 'offset', 'tail')

    def __init__(
        self,
        tail: Tail,
        offset: int,
        *,
        read: Callable[[int, int, int], Awaitable[Slice]],
        missing: Callable[[], Exception],
    ) -> None:
        self.tail = tail
        self.offset = offset
        self._read = read
        self._missing = missing

    def __aiter__(self) -> Follower:
        return self

    async def __anext__(self) -> Slice:
        while True:
            if (part := await self.take()) is not None:
                return part
            if self.exhausted:
                raise StopAsyncIteration
            await self.wait()

    async def take(self, limit: int = 1000, size: int = SLICE_BYTES) -> Slice | None:
        """What is there and has not been read, or some of it; `None` if there is nothing.

        Args:
            limit: Entries, at most.
            size: Bytes after which no other entry is taken.

        Raises as the iteration does. It does not wait, unless older entries are to be fetched.
        """
        tail = self.tail
        if tail.gone:
            raise self._missing()
        assert tail.head is not None  # it was seen before anybody could follow it
        if self.offset >= tail.end:
            if tail.left and not self.exhausted:
                raise LogClosed
            return None
        if self.offset < tail.start:
            if tail.left:
                raise LogClosed  # to read them would open it again
            part = await self._read(self.offset, limit, size)
            if part.head.incarnation != tail.head.incarnation:
                tail.see(part)
                raise self._missing()
        else:
            part = tail.part(self.offset, limit, size)
        self.offset = part.end
        return part

    @property
    def exhausted(self) -> bool:
        """Whether everything has been read and nothing more will come."""
        head = self.tail.head
        return head is not None and head.closed and self.offset >= head.length

    async def wait(self, until: float | None = None) -> bool:
        """Wait for a change of the stream, at most until the loop's clock shows `until`: whether there was one.

        Raises:
            LogClosed: The log was closed.
        """
        return await self.tail.wait(until)
