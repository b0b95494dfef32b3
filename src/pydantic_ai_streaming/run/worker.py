"""One thread with an event loop, shared by all synchronous streams of a process.

It stays for the next stream, because connections do: an HTTP client keeps its idle connections, and each belongs to the
event loop that opened it. With a loop per stream, the second stream over a client would meet the first one's leftovers.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from concurrent.futures import Future

__all__ = ['worker_loop']

_lock = threading.Lock()
_current: tuple[int, asyncio.AbstractEventLoop] | None = None


def worker_loop() -> asyncio.AbstractEventLoop:
    """The running event loop of the worker thread, which is started on first use, and again after a fork."""
    global _current
    with _lock:
        if _current is None or _current[0] != os.getpid() or _current[1].is_closed():
            ready: Future[asyncio.AbstractEventLoop] = Future()
            thread = threading.Thread(target=_serve, args=(ready,), name='pydantic-ai-streaming', daemon=True)
            thread.start()
            loop = ready.result()
            _current = os.getpid(), loop
            atexit.register(_stop, loop, thread)
        return _current[1]


def _serve(ready: Future[asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        asyncio.set_event_loop(loop)
        loop.call_soon(ready.set_result, loop)
        loop.run_forever()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if thread.is_alive():
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=1)
