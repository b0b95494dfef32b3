"""A thread that works on a file of SQLite, and its connection."""

from __future__ import annotations

import atexit
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any, TypeVar
from weakref import WeakSet

__all__ = ['SQLiteWorker']

T = TypeVar('T')


class SQLiteWorker:
    """Runs pieces of work one after the other in a thread of its own, over a connection that it opens when needed.

    A program that ends waits for what was submitted, and for nothing else.

    Args:
        path: The file, or `':memory:'`.
        connect: Opens a connection to it, which may be used in another thread.
        name: Of the thread.
    """

    def __init__(self, path: str, *, connect: Callable[[], sqlite3.Connection], name: str) -> None:
        self._path = path
        self._connect = connect
        self._name = name
        self._thread: _Thread | None = None

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Do this after everything that was submitted before."""
        if self._thread is None or not self._thread.is_ours:
            self._thread = _Thread(self._path, self._connect, self._name)
        return self._thread.submit(work)

    def close(self) -> Future[None] | None:
        """Close the connection and end the thread after everything that was submitted before."""
        thread, self._thread = self._thread, None
        return thread.close() if thread is not None and thread.is_ours else None

    def drop(self) -> None:
        """Close without waiting, from a finalizer.

        The garbage collector calls those in any thread at any instant, also in one that holds a lock, or that starts
        while its starter holds one. So nothing here waits for a lock, as starting, submitting and logging do.
        """
        thread, self._thread = self._thread, None
        if thread is not None and thread.is_ours:
            thread.leave()


class _Thread:
    def __init__(self, path: str, connect: Callable[[], sqlite3.Connection], name: str) -> None:
        self._pid = os.getpid()
        self._session = _Session(path, connect)
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=_serve, args=(self._session, self._work), name=name, daemon=True)
        self._thread.start()
        _threads.add(self)

    @property
    def is_ours(self) -> bool:
        """Whether it runs in this process."""
        if self._pid == os.getpid():
            return True
        # After a fork the thread is not here, and SQLite forbids using or closing the parent's connection.
        _inherited.append(self._session)
        return False

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        future: Future[T] = Future()
        context, session = copy_context(), self._session
        self._work.put(lambda: _do(future, context, lambda: session.do(work)))
        return future

    def close(self) -> Future[None]:
        closed: Future[None] = Future()
        context, session = copy_context(), self._session
        self._work.put(lambda: _do(closed, context, session.close))
        self.leave()
        return closed

    def leave(self) -> None:
        # The queue is one that a finalizer may put into, as its documentation says.
        self._work.put(None)

    def finish(self) -> None:
        self.leave()
        self._thread.join()


class _Session:
    """A connection to a file, and which file it is."""

    def __init__(self, path: str, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._open())
        except sqlite3.DatabaseError:
            if self._path != ':memory:':
                self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._file != self._identity():
            self.close()  # the file was deleted or replaced: what is written to the old one would be lost
        if self._connection is None:
            self._connection = self._connect()
            self._file = self._identity()
        return self._connection

    def _identity(self) -> tuple[int, int] | None:
        if self._path == ':memory:':
            return None
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _serve(session: _Session, work: SimpleQueue[Callable[[], None] | None]) -> None:
    while (piece := work.get()) is not None:
        piece()
        del piece  # it holds its result, which may be large, or its error
    with suppress(sqlite3.Error):
        session.close()


def _do(future: Future[Any], context: Context, work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = context.run(work)
    except BaseException as error:
        future.set_exception(error)
        del future  # the error has this frame, and the future the error
    else:
        future.set_result(result)


_threads: WeakSet[_Thread] = WeakSet()
_inherited: list[_Session] = []


@atexit.register
def _finish() -> None:
    for thread in list(_threads):
        if thread.is_ours:
            thread.finish()
