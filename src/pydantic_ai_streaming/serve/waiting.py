"""Silence, and clients that do not read: `Waiting`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from ..logs.tail import Tail

__all__ = ['Waiting']


class Waiting:
    """How long who serves a client waits: for a change of the stream, or for the client to take a piece.

    There is one timer, which looks again when its time might have come: one that is set and cancelled for each piece
    costs more than all else that is done for the piece here.

    Args:
        keep_alive: Seconds without a change after which `changed` says so.
        patience: Seconds that a piece may take.
        cut_off: Called when it has taken longer.
    """

    def __init__(self, keep_alive: float, patience: float, cut_off: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._keep_alive = keep_alive
        self._patience = patience
        self._cut_off = cut_off
        self._changed: asyncio.Future[bool] | None = None  # while it waits for the stream
        self._since = math.inf
        # What begins after a look is not over before the next one.
        self._period = min(keep_alive, patience)
        self._timer = self._loop.call_later(self._period, self._look)

    async def changed(self, tail: Tail) -> bool:
        """Wait for a change of the stream: whether there was one in time."""
        self._changed = changed = tail.watch()
        self._since = self._clock()
        try:
            return await changed
        finally:
            self._changed, self._since = None, math.inf
            tail.unwatch(changed)

    def sends(self) -> None:
        """A piece is sent from now on."""
        self._since = self._clock()

    def has_sent(self) -> None:
        """It was taken. What comes now, as a read of older entries, is not the client's to hurry."""
        self._since = math.inf

    def over(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        changed, now = self._changed, self._clock()
        until = self._since + (self._patience if changed is None else self._keep_alive)
        if now < until:
            until = min(until, now + self._period)
        else:
            until = now + self._period
            if changed is None:
                self._cut_off()
            elif not changed.done():
                changed.set_result(False)
        self._timer = self._loop.call_at(until, self._look)
