"""A thread that works on a file of SQLite, and its connection."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Final, TypeVar
from weakref import WeakValueDictionary

__all__ = ['SQLiteWorker']

T = TypeVar('T')

REST_WITHIN: Final = 2.0
"""Seconds that a fork waits for the connections of its process to be closed."""


class SQLiteWorker:
    """Runs pieces of work one after the other in a thread of its own, over a connection that it opens when needed.

    A program that ends waits for what was submitted. A worker that is forgotten ends by itself, after that too. It has
    no finalizer for it: the garbage collector would call that in any thread at any instant, also in one that holds a
    lock which submitting needs, or that is waited for by somebody who does.

    Args:
        path: The file, or `':memory:'`.
        connect: Opens a connection to it, which may be used in another thread.
        name: Of the thread.
    """

    def __init__(self, path: str, *, connect: Callable[[], sqlite3.Connection], name: str) -> None:
        self._path = path
        self._connect = connect
        self._name = name
        # By process: after a fork the thread is not here, and another one may have held the lock.
        self._locks: dict[int, threading.RLock] = {}
        self._threads: dict[int, _Thread] = {}
        self._closing: dict[int, Future[None]] = {}

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Do this after everything that was submitted before."""
        process = os.getpid()
        with self._lock(process):
            thread = self._threads.get(process)
            if thread is None:
                session = _Session(self._path, self._connect)
                thread = self._threads[process] = _Thread(session, self._name, after=self._closing.get(process))
            return thread.submit(work)

    def close(self) -> Future[None] | None:
        """Close the connection and end the thread after everything that was submitted before."""
        process = os.getpid()
        with self._lock(process):
            thread = self._threads.pop(process, None)
            closing = None if thread is None else thread.close()
            if closing is not None:
                self._closing[process] = closing
        return closing

    def _lock(self, process: int) -> threading.RLock:
        return self._locks.setdefault(process, threading.RLock())


class _Thread:
    """One thread, which ends when it is closed, or when nobody has this object any more: its pool sees to that."""

    def __init__(self, session: _Session, name: str, *, after: Future[None] | None) -> None:
        self._session = session
        # Two connections at once would write in any order.
        self._pool = ThreadPoolExecutor(1, name, initializer=wait, initargs=([] if after is None else [after],))

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        return self._pool.submit(copy_context().run, self._session.do, work)

    def close(self) -> Future[None] | None:
        try:
            closing = self._pool.submit(self._session.close)
        except RuntimeError:  # the interpreter ends, and has joined the thread
            self._session.close()
            return None
        self._pool.shutdown(wait=False)
        return closing


class _Session:
    """A connection to a file, and which file it is."""

    def __init__(self, path: str, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self.at_work = threading.Lock()
        _forks.watch(self)

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with _forks.none_now(self):
            try:
                return work(self._open())
            except sqlite3.DatabaseError:
                self.let_go()
                raise

    def close(self) -> None:
        with _forks.none_now(self):
            self._close()

    def let_go(self) -> None:
        """Have no connection until there is more to do, unless what is stored would go with it."""
        if self._path != ':memory:':
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        # No work has it now, so nobody uses the connection. SQLite waits for nothing here that Python code could hold.
        with suppress(sqlite3.Error):
            self._close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._file != self._identity():
            self._close()  # the file was deleted or replaced: what is written to the old one would be lost
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


class _Forks:
    """Sees to it that around a fork nobody has a connection.

    The child would take the locks of its parent for its own, and write into a log that the parent deletes. A piece of
    work that takes longer than `REST_WITHIN` is not waited for.
    """

    def __init__(self) -> None:
        self._sessions: WeakValueDictionary[int, _Session] = WeakValueDictionary()
        self._registering = threading.Lock()
        self._registered = False
        self._resting: list[_Session] = []
        self._begin()

    def _begin(self) -> None:
        self._one = threading.Lock()
        self._none_now = threading.Event()
        self._none_now.set()

    def watch(self, session: _Session) -> None:
        self._sessions[id(session)] = session
        with self._registering:
            if not self._registered and hasattr(os, 'register_at_fork'):
                os.register_at_fork(before=self._before, after_in_parent=self._after, after_in_child=self._in_child)
            self._registered = True

    @contextmanager
    def none_now(self, session: _Session) -> Generator[None]:
        """Wait until nobody forks, and have who does wait for what is done here."""
        while True:
            self._none_now.wait()
            with session.at_work:
                if self._none_now.is_set():
                    yield
                    return

    def _before(self) -> None:
        self._one.acquire()
        until = time.monotonic() + REST_WITHIN
        self._none_now.clear()
        for session in [reference() for reference in self._sessions.valuerefs()]:
            if session is not None and session.at_work.acquire(timeout=max(until - time.monotonic(), 0)):
                self._resting.append(session)
                with suppress(sqlite3.Error):
                    session.let_go()

    def _after(self) -> None:
        self._none_now.set()
        while self._resting:
            self._resting.pop().at_work.release()
        self._one.release()

    def _in_child(self) -> None:
        # Its threads are not here, and what they held at that instant is held for ever.
        self._sessions.clear()
        self._resting.clear()
        self._registering = threading.Lock()
        self._begin()


_forks = _Forks()
