"""Watches a watchdog on the event loop's clock: one timer, moved only when a deadline comes nearer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from ..core.deadlines import Due

__all__ = ['Alarm', 'Clocks']

SETTLE_ROUNDS = 50
"""Turns of the event loop between a deadline and its consequence. What had come before the deadline but was not read
yet, because the program kept the loop busy, is read in them."""

LATE = 0.01
"""Seconds by which a timer has to be late for the loop to count as blocked."""

CATCH_UP = 0.02
"""Seconds that a loop that was blocked gets to read what has come meanwhile."""


class Clocks(Protocol):
    """What an alarm looks at: a `Watchdog`, or one that is brought up to date before it answers."""

    @property
    def is_running(self) -> bool:
        """Whether silence counts right now."""
        ...

    @property
    def due(self) -> Due | None:
        """The earliest limit that breaks if nothing happens, or `None`."""
        ...

    def expired(self, now: float) -> Due | None:
        """The limit that is broken at `now`, or `None`."""
        ...


class Alarm:
    """Calls `ring` when the watchdog's deadline has passed, from the event loop, once.

    A deadline that passes while the program blocks the loop (`time.sleep` in a consumer) is nobody's stall: what came
    meanwhile waits in the socket. So the loop first gets a chance to read it.

    Attributes:
        complete: Whether silence counted when the alarm was set. If it did not, and does now, `set` it again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, watchdog: Clocks, ring: Callable[[Due], None]) -> None:
        self._loop = loop
        self._watchdog = watchdog
        self._ring = ring
        self._handle: asyncio.Handle | None = None
        self.complete = False

    def set(self) -> None:
        """Look at the deadlines again: one may have come nearer or gone."""
        self.cancel()
        self.complete = self._watchdog.is_running
        due = self._watchdog.due
        if due is not None:
            self._handle = self._loop.call_at(due.at, self._look, due.at)

    def cancel(self) -> None:
        """Ring no more, until `set` is called again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self, at: float, *, caught_up: bool = False) -> None:
        now = self._loop.time()
        # A loop fires a timer up to the resolution of its clock too early.
        due = self._watchdog.expired(max(at, now))
        if due is None:
            self.set()
        elif now - at > LATE and not caught_up:
            # Once is enough: a loop that is blocked again and again reads its sockets in between all the same.
            self._handle = self._loop.call_later(CATCH_UP, partial(self._look, at, caught_up=True))
        else:
            self._settle(due, SETTLE_ROUNDS)

    def _settle(self, due: Due, rounds: int) -> None:
        if self._watchdog.due != due:
            self.set()
        elif rounds:
            self._handle = self._loop.call_soon(self._settle, due, rounds - 1)
        else:
            self._handle = None
            self._ring(due)
