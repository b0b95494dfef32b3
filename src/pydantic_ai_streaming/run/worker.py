"""A thread with an event loop, shared by all synchronous streams of a process.

It stays for the next stream, because connections do: an HTTP client keeps its idle connections, and each belongs to the
event loop that opened it. With a loop per stream, the second stream over a client would meet the first one's leftovers.

A tool of a run that lives in this thread may use a synchronous stream itself, and blocks the thread with it. That
stream gets a thread of the next level.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from concurrent.futures import Future
from typing import NamedTuple

__all__ = ['worker_loop']


class _Worker(NamedTuple):
    process: int
    thread: threading.Thread
    loop: asyncio.AbstractEventLoop


_lock = threading.Lock()
_workers: list[_Worker] = []


def worker_loop() -> asyncio.AbstractEventLoop:
    """The running event loop of the worker thread, which is started on first use, and again after a fork."""
    with _lock:
        _workers[:] = [worker for worker in _workers if worker.process == os.getpid() and not worker.loop.is_closed()]
        current = threading.current_thread()
        level = next((level for level, worker in enumerate(_workers, 1) if worker.thread is current), 0)
        if level == len(_workers):
            _workers.append(_start())
        return _workers[level].loop


def _start() -> _Worker:
    ready: Future[asyncio.AbstractEventLoop] = Future()
    thread = threading.Thread(target=_serve, args=(ready,), name='pydantic-ai-streaming', daemon=True)
    thread.start()
    worker = _Worker(os.getpid(), thread, ready.result())
    atexit.register(_stop, worker)
    return worker


def _serve(ready: Future[asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        asyncio.set_event_loop(loop)
        loop.call_soon(ready.set_result, loop)
        while True:
            try:
                loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                # A tool has called sys.exit(): whoever reads the stream gets it, and the other streams go on.
                continue
            break


def _stop(worker: _Worker) -> None:
    if worker.thread.is_alive() and worker.process == os.getpid():
        worker.loop.call_soon_threadsafe(worker.loop.stop)
        worker.thread.join(timeout=1)
