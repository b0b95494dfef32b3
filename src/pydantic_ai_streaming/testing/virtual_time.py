"""Tests that wait for hours and take milliseconds: an event loop whose clock jumps to the next timer.

The clock is `loop.time()`, and with it `asyncio.sleep`, `asyncio.timeout`, `loop.call_later` and everything that anyio
builds on them. `time.monotonic()`, `time.perf_counter()` and `datetime.now()` stay real.

When the clock moves, exactly:

- While any callback is ready, it stands still. What a task computes takes no virtual time.
- When every task waits and a timer is set, it jumps to that timer.
- While a thread works for the loop (`asyncio.to_thread`, `run_in_executor`, `anyio.to_thread`), it stands still: the
  loop waits for the thread in real time. A bare `threading.Thread` is unknown to the loop; wrap the wait for it in
  `loop.hold_clock()`.
- While a socket or a pipe is registered, it waits up to `io_patience` real seconds for something to arrive before each
  jump. What arrives takes no virtual time. `io_patience=math.inf` never jumps over a silent socket: timers then take
  as long as they say.
- When nothing is ready, no timer is set and no thread or descriptor can wake the loop, nothing will ever happen again:
  `DeadlockError`. The same after `patience` real seconds of silence from the threads or descriptors that could.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
import time
from asyncio import TimerHandle
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

from .tasks import describe_tasks

__all__ = ['DeadlockError', 'VirtualTimeLoop', 'run']

T = TypeVar('T')
Ts = TypeVarTuple('Ts')


class DeadlockError(RuntimeError):
    """Every task waits, and nothing is left that could wake one; or the clock ran past its limit.

    It leaves the loop itself, not the task that waits, so no `except` of the code under test can swallow it.
    """


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop whose clock starts at 0 and jumps to the next timer when every task waits.

    The module's docstring says when the clock moves. Times are rounded to nanoseconds, so that timelines compare equal
    to the decimal numbers one would write.

    Args:
        io_patience: Real seconds of silence on open sockets and pipes before the clock jumps over them.
        patience: Real seconds to wait for a thread, or for a descriptor while no timer is set, before `DeadlockError`.
        limit: Virtual seconds after which something is taken to poll for ever.

    Example:
        ```python
        import asyncio

        from pydantic_ai_streaming.testing import VirtualTimeLoop

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(asyncio.sleep(3600))
            assert runner.get_loop().time() == 3600
        ```
    """

    def __init__(self, *, io_patience: float = 0.05, patience: float = 10.0, limit: float = 7 * 86_400.0) -> None:
        self._now = 0.0
        self._limit = self._ends_at = limit
        self._holds = 0
        super().__init__(_JumpingSelector(self, io_patience=io_patience, patience=patience))
        # asyncio fires what is due within this; its own 1e-9 is lost to rounding when the clock has passed 97 days, and
        # the timer to which the clock has jumped would never fire.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    @contextmanager
    def hold_clock(self) -> Generator[None]:
        """Keep the clock still while something outside the loop works for it, such as a thread of your own.

        Example:
            ```python
            import asyncio
            import threading
            import time

            from pydantic_ai_streaming.testing import VirtualTimeLoop, virtual_time


            def work(loop: VirtualTimeLoop, done: asyncio.Event) -> None:
                time.sleep(0.01)
                loop.call_soon_threadsafe(done.set)


            async def main() -> float:
                loop, done = asyncio.get_running_loop(), asyncio.Event()
                assert isinstance(loop, VirtualTimeLoop)
                threading.Thread(target=work, args=(loop, done)).start()
                with loop.hold_clock():
                    async with asyncio.timeout(5):
                        await done.wait()
                return loop.time()


            assert virtual_time.run(main()) == 0
            ```
        """
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> TimerHandle:
        """Call back at `when`; at infinity, which `asyncio.sleep(math.inf)` asks for, never."""
        if when == math.inf:
            return TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run in a thread or a process; the clock stands still until the result is here or nobody wants it."""
        future = super().run_in_executor(executor, func, *args)
        self._holds += 1
        future.add_done_callback(self._release)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Join the executor's threads in real time, and without the timer that Python 3.12 sets for it."""
        del timeout
        with self.hold_clock():
            await super().shutdown_default_executor()

    def _release(self, _: object) -> None:
        self._holds -= 1

    def _is_held(self) -> bool:
        return self._holds > 0 or any(_works_for(thread, self) for thread in threading.enumerate())

    def _jump(self, seconds: float) -> None:
        # Rounded, for tests that name instants. That may be a hair before a timer whose callback then asks for the rest
        # of the time, as anyio's does: there the clock has to move all the same.
        now = round(self._now + seconds, 9)
        self._now = now if now > self._now else self._now + seconds
        if self._now > self._ends_at:
            self._ends_at = self._now + self._limit  # for the clean-up of the tasks, which may take time too
            raise DeadlockError(self._told(f'The virtual clock passed its limit of {self._limit:g} seconds'))

    def _told(self, what: str) -> str:
        tasks = [task for task in asyncio.all_tasks(self) if not task.done()]
        waiting = describe_tasks(tasks) or '(no task)'
        return f'{what}, at {self._now:g} virtual seconds. These tasks wait:\n{waiting}'


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for real descriptors, and for the clock by moving it."""

    def __init__(self, loop: VirtualTimeLoop, *, io_patience: float, patience: float) -> None:
        super().__init__()
        self._loop = loop
        self._io_patience = io_patience
        self._patience = patience

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._loop._is_held():  # pyright: ignore[reportPrivateUsage]
            return self._wait('A thread works for the loop, or its clock is held, and nothing has happened')
        # One descriptor is the loop's own, through which threads wake it.
        watches_io = len(self.get_map()) > 1
        if timeout is None:
            if watches_io:
                return self._wait('No timer is set and the open descriptors have been silent')
            if _bare_threads():
                return self._wait(f'No timer is set and no thread has woken the loop ({", ".join(_bare_threads())})')
            raise DeadlockError(self._told('Nothing can happen any more: no timer is set and nothing else is awaited'))
        if watches_io:
            ready = super().select(min(timeout, self._io_patience))
        if not ready:
            self._loop._jump(timeout)  # pyright: ignore[reportPrivateUsage]
        return ready

    def _wait(self, silence: str) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait in real time; an empty answer would make the loop ask again, so patience is measured here."""
        until = time.monotonic() + self._patience
        while (left := until - time.monotonic()) > 0:
            # In slices, because a signal handler may have to run and epoll has a largest timeout.
            if ready := super().select(min(left, 60.0)):
                return ready
        raise DeadlockError(self._told(f'{silence} for {self._patience:g} real seconds'))

    def _told(self, what: str) -> str:
        return self._loop._told(what)  # pyright: ignore[reportPrivateUsage]


def _works_for(thread: threading.Thread, loop: asyncio.AbstractEventLoop) -> bool:
    """Whether an anyio worker has a job of this loop: anyio starts its threads itself and tells the loop nothing."""
    if type(thread).__module__ != 'anyio._backends._asyncio' or getattr(thread, 'loop', None) is not loop:
        return False
    return not getattr(thread, 'stopping', False) and thread not in getattr(thread, 'idle_workers', ())


def _bare_threads() -> list[str]:
    """Threads of which nobody knows whether they will wake the loop: neither pool threads nor this one."""
    current = threading.current_thread()
    pools = ('asyncio_', 'AnyIO worker thread', 'ThreadPoolExecutor', 'pydantic-ai-streaming')
    return [
        thread.name for thread in threading.enumerate() if thread is not current and not thread.name.startswith(pools)
    ]


def run(
    coroutine: Coroutine[Any, Any, T], *, io_patience: float = 0.05, patience: float = 10.0, limit: float = 7 * 86_400.0
) -> T:
    """Run a coroutine as `asyncio.run` does, in virtual time.

    Args:
        coroutine: What to run.
        io_patience: Real seconds of silence on open sockets and pipes before the clock jumps over them.
        patience: Real seconds to wait for a thread, or for a descriptor while no timer is set.
        limit: Virtual seconds after which something is taken to poll for ever.

    Raises:
        DeadlockError: Nothing could happen any more; the message names the tasks and the lines at which they wait.

    Example:
        ```python
        import asyncio

        from pydantic_ai_streaming.testing import virtual_time


        async def main() -> float:
            await asyncio.sleep(3600)
            return asyncio.get_running_loop().time()


        assert virtual_time.run(main()) == 3600
        ```
    """

    def loop() -> VirtualTimeLoop:
        return VirtualTimeLoop(io_patience=io_patience, patience=patience, limit=limit)

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(coroutine)
