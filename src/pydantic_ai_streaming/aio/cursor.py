"""A reader of a record: at its own speed, from any offset, dropped anywhere without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Generic, NoReturn, TypeVar

from ..core.record import Record, Signal
from ..errors import StreamUsageError

__all__ = ['Cursor', 'InAnotherLoopError', 'running_in']

T = TypeVar('T')


class InAnotherLoopError(StreamUsageError):
    """Somebody would wait for a stream, or stop it, in another event loop than that in which it lives."""


class Cursor(AsyncIterator[T], Generic[T]):
    """Yields the items of a record, waiting for those that are still to come.

    Written by hand rather than as a generator: it holds no task, no scope and no suspended frame, so `break` needs no
    clean-up, and one that was left can be iterated on. It ends with the record, after everything that is in it; if the
    record ended with an error, the cursor raises it there.

    Attributes:
        offset: Offset of the item that comes next. A new cursor with it goes on where this one is.

    Raises:
        ValueError: The offset is negative.
        StreamUsageError: It would wait in another event loop than that of the run, and so for ever.
    """

    __slots__ = ('_on_error', '_record', 'offset')

    def __init__(self, record: Record[T], offset: int = 0, *, on_error: Callable[[], None] | None = None) -> None:
        if offset < 0:
            raise ValueError(f'offset={offset}: offsets are counted from 0')
        self._record = record
        self._on_error = on_error
        self.offset = offset

    def __aiter__(self) -> Cursor[T]:
        return self

    async def __anext__(self) -> T:
        record = self._record
        # Asked anew after each wait: two tasks may share a view, and each item goes to one of them.
        while self.offset >= len(record.items):
            if record.closed:
                self.end()
            # `wait` without its timer, written out: this is done for each event of each view.
            changed = running_in(record.home).create_future()
            record.watch(changed)
            try:
                await changed
            except BaseException:
                record.unwatch(changed)
                raise
        self.offset += 1
        return record.items[self.offset - 1]

    def take(self, limit: int | None = None) -> Sequence[tuple[float, T]]:
        """What is there and has not been read, or `limit` of it, each with the instant it came. Does not wait."""
        record, start = self._record, self.offset
        end = len(record.items) if limit is None else min(start + limit, len(record.items))
        if start >= end:
            return ()
        self.offset = end
        return list(zip(record.times[start:end], record.items[start:end], strict=True))

    @property
    def exhausted(self) -> bool:
        """Whether everything has been read and nothing more will come."""
        return self._record.closed and self.offset >= len(self._record.items)

    @property
    def error(self) -> BaseException | None:
        """What the record ended with, unless it ended well; `None` while it is open."""
        return self._record.error

    def end(self) -> NoReturn:
        """Raise what the record ended with: its error, or `StopAsyncIteration`."""
        error = self._record.error
        if error is None:
            raise StopAsyncIteration
        if self._on_error is not None:
            self._on_error()
        # Every view raises the same error; without this its traceback would grow with each.
        raise error.with_traceback(self._record.traceback)

    @property
    def closed_at(self) -> float | None:
        """When the record was closed, in seconds on its clock; `None` while it is open."""
        return self._record.closed_at

    def watch(self, signal: Signal) -> None:
        """Set `signal` at the next change of the record."""
        self._record.watch(signal)

    async def wait(self, until: float | None = None) -> bool:
        """Wait for the next change of the record, but at most until the loop's clock shows `until` (seconds).

        Returns whether there was a change.
        """
        loop = running_in(self._record.home)
        changed: asyncio.Future[bool | None] = loop.create_future()
        self._record.watch(changed)
        timer = None if until is None else loop.call_at(until, _give_up, changed)
        try:
            return await changed is None
        finally:
            if timer is not None:
                timer.cancel()
            self._record.unwatch(changed)


def running_in(home: object) -> asyncio.AbstractEventLoop:
    """The event loop that runs.

    Args:
        home: The one in which a stream lives; `None` for any.

    Raises:
        StreamUsageError: It is another one: nothing would wake who waits for the stream here, and a task is not ended
            from another thread.
    """
    loop = asyncio.get_running_loop()
    if home is not None and home is not loop:
        raise InAnotherLoopError(
            'This stream lives in another event loop, and can be waited for and stopped there only: do it there, from '
            'another thread with asyncio.run_coroutine_threadsafe(...), or use run_stream_sync where there is no '
            '`await`.'
        )
    return loop


def _give_up(changed: asyncio.Future[bool | None]) -> None:
    if not changed.done():
        changed.set_result(False)
