"""The clock of an event loop, as it is asked for each event: `clock_of`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ['clock_of']


def clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """The clock of an event loop: `loop.time`, without the call between where that only asks the system's clock."""
    return time.monotonic if type(loop).time is asyncio.BaseEventLoop.time else loop.time
