"""Ending what a task waits for, from outside and without ending the task: `Interruption`."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import ref

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
        ...     interruption.expects(task)
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

    __slots__ = ('_cancelled_before', '_expected', '_reason', '_task', 'is_going_on')

    def __init__(self) -> None:
        self.is_going_on = False
        self._task: asyncio.Task[Any] | None = None
        self._reason: Exception | None = None
        # Held weakly: a task may keep what it has left, and a timer keeps this.
        self._expected: ref[asyncio.Task[Any]] | None = None
        self._cancelled_before = 0

    def expects(self, task: asyncio.Task[Any] | None) -> None:
        """A task that may be interrupted is about to wait: what it was cancelled for before, it knows already.

        One that waits again and again need not say so each time, nor one that was never cancelled.
        """
        self._cancelled_before = 0 if task is None else task.cancelling()
        self._expected = ref(task) if task is not None and self._cancelled_before else None

    def begin(self, task: asyncio.Task[Any], reason: Exception | None = None) -> None:
        """Interrupt a task, which waits, and remember why."""
        if self._expected is None or self._expected() is not task:
            self._cancelled_before = 0
        self.is_going_on, self._task, self._reason = True, task, reason
        task.cancel()

    def ignored(self) -> None:
        """The wait has brought something all the same. The cancellation is taken back; the next wait is to end."""
        self._take_back()

    def ends(self, error: BaseException | None) -> bool:
        """Whether a wait was interrupted, which has ended with an error or without one. The cancellation is taken back.

        What waits there may end in its own way when it is cancelled. But another cancellation, which has come before or
        at the same instant, has to go on.
        """
        if not self.is_going_on:
            return False
        self.is_going_on = False
        cancellations = self._take_back()
        if isinstance(error, asyncio.CancelledError):
            return cancellations <= self._cancelled_before
        return error is None or isinstance(error, Exception)

    def reason(self) -> Exception | None:
        """Why it was begun; once."""
        reason, self._reason = self._reason, None
        return reason

    def _take_back(self) -> int:
        task, self._task = self._task, None
        return 0 if task is None else task.uncancel()
