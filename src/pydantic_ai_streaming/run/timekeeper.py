"""Watches the deadlines of one run at its model requests: `Timekeeper`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..core.deadlines import Deadlines, Due, Watchdog
from ..reduce.turns import Turns
from .alarm import Alarm
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
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deadlines: Deadlines,
        *,
        late: Callable[[Due], None],
        finished: Callable[[], bool],
        end: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._limited = not deadlines.unlimited
        self._turns = Turns(Watchdog(deadlines, loop.time()))
        self._watchdog = self._turns.watchdog
        self._alarm = Alarm(loop, self._watchdog, late)
        self._grace = Grace(loop, deadlines.finish_grace, finished=finished, end=end)

    @property
    def began(self) -> float:
        """When the run began, in seconds on the loop's clock."""
        return self._watchdog.started

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._loop.time() - self._watchdog.started

    @property
    def silent(self) -> float:
        """Seconds since something came."""
        return self._grace.silent

    def start(self, *, waiting: bool) -> None:
        """Begin to watch. `waiting` if it is the provider's turn, as far as one knows."""
        if waiting:
            self._watchdog.waiting(self._loop.time())
        self._alarm.set()

    def stop(self) -> None:
        """The run is over."""
        self._alarm.cancel()
        self._grace.cancel()

    def opened(self) -> None:
        """A request to the model begins."""
        self._turns.request_opened(self._loop.time())
        self._alarm.set()
        self._grace.start()

    def closed(self, *, watch_on: bool) -> None:
        """The response is over. `watch_on` if the run goes on, so that `total` may still pass."""
        self._turns.request_closed(self._loop.time())
        if watch_on:
            self._alarm.set()
        self._grace.cancel()

    def awaited(self) -> None:
        """The run waits for what the provider sends next."""
        if self._limited:
            self._watchdog.returned(self._loop.time())
            if not self._alarm.complete:
                self._alarm.set()

    def left(self) -> None:
        """Whoever is between the provider and the run takes their time, which is not the provider's silence."""
        if self._limited:
            self._watchdog.left(self._loop.time())

    def sent(self, event: object, now: float) -> None:
        """The provider has sent something."""
        self._grace.last_event = now
        if self._limited and self._turns.add(event, now):
            self._alarm.set()
