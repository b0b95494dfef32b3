"""Watches the deadlines of one run at its model requests: `Timekeeper`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..aio.alarm import Alarm
from ..aio.beat import Beat, Noted
from ..aio.clock import clock_of
from ..core.deadlines import Deadlines, Due, Watchdog
from ..reduce.content import is_more
from ..reduce.turns import Turns
from .grace import Grace

__all__ = ['Timekeeper']


class Timekeeper:
    """Is told what happens at the model, and tells when a deadline has passed or a finished response stays open.

    Args:
        loop: The event loop, whose clock counts.
        deadlines: The limits. `total` counts from now.
        late: Called when a deadline has passed. It rings once; the next request sets it anew.
        finished: Whether the model has given its finish reason in the response that comes.
        end: Ends a finished response, and returns whether that was possible.
        beat: Where content is noted that need not be told.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deadlines: Deadlines,
        *,
        late: Callable[[Due], None],
        finished: Callable[[], bool],
        end: Callable[[], bool],
        beat: Beat | None = None,
    ) -> None:
        self._limited = not deadlines.unlimited
        self._turns = Turns(Watchdog(deadlines, loop.time()))
        self._watchdog = self._turns.watchdog
        self._clock = clock_of(loop)
        self._beat = beat or Beat()
        # A rate counts the characters of each event.
        self._notes = deadlines.min_rate is None
        self._noted = Noted(self._watchdog, self._beat)
        self._alarm = Alarm(loop, self._noted, late)
        self._grace = Grace(loop, deadlines.finish_grace, finished=finished, end=end, beat=self._beat)

    @property
    def began(self) -> float:
        """When the run began, in seconds on the loop's clock."""
        return self._watchdog.started

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._watchdog.started

    @property
    def silent(self) -> float:
        """Seconds since something came."""
        return self._grace.silent

    def start(self, *, waiting: bool) -> None:
        """Begin to watch. `waiting` if it is the provider's turn, as far as one knows."""
        if waiting:
            self._watchdog.waiting(self._clock())
        self._alarm.set()

    def stop(self) -> None:
        """The run is over."""
        self._alarm.cancel()
        self._grace.cancel()

    def opened(self) -> None:
        """A request to the model begins."""
        self._noted.catch_up()
        self._turns.request_opened(self._clock())
        self._alarm.set()
        self._grace.start()

    def closed(self, *, watch_on: bool) -> None:
        """The response is over. `watch_on` if the run goes on, so that `total` may still pass."""
        self._noted.catch_up()
        self._turns.request_closed(self._clock())
        if watch_on:
            self._alarm.set()
        self._grace.cancel()

    def awaited(self) -> float:
        """The run waits for what the provider sends next. Returns the instant."""
        now = self._clock()
        if self._limited:
            self._noted.catch_up()
            self._watchdog.returned(now)
            if not self._alarm.complete:
                self._alarm.set()
        return now

    def left(self) -> None:
        """Whoever is between the provider and the run takes their time, which is not the provider's silence."""
        if self._limited:
            self._noted.catch_up()
            self._watchdog.left(self._clock())

    def took(self, event: object) -> None:
        """The provider has sent something, and the response is left with it until the next is awaited."""
        self._grace.last_event = now = self._clock()
        if self._limited:
            self._noted.catch_up(comes=True)
            self.sent(event, now)
            self._watchdog.left(now)
        counts = self._alarm.complete and self._watchdog.is_waiting if self._limited else True
        if self._notes and counts and is_more(event):
            self._beat.begin()

    def sent(self, event: object, now: float) -> None:
        """The provider has sent something; that it is awaited again is not told."""
        self._grace.last_event = now
        if self._limited and self._turns.add(event, now):
            self._alarm.set()
