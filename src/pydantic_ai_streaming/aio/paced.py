"""Pieces of text at a pace that one can read, from a record that is filled at the speed of its source."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from ..core.pacing import Pacer, Smoothing
from .cursor import Cursor

__all__ = ['AT_ONCE', 'Paced', 'wait_for_update']

T = TypeVar('T')

SAME_BURST = 0.001
"""Seconds: events that come closer together are fed as one."""

AT_ONCE = 1_000
"""Items that are fed without a pause: a view that is opened late, or is slow, has many before it."""

ONE_UPDATE = 0.02
"""Seconds: a piece that is due sooner is waited for without looking at what comes meanwhile."""


class Paced(AsyncIterator[str], Generic[T]):
    """Reads a cursor and yields its text through a `Pacer`.

    The pieces joined are the text. At the end of the source the rest is shown within `Smoothing.drain`; if the source
    ends with an error, the rest comes first, at once, and then the error. Written by hand rather than as a generator:
    it holds no task and no scope, so it can be dropped anywhere.

    `read` makes text of an item. An empty piece of a type of its own (a subclass of `str`) is a mark: it is passed on
    in its place, after all the text before it.
    """

    def __init__(self, cursor: Cursor[T], read: Callable[[T], str], smoothing: Smoothing) -> None:
        self._cursor = cursor
        self._read = read
        self._smoothing = smoothing
        self._pacer = Pacer(smoothing)
        self._closed = False
        self._not_before = -math.inf
        self._ready: deque[str] = deque()
        self._burst: list[str] = []
        self._came = 0.0
        self._is_behind = False

    def __aiter__(self) -> Paced[T]:
        return self

    async def __anext__(self) -> str:
        clock = asyncio.get_running_loop().time
        while True:
            # A loop fires a timer up to the resolution of its clock too early: what was due then is due now.
            now = max(clock(), self._not_before)
            piece = self.take(now)
            if piece is not None:
                return piece
            if self._closed and self._pacer.finished:
                self._cursor.end()
            due = self.next_due
            if await wait_for_update(self._cursor, due, now, closed=self._closed) and due is not None:
                self._not_before = due

    def take(self, now: float) -> str | None:
        """The next piece, without waiting; `None` if none is due at `now`."""
        if not self._ready:
            self._feed()
        if self._ready:
            return self._ready.popleft()
        if self._is_behind:
            return None
        if self._cursor.exhausted and not self._closed:
            self._close()
            if self._ready:
                return self._ready.popleft()
        return self._pacer.due(now) or None

    @property
    def next_due(self) -> float | None:
        """When to `take` again after it gave `None`; `None` if that depends on what comes."""
        return -math.inf if self._is_behind else self._pacer.next_due

    def flush(self) -> list[str]:
        """All that has come and was not taken, at once."""
        self._feed()
        while self._is_behind:
            self._feed()
        self._flush()
        pieces = list(self._ready)
        self._ready.clear()
        return pieces

    def _feed(self) -> None:
        arrived = self._cursor.take(AT_ONCE)
        for at, item in arrived:
            text = self._read(item)
            if not text or at - self._came > SAME_BURST:
                self._feed_burst()
            if text:
                self._burst.append(text)
                self._came = at
            elif type(text) is not str:
                self._flush()
                self._ready.append(text)
                self._pacer = Pacer(self._smoothing)
        self._is_behind = len(arrived) == AT_ONCE
        if not self._is_behind:
            self._feed_burst()

    def _feed_burst(self) -> None:
        if self._burst:
            self._pacer.feed(''.join(self._burst), self._came)
            self._burst.clear()

    def _close(self) -> None:
        self._closed = True
        if self._cursor.error is not None:
            self._flush()
        closed_at = self._cursor.closed_at
        assert closed_at is not None
        self._pacer.close(closed_at)

    def _flush(self) -> None:
        rest = self._pacer.flush()
        if rest:
            self._ready.append(rest)


async def wait_for_update(cursor: Cursor[Any], due: float | None, now: float, *, closed: bool) -> bool:
    """Wait until a piece is due, or something has come that may change that. Returns whether it is due."""
    if due is not None and (closed or due - now <= ONE_UPDATE):
        # What comes until then goes out with it: waking for each event would cost more than the pacing.
        await asyncio.sleep(due - now)
        return True
    return not closed and not await cursor.wait(due)
