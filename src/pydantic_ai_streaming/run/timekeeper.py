"""Watches the deadlines of one run at its model requests: `Timekeeper`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic_ai.messages import PartDeltaEvent

from ..core.deadlines import Deadlines, Due, Watchdog
from ..reduce.content import content_in
from ..reduce.turns import Turns
from .alarm import Alarm
from .grace import Grace

__all__ = ['Timekeeper']

BATCH = 3 * 128
"""Notes that are kept, three for each event, before they are read."""


class Timekeeper:
    """Is told what happens at the model, and tells when a deadline has passed or a finished response stays open.

    Nearly all events are content after content, which can only put a deadline off. They are noted, with the instants at
    which they came and the next was awaited, and read when somebody asks for a deadline: a timer that rings, mostly.

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
        self._limited = not deadlines.unlimited
        self._turns = Turns(Watchdog(deadlines, loop.time()))
        self._watchdog = self._turns.watchdog
        self._clock = loop.time
        self._notes: list[Any] = []
        self._steady = False
        self._counts = deadlines.min_rate is not None
        self._alarm = Alarm(loop, self, late)
        self._grace = Grace(loop, deadlines.finish_grace, finished=finished, end=end)

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
        self._read_notes()
        return self._watchdog.is_running

    @property
    def due(self) -> Due | None:
        """The deadline that passes next if nothing happens."""
        self._read_notes()
        return self._watchdog.due

    def expired(self, now: float) -> Due | None:
        """The deadline that has passed at an instant, if one has."""
        self._read_notes()
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
        self._read_notes()
        self._steady = False
        self._turns.request_opened(self._clock())
        self._alarm.set()
        self._grace.start()

    def closed(self, *, watch_on: bool) -> None:
        """The response is over. `watch_on` if the run goes on, so that `total` may still pass."""
        self._read_notes()
        self._steady = False
        self._turns.request_closed(self._clock())
        if watch_on:
            self._alarm.set()
        self._grace.cancel()

    def awaited(self) -> float:
        """The run waits for what the provider sends next. Returns the instant."""
        now = self._clock()
        if self._notes:
            self._notes.append(now)
            if len(self._notes) >= BATCH:
                self._read_notes()
        elif self._limited:
            self._watchdog.returned(now)
        if not self._alarm.complete and self._limited:
            self._alarm.set()
        return now

    def left(self) -> None:
        """Whoever is between the provider and the run takes their time, which is not the provider's silence."""
        if self._limited:
            self._read_notes()
            self._watchdog.left(self._clock())

    def took(self, event: object) -> None:
        """The provider has sent something, and the response is left with it until the next is awaited."""
        self._grace.last_event = now = self._clock()
        if not self._limited:
            return
        if self._steady and type(event) is PartDeltaEvent:
            self._notes += (event, now)
            return
        self._read_notes()
        self.sent(event, now)
        self._watchdog.left(now)
        self._steady = self._watchdog.has_begun and self._watchdog.is_waiting

    def sent(self, event: object, now: float) -> None:
        """The provider has sent something; that it is awaited again is not told."""
        self._grace.last_event = now
        if self._limited and self._turns.add(event, now):
            self._alarm.set()

    def _read_notes(self) -> None:
        if not self._notes:
            return
        events, came, back = self._notes[0::3], self._notes[1::3], self._notes[2::3]
        self._notes = []
        # The watchdog stands where the first of them was awaited.
        skipped, add = self._watchdog.skipped, self._turns.add
        if self._counts:
            for place, event in enumerate(events):
                add(event, came[place])
                if place < len(back):
                    skipped(back[place] - came[place])
        else:
            # Of those that only put `idle` off, the last one says it all.
            last = next((place for place in reversed(range(len(events))) if content_in(events[place]) is not None), 0)
            skipped(sum(back[:last]) - sum(came[:last]))
            add(events[last], came[last])
            skipped(sum(back[last:]) - sum(came[last : len(back)]))
        if len(back) < len(came):
            # The last one is still with whoever took it.
            self._watchdog.left(came[-1])
