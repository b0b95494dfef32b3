"""How late the machine itself is, so that a limit in milliseconds can be checked on a busy one too."""

from __future__ import annotations

import asyncio
import threading
import time
from types import TracebackType
from typing import Self

__all__ = ['Lag']

EVERY = 0.005


class Lag:
    """Looks at the clock every 5 ms while it is entered, in the event loop and in a thread, and keeps how late that is.

    What the two are late by is the machine's part of a delay, of a program and of a server that runs in a thread beside
    it: `allow(limit, since)` is the limit with that part added. It uses a timer of the loop, and no task.
    """

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []
        self._handle: asyncio.TimerHandle | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name='lag', daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._next()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._handle is not None:
            self._handle.cancel()

    def allow(self, limit: float, since: float) -> float:
        """The limit in seconds, and how late the loop and a thread have been since an instant of `time.monotonic()`."""
        return limit + 2 * max((late for at, late in self._late if at >= since), default=0.0)

    def _next(self) -> None:
        at = time.monotonic() + EVERY
        self._handle = asyncio.get_running_loop().call_later(EVERY, self._look, at)

    def _look(self, at: float) -> None:
        self._note(at)
        self._next()

    def _look_on(self) -> None:
        at = time.monotonic() + EVERY
        while not self._over.wait(EVERY):
            self._note(at)
            at = time.monotonic() + EVERY

    def _note(self, at: float) -> None:
        now = time.monotonic()
        self._late.append((now, max(0.0, now - at)))
