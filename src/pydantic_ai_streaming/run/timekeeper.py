"""Watches the deadlines of one run at its model requests: `Timekeeper`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..aio.clock import clock_of
from ..core.deadlines import Deadlines, Due, Watchdog
from ..reduce.turns import Turns
from .alarm import Alarm
from .beat import NEVER, Beat, is_more
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
        self._alarm = Alarm(loop, self, late)
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

    @property
    def is_running(self) -> bool:
        """Whether silence counts right now."""
        self._catch_up()
        return self._watchdog.is_running

    @property
    def due(self) -> Due | None:
        """The deadline that passes next if nothing happens."""
        self._catch_up()
        return self._watchdog.due

    def expired(self, now: float) -> Due | None:
        """The deadline that has passed at an instant, if one has."""
        self._catch_up()
        return self._watchdog.expired(now)

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
        self._catch_up()
        self._turns.request_opened(self._clock())
        self._alarm.set()
        self._grace.start()

    def closed(self, *, watch_on: bool) -> None:
        """The response is over. `watch_on` if the run goes on, so that `total` may still pass."""
        self._catch_up()
        self._turns.request_closed(self._clock())
        if watch_on:
            self._alarm.set()
        self._grace.cancel()

    def awaited(self) -> float:
        """The run waits for what the provider sends next. Returns the instant."""
        now = self._clock()
        if self._limited:
            self._catch_up()
            self._watchdog.returned(now)
            if not self._alarm.complete:
                self._alarm.set()
        return now

    def left(self) -> None:
        """Whoever is between the provider and the run takes their time, which is not the provider's silence."""
        if self._limited:
            self._catch_up()
            self._watchdog.left(self._clock())

    def took(self, event: object) -> None:
        """The provider has sent something, and the response is left with it until the next is awaited."""
        self._grace.last_event = now = self._clock()
        if self._limited:
            self._catch_up(comes=True)
            self.sent(event, now)
            self._watchdog.left(now)
        if self._notes and self._alarm.complete and self._watchdog.is_waiting and is_more(event):
            self._beat.begin()

    def sent(self, event: object, now: float) -> None:
        """The provider has sent something; that it is awaited again is not told."""
        self._grace.last_event = now
        if self._limited and self._turns.add(event, now):
            self._alarm.set()

    def _catch_up(self, *, comes: bool = False) -> None:
        """Tell the watchdog what was noted; `comes` if something else has come just now, which was waited for.

        What is next is told again: the alarm may have to be set anew.
        """
        beat = self._beat
        if not beat.steady:
            return
        beat.steady = False
        if (back := beat.back) == NEVER:
            return
        self._grace.last_event = back
        self._watchdog.returned(back)
        # Content came before, and the next was waited for since; or else after, and nothing is waited for now.
        self._watchdog.content(back)
        if beat.puller is None and not comes:
            self._watchdog.left(back)
