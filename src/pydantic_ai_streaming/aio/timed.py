"""Events at instants of their own, from a source that is read at its own speed: `Timed`."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from ..core.record import Record
from .clock import clock_of
from .closing import close, drain
from .contexts import current_context
from .cursor import Cursor
from .paced import AT_ONCE, wait_for_update

__all__ = ['Timed', 'TimedMachine']

T = TypeVar('T')

AT_A_TIME = 16
"""Events that a source which never waits may bring before everybody else gets their turn."""


class TimedMachine(Protocol[T]):
    """Is fed with events and tells which to pass on at an instant, in which order. It has no clock."""

    @property
    def next_due(self) -> float | None:
        """When to call `due` again; `None` if that depends on what comes."""
        ...

    @property
    def finished(self) -> bool:
        """Whether nothing waits; asked after `close`."""
        ...

    def feed(self, event: T, now: float) -> None:
        """Take an event that came at `now` (seconds)."""
        ...

    def due(self, now: float) -> Sequence[T]:
        """What to pass on at `now`."""
        ...

    def close(self, now: float) -> None:
        """The source has ended well at `now`."""
        ...

    def flush(self, now: float) -> Sequence[T]:
        """All that waits, at once, and what else there is to say: the source has failed at `now`."""
        ...


class Timed(AsyncIterator[T], Generic[T]):
    """Passes the events of a source through a machine, each when it is due.

    As long as nothing is due later, whoever pulls also pulls the source. The first time that something is, a task
    begins to read on beside that, so that waiting does not stop the reading. If the source fails, what has been read
    comes first, at once, and then the error. `aclose` ends the task and closes the source.

    Written by hand rather than as a generator (PEP 789, https://peps.python.org/pep-0789/): each pull may come from
    another task, and one that is cancelled loses nothing. No scope is held between two pulls. The task that reads on
    does that in the context of whoever has pulled before.

    Args:
        source: Where the events come from.
        machine: Decides what comes when.
        ahead: Whether a task may read on. Without it, what is due later comes with the next event.
    """

    def __init__(self, source: AsyncIterable[T], machine: TimedMachine[T], *, ahead: bool = True) -> None:
        self._source = source
        self._iterator = aiter(source)
        self._machine = machine
        self._ahead = ahead
        self._ready: deque[T] = deque()
        self._cursor: Cursor[T] | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = self._over = self._is_behind = False
        self._not_before = -math.inf

    def __aiter__(self) -> Timed[T]:
        return self

    async def __anext__(self) -> T:
        while not self._ready:
            if self._over:
                raise StopAsyncIteration
            if self._cursor is None:
                await self._pull()
            else:
                await self._follow(self._cursor)
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Stop reading and close the source. What was not passed on is dropped."""
        self._over = True
        self._ready.clear()
        if self._task is not None:
            await drain(self._task)
        await close(self._source)

    def __del__(self) -> None:
        # Left without being closed, as an async generator may be, whose loop then closes it.
        task = self._task
        if task is not None and not task.done() and not task.get_loop().is_closed():
            task.get_loop().call_soon_threadsafe(task.cancel)

    async def _pull(self) -> None:
        machine, loop = self._machine, asyncio.get_running_loop()
        try:
            event = await anext(self._iterator)
        except StopAsyncIteration:
            self._cursor = _ended(None, loop.time())
        except Exception as error:
            self._cursor = _ended(error, loop.time())
        else:
            now = loop.time()
            machine.feed(event, now)
            self._ready += machine.due(now)
            if self._ahead and machine.next_due is not None:
                record = Record[T]()
                self._cursor = Cursor(record)
                # Not by `create_task`: an eager one would enter the context in which this runs.
                self._task = asyncio.Task(
                    _read(self._iterator, record),
                    loop=loop,
                    name='pydantic-ai-streaming read ahead',
                    context=current_context(),
                )

    async def _follow(self, cursor: Cursor[T]) -> None:
        machine = self._machine
        # A loop fires a timer up to the resolution of its clock too early: what was due then is due now.
        now = max(asyncio.get_running_loop().time(), self._not_before)
        arrived = cursor.take(AT_ONCE)
        for at, event in arrived:
            machine.feed(event, at)
        # Kept here since whoever pulls may be cancelled in between.
        has_come, self._is_behind = self._is_behind or bool(arrived), len(arrived) == AT_ONCE
        if self._is_behind:
            await asyncio.sleep(0)
            return
        if not arrived and cursor.exhausted and not self._closed:
            self._closed = True
            if cursor.error is not None:
                self._ready += machine.flush(now)
            else:
                machine.close(now if cursor.closed_at is None else cursor.closed_at)
        due = machine.next_due
        if has_come or self._closed or (due is not None and due <= now):
            self._ready += machine.due(now)
            if self._ready:
                return
            due = machine.next_due
        if self._closed and machine.finished:
            self._over = True
            cursor.end()
        if await wait_for_update(cursor, due, now, closed=self._closed) and due is not None:
            self._not_before = due


def _ended(error: Exception | None, now: float) -> Cursor[Any]:
    record = Record[Any]()
    record.close(error, now=now)
    return Cursor(record)


async def _read(source: AsyncIterator[T], record: Record[T]) -> None:
    clock = clock_of(asyncio.get_running_loop())
    task, items = asyncio.current_task(), record.items
    try:
        async for event in source:
            record.append(event, clock())
            if not len(items) % AT_A_TIME:
                await asyncio.sleep(0)
    except asyncio.CancelledError as error:
        # Ours ends a reader who has gone; one that the source raises by itself is its failure.
        if task is not None and task.cancelling():
            raise
        record.close(error, now=clock())
    except Exception as error:
        record.close(error, now=clock())
    finally:
        record.close(now=clock())
