"""Ends responses whose model has finished while the provider keeps the connection open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from ..aio.alarm import CATCH_UP, LATE
from ..aio.beat import Beat

__all__ = ['Grace']

LOOK_EVERY = 0.025
"""Seconds between two looks at a response that has just fallen silent."""


class Grace:
    """Calls `end` when a response has been `finished` and silent for `seconds`.

    The finish reason of a model is no event, so there is nothing to wait for: it has to be looked at. While events come
    that is done an eighth of `seconds` apart. Then it is due, so the looks are close at first, and rarer the longer a
    response is silent: an eighth of the silence apart, and an eighth of `seconds` at most. So much later than due, at
    most, a response is ended; never earlier.

    Attributes:
        last_event: When something came last, on the loop's clock. To be kept by whoever sees the events, as far as
            `beat` does not tell: when the next one is awaited it was there already.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float | None,
        *,
        finished: Callable[[], bool],
        end: Callable[[], bool],
        beat: Beat,
    ) -> None:
        self.last_event = loop.time()
        self._beat = beat
        self._loop = loop
        self._seconds = seconds
        self._finished = finished
        self._end = end
        self._finished_at: float | None = None
        self._looked_at = self.last_event
        self._timer: asyncio.TimerHandle | None = None

    @property
    def silent(self) -> float:
        """Seconds since something came."""
        return self._loop.time() - self._last

    @property
    def _last(self) -> float:
        return max(self.last_event, self._beat.back)

    def start(self) -> None:
        """A response begins."""
        self.last_event = self._loop.time()
        self._finished_at = None
        if self._seconds is not None and self._timer is None:
            self._look_at(self.last_event + LOOK_EVERY, self._seconds)

    def cancel(self) -> None:
        """The response is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at(self, at: float, seconds: float, *, caught_up: bool = False) -> None:
        self._timer = self._loop.call_at(at, partial(self._look, at, seconds, caught_up=caught_up))

    def _look(self, at: float, seconds: float, *, caught_up: bool) -> None:
        late = self._loop.time() - at
        # A loop fires a timer up to the resolution of its clock too early.
        now = max(at, self._loop.time())
        if not self._finished():
            self._finished_at = None
            longest = max(seconds / 8, LOOK_EVERY)
            # While events come, each look is work for nothing: a finish is not followed by another one.
            is_silent, self._looked_at = self._last <= self._looked_at, now
            self._look_at(now + (min(max(self.silent / 8, LOOK_EVERY), longest) if is_silent else longest), seconds)
            return
        if self._finished_at is None:
            self._finished_at = now
        due = max(self._finished_at, self._last) + seconds
        if now < due:
            self._look_at(due, seconds)
        elif late > LATE and not caught_up:
            # The program has kept the loop busy: what came meanwhile is read first.
            self._look_at(now + CATCH_UP, seconds, caught_up=True)
        elif self._end():
            self._timer = None
        else:
            # Nobody waits for the response right now.
            self._look_at(now + LOOK_EVERY, seconds)
