"""The event loop in which a log is used, one at a time: `LoopOfUse`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import Any

from ..errors import StreamUsageError

__all__ = ['LoopOfUse']


class LoopOfUse:
    """Remembers in which event loop something is used, and notices another one, as after `asyncio.run`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0

    @property
    def known(self) -> bool:
        """Whether it is used in one."""
        return self._loop is not None

    @property
    def is_this(self) -> bool:
        """Whether that is the one that runs."""
        return self._loop is asyncio.get_running_loop()

    def changes(self, tasks: Iterable[asyncio.Task[Any]]) -> bool:
        """Go on in the loop that runs, another one: whether there was one before, whose tasks do nothing more.

        Args:
            tasks: Those of the loop before.

        Raises:
            StreamUsageError: The loop before still runs, in another thread.
        """
        loop, before = asyncio.get_running_loop(), self._loop
        is_here = self._process == os.getpid()  # the loop of the process that was forked looks as if it ran here
        if before is not None and is_here and before.is_running():
            raise StreamUsageError(
                'This log is used in another event loop, which still runs, and it belongs to one at a time: make a log '
                'for each loop, at the same place.'
            )
        self._loop, self._process = loop, os.getpid()
        if before is not None and is_here and not before.is_closed():
            for task in tasks:
                task.cancel()  # should somebody let it run again
        return before is not None

    def leave(self) -> None:
        """It is used in none any more."""
        self._loop = None
