"""A thread with an event loop, shared by all synchronous streams of a process.

It stays for the next stream, because connections do: an HTTP client keeps its idle connections, and each belongs to the
event loop that opened it. With a loop per stream, the second stream over a client would meet the first one's leftovers.

A tool of a run that lives in this thread may use a synchronous stream itself, and blocks the thread with it. That
stream gets a thread of the next level. A tool in there that asks the first stream would wait for a thread that waits
for it: who waits for whom is noted, and `is_kept_waiting` tells.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import threading
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

__all__ = ['is_kept_waiting', 'result_of', 'worker_loop']

T = TypeVar('T')


class _Worker(NamedTuple):
    thread: threading.Thread
    loop: asyncio.AbstractEventLoop


_lock = threading.Lock()
_workers: list[_Worker] = []
_waiting: dict[asyncio.AbstractEventLoop, tuple[asyncio.AbstractEventLoop, Future[Any]]] = {}
"""The loops whose threads wait for another loop, and for what of it."""


def worker_loop() -> asyncio.AbstractEventLoop:
    """The event loop of the worker thread, which is started on first use, and again after a fork.

    Raises:
        Exception: What the program's event loop policy raises, or the system (`OSError` where no file can be opened any
            more, `RuntimeError` where no thread can be started). The next call tries anew.
    """
    _renew_the_lock_in_children()
    with _lock:
        # The threads of a process are not there in its children.
        _workers[:] = [worker for worker in _workers if worker.thread.is_alive() and not worker.loop.is_closed()]
        current = threading.current_thread()
        level = next((level for level, worker in enumerate(_workers, 1) if worker.thread is current), 0)
        if level == len(_workers):
            _workers.append(_start())
        return _workers[level].loop


def is_kept_waiting(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop can do nothing before the current thread goes on: it runs here, or its thread waits for this."""
    here = _running_loop()
    if here is None:
        return False
    while loop is not here:
        other, what = _waiting.get(loop, (None, None))
        if other is None or what is None or what.done():
            return False
        loop = other
    return True


def result_of(future: Future[T], loop: asyncio.AbstractEventLoop) -> T:
    """Wait for what a loop is to do."""
    here = _running_loop()
    if here is None:
        return future.result()
    _waiting[here] = loop, future
    try:
        return future.result()
    finally:
        del _waiting[here]


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@functools.cache
def _renew_the_lock_in_children() -> None:
    """Another thread may hold the lock at the instant of a fork: in the child nobody would ever give it back."""
    if hasattr(os, 'register_at_fork'):
        os.register_at_fork(after_in_child=_renew_the_lock)


def _renew_the_lock() -> None:
    global _lock
    _lock = threading.Lock()
    _workers.clear()  # one may be the very thread that goes on in the child, and its loop does not


def _start() -> _Worker:
    # Made here, not in the thread: what goes wrong is raised to the one who asked.
    loop = asyncio.new_event_loop()
    try:
        thread = threading.Thread(target=_serve, args=(loop,), name='pydantic-ai-streaming', daemon=True)
        thread.start()
    except BaseException:
        loop.close()
        raise
    worker = _Worker(thread, loop)
    atexit.register(_stop, worker)
    return worker


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        asyncio.set_event_loop(runner.get_loop())
        while True:
            try:
                loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                # A tool has called sys.exit(): whoever reads the stream gets it, and the other streams go on.
                continue
            break


def _stop(worker: _Worker) -> None:
    if worker.thread.is_alive() and worker.thread is not threading.current_thread():
        worker.loop.call_soon_threadsafe(worker.loop.stop)
        worker.thread.join(timeout=1)
