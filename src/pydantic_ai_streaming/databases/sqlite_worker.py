"""A thread that works on a file of SQLite, and its connection."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from functools import cache
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
        # By process: after a fork neither is here.
        self._threads: dict[int, _Thread] = {}
        self._closing: dict[int, Future[None]] = {}

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Do this after everything that was submitted before."""
        process = os.getpid()
        while True:
            thread = self._threads.get(process)
            if thread is None:
                # Of two at once, one is taken, and the other has not begun.
                new = _Thread(_Session(self._path, self._connect), self._name, after=self._closing.get(process))
                thread = self._threads.setdefault(process, new)
            try:
                return thread.submit(work)
            except RuntimeError:
                if self._threads.get(process) is thread:  # it is not closed: the interpreter ends
                    raise

    def close(self) -> Future[None] | None:
        """Close the connection and end the thread after everything that was submitted before."""
        process = os.getpid()
        thread = self._threads.pop(process, None)
        closing = None if thread is None else thread.close()
        if closing is not None:
            self._closing[process] = closing
        return closing


class _Thread:
    """One thread, which ends when it is closed, or when nobody has this object any more: its pool sees to that."""

    def __init__(self, session: _Session, name: str, *, after: Future[None] | None) -> None:
        self._session = session
        # Two connections at once would write in any order.
        self._pool = ThreadPoolExecutor(1, name, initializer=wait, initargs=([] if after is None else [after],))
        _watch_forks()
        _working[id(self)] = self

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

    def rest(self, until: threading.Event) -> Future[None]:
        """Close the connection and do nothing until then."""
        resting: Future[None] = Future()
        with suppress(RuntimeError):  # one that has been closed rests
            self._pool.submit(self._session.rest, resting, until)
            return resting
        resting.set_result(None)
        return resting


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

    def rest(self, resting: Future[None], until: threading.Event) -> None:
        try:
            if self._path != ':memory:':
                self.close()
        finally:
            resting.set_result(None)
            until.wait()

    def __del__(self) -> None:
        # No work has it now, so nobody uses the connection. SQLite waits for nothing here that Python code could hold.
        with suppress(sqlite3.Error):
            self.close()

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


# Around a fork nobody has a connection: the child would take the locks of its parent for its own, and write into a log
# that the parent deletes. A piece of work that takes longer than `REST_WITHIN` is not waited for.

_working: WeakValueDictionary[int, _Thread] = WeakValueDictionary()
_fork = threading.local()


def _rest() -> None:
    _fork.is_over = threading.Event()
    threads = [reference() for reference in _working.valuerefs()]
    wait([thread.rest(_fork.is_over) for thread in threads if thread is not None], REST_WITHIN)


def _go_on() -> None:
    _fork.is_over.set()


@cache
def _watch_forks() -> None:
    if hasattr(os, 'register_at_fork'):
        os.register_at_fork(before=_rest, after_in_parent=_go_on, after_in_child=_working.clear)
