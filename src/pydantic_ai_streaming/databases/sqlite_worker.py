"""A thread that works on a file of SQLite, and its connection."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ['SQLiteWorker']

T = TypeVar('T')


class SQLiteWorker:
    """Runs pieces of work one after the other in a thread of its own, over a connection that it opens when needed.

    Args:
        path: The file, or `':memory:'`.
        connect: Opens a connection to it.
        name: Of the thread.
    """

    def __init__(self, path: str, *, connect: Callable[[], sqlite3.Connection], name: str) -> None:
        self._path = path
        self._connect = connect
        self._name = name
        self._thread: _Thread | None = None
        self._inherited: list[_Thread] = []

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Do this after everything that was submitted before."""
        if self._thread is not None and self._thread.pid != os.getpid():
            # After a fork: the thread is not here, and SQLite forbids using or closing the parent's connection.
            self._inherited.append(self._thread)
            self._thread = None
        if self._thread is None:
            self._thread = _Thread(self._path, self._connect, self._name)
        return self._thread.executor.submit(self._thread.do, work)

    def close(self) -> Future[None] | None:
        """Close the connection and end the thread after everything that was submitted before."""
        thread, self._thread = self._thread, None
        if thread is None or thread.pid != os.getpid():
            return None
        try:
            closing = thread.executor.submit(thread.close)
        except RuntimeError:  # the interpreter ends, and has joined the thread
            thread.close()
            return None
        thread.executor.shutdown(wait=False)
        return closing


class _Thread:
    def __init__(self, path: str, connect: Callable[[], sqlite3.Connection], name: str) -> None:
        self.pid = os.getpid()
        self.executor = ThreadPoolExecutor(1, thread_name_prefix=name)
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
