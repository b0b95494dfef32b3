"""The event loop, which has to be one of asyncio, and its clock: `running_loop`, `clock_of`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ..errors import StreamUsageError

__all__ = ['clock_of', 'running_loop']


def clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """The clock of an event loop: `loop.time`, without the call between where that only asks the system's clock."""
    return time.monotonic if type(loop).time is asyncio.BaseEventLoop.time else loop.time


def running_loop(what: str) -> asyncio.AbstractEventLoop:
    """The event loop that runs.

    Args:
        what: Who needs it, for the error.

    Raises:
        StreamUsageError: None of asyncio runs.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise StreamUsageError(
            f'{what} needs asyncio, as pydantic-ai does: under Trio, run it in a loop of asyncio in a thread of its '
            'own (asyncio.run).'
        ) from None
