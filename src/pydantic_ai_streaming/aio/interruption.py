"""Ending what a task waits for, from outside and without ending the task: `Interruption`."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ['Interruption']


class Interruption:
    """Interrupts the wait of a task, as `asyncio.timeout` does it: by a cancellation that is taken back there.

    It is no scope, so a wait that is not interrupted costs nothing.

    Attributes:
        is_going_on: Whether a task was interrupted of whose wait nobody has said that it has ended.

    Example:
        >>> interruption = Interruption()
        >>> async def main():
        ...     task = asyncio.current_task()
        ...     asyncio.get_running_loop().call_later(0.01, interruption.begin, task)
        ...     try:
        ...         await asyncio.sleep(60)
        ...     except asyncio.CancelledError as error:
        ...         if not interruption.ends(error):
        ...             raise  # somebody else's
        ...         print('goes on')
        >>> asyncio.run(main())
        goes on
    """

    __slots__ = ('_cancelled_before', '_reason', '_task', 'is_going_on')

    def __init__(self) -> None:
        self.is_going_on = False
        self._task: asyncio.Task[Any] | None = None
        self._reason: Exception | None = None
        self._cancelled_before = 0

    def begin(self, task: asyncio.Task[Any], reason: Exception | None = None) -> None:
        """Interrupt a task, which waits, and remember why."""
        self.is_going_on, self._task, self._reason = True, task, reason
        self._cancelled_before = task.cancelling()
        task.cancel()

    def ends(self, error: BaseException | None) -> bool:
        """Whether a wait was interrupted, which has ended with an error or without one. The cancellation is taken back.

        What waits there may end in its own way when it is cancelled. But another cancellation may have come at the same
        instant, and has to go on.
        """
        task = self._task
        self.is_going_on, self._task = False, None
        if task is None:
            return False
        cancellations = task.uncancel()
        if isinstance(error, asyncio.CancelledError):
            return cancellations <= self._cancelled_before
        return error is None or isinstance(error, Exception)

    def reason(self) -> Exception | None:
        """Why it was begun; once."""
        reason, self._reason = self._reason, None
        return reason
