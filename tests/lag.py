"""How late the event loop itself runs, so that a limit in milliseconds can be checked on a busy machine too."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

__all__ = ['Lag']

EVERY = 0.005


class Lag:
    """Looks at the clock every 5 ms while it is entered, and keeps how late each look came.

    What the loop is late by is the machine's part of a delay: `allow(limit, since)` is the limit with that part added.
    Uses timers only, no task.
    """

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []
        self._handle: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._next()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def allow(self, limit: float, since: float) -> float:
        """The limit in seconds, and how late the loop has been since an instant of `time.monotonic()`."""
        return limit + 2 * max((late for at, late in self._late if at >= since), default=0.0)

    def _next(self) -> None:
        at = time.monotonic() + EVERY
        self._handle = asyncio.get_running_loop().call_later(EVERY, self._look, at)

    def _look(self, at: float) -> None:
        now = time.monotonic()
        self._late.append((now, max(0.0, now - at)))
        self._next()
