"""Files of SQLite that several processes share: how one is opened, and what its errors mean."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from ..errors import StoreError, StoreUnavailable
from .versions import refuse_newer

__all__ = ['connect', 'transaction', 'translated']

_RETRY = 0.01


def connect(
    path: str, *, timeout: float, place: str, schema: str, steps: Sequence[Sequence[str]]
) -> sqlite3.Connection:
    """Open a file, with its tables up to date.

    The version is in a table of its own, not in the file's header: the file may be an application's own.

    Args:
        path: The file.
        timeout: Seconds to wait for other processes.
        place: What errors call it.
        schema: The name of the table that has the version.
        steps: What brings a file from each version to the next; the first from nothing to version 1.

    Raises:
        sqlite3.Error: It cannot be opened.
        StoreError: A newer version has written it.
    """
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        _use_write_ahead_log(connection, timeout)
        _migrate(connection, place, schema, steps)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """A transaction that may write: kept when the block ends, undone when it or the commit raises."""
    connection.execute('BEGIN IMMEDIATE')
    try:
        yield
        connection.execute('COMMIT')
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute('ROLLBACK')
        raise


def translated(error: sqlite3.Error, *, place: str, timeout: float) -> StoreError:
    """What an error of SQLite is to those who use this package.

    Args:
        error: The error.
        place: What the message calls the file.
        timeout: Seconds for which another process was waited for.
    """
    code = getattr(error, 'sqlite_errorcode', 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreUnavailable(
            f'Another process has locked {place} for more than {timeout:g} s (timeout). Try again, or look '
            'what holds a transaction open.'
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreUnavailable(f'{place} cannot be opened: {error}. Does its directory exist, and may it be written?')
    if code == sqlite3.SQLITE_FULL:
        return StoreError(
            f'{place} is full: {error}. Nothing of what was to be written was kept. Free space.', reason='full'
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StoreError(f'{place} cannot be written: {error}. Change its permissions.', reason='read_only')
    if code == sqlite3.SQLITE_NOTADB:
        return StoreError(f'{place} is no SQLite database, or damaged. Name another file.', reason='damaged')
    if code == sqlite3.SQLITE_CORRUPT:
        return StoreError(
            f'{place} is damaged: {error}. Restore it from a backup, or take what is left with '
            '`sqlite3 FILE .recover`.',
            reason='damaged',
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(
            f'{place} cannot be read or written: {error}. Is the disk in order, and are the files beside it (-wal, '
            '-shm) as they were? If they were removed, end all processes that use it.'
        )
    return StoreError(f'{place} has failed: {error}.')


def _use_write_ahead_log(connection: sqlite3.Connection, timeout: float) -> None:
    # SQLite does not wait for its busy timeout here if another process switches at the same time.
    until = time.monotonic() + timeout
    while True:
        try:
            connection.execute('PRAGMA journal_mode = WAL')
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_RETRY)


def _migrate(connection: sqlite3.Connection, place: str, schema: str, steps: Sequence[Sequence[str]]) -> None:
    if _version(connection, place, schema, len(steps)) == len(steps):
        return
    with transaction(connection):
        version = _version(connection, place, schema, len(steps))  # another process may have been faster
        if version == 0:
            connection.execute(f'CREATE TABLE IF NOT EXISTS {schema} (version INTEGER NOT NULL)')
            connection.execute(f'INSERT INTO {schema} (version) VALUES (0)')
        for step in steps[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f'UPDATE {schema} SET version = ?', (len(steps),))


def _version(connection: sqlite3.Connection, place: str, schema: str, known: int) -> int:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    if connection.execute(query, (schema,)).fetchone() is None:
        return 0
    row = connection.execute(f'SELECT version FROM {schema}').fetchone()
    version = 0 if row is None else int(row[0])
    refuse_newer(place, found=version, known=known)
    return version
