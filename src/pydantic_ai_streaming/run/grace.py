"""Ends responses whose model has finished while the provider keeps the connection open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from .alarm import CATCH_UP, LATE

__all__ = ['Grace']


class Grace:
    """Looks, once each `seconds`, whether a response has been silent for so long; if so, calls `end`.

    The finish reason of a model is no event, so there is nothing to wait for: it has to be looked at.

    Attributes:
        last_event: When something came last, on the loop's clock. To be kept by whoever sees the events.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float | None, end: Callable[[], bool]) -> None:
        self.last_event = loop.time()
        self._loop = loop
        self._seconds = seconds
        self._end = end
        self._timer: asyncio.TimerHandle | None = None

    @property
    def silent(self) -> float:
        """Seconds since something came."""
        return self._loop.time() - self.last_event

    def start(self) -> None:
        """A response begins."""
        self.last_event = self._loop.time()
        if self._seconds is not None and self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look, self._seconds)

    def cancel(self) -> None:
        """The response is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, seconds: float, *, caught_up: bool = False) -> None:
        silent = self.silent
        late = self._timer is not None and self._loop.time() - self._timer.when() > LATE
        if silent >= seconds and late and not caught_up:
            # The program has kept the loop busy: what came meanwhile is read first.
            self._timer = self._loop.call_later(CATCH_UP, partial(self._look, seconds, caught_up=True))
            return
        if silent >= seconds:
            if self._end():
                self._timer = None
                return
            silent = 0.0
        # At least a tenth of it: a remainder below the resolution of the clock would fire at once, again and again.
        self._timer = self._loop.call_later(max(seconds - silent, seconds / 10), self._look, seconds)
