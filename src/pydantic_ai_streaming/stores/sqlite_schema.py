"""The tables of `SQLiteConversationStore`, and how a file gets them.

Every name begins with `conversation_`, and the version is in a table, not in the file's header: the file may be an
application's own, with tables of its own.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager

from .versions import refuse_newer

__all__ = ['STEPS', 'connect', 'transaction']

STEPS: list[tuple[str, ...]] = [
    (
        """CREATE TABLE conversation_records (
            conversation_id TEXT PRIMARY KEY,
            revision TEXT NOT NULL,
            scope TEXT,
            updated_at INTEGER NOT NULL,
            record TEXT NOT NULL
        )""",
        'CREATE INDEX conversation_records_newest ON conversation_records (updated_at)',
        'CREATE INDEX conversation_records_of_scope ON conversation_records (scope, updated_at)',
        """CREATE TABLE conversation_entries (
            id TEXT PRIMARY KEY,
            parent_id TEXT,
            message TEXT NOT NULL
        )""",
        'CREATE INDEX conversation_entries_of_parent ON conversation_entries (parent_id)',
        """CREATE TABLE conversation_tips (
            conversation_id TEXT NOT NULL,
            entry_id TEXT NOT NULL,
            PRIMARY KEY (conversation_id, entry_id)
        ) WITHOUT ROWID""",
        'CREATE INDEX conversation_tips_of_entry ON conversation_tips (entry_id)',
        """CREATE TABLE conversation_journal (
            conversation_id TEXT PRIMARY KEY,
            turn_id TEXT NOT NULL,
            written_at REAL NOT NULL,
            content TEXT NOT NULL
        )""",
    ),
]
"""What brings a file from each version to the next; the first from nothing to version 1."""

_RETRY = 0.01


def connect(path: str, *, timeout: float) -> sqlite3.Connection:
    """Open a file, with its tables up to date.

    Args:
        path: The file.
        timeout: Seconds to wait for other processes.

    Raises:
        sqlite3.Error: It cannot be opened.
        StoreError: A newer version has written it.
    """
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        _use_write_ahead_log(connection, timeout)
        _migrate(connection, f'The SQLite store {path!r}')
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


def _migrate(connection: sqlite3.Connection, store: str) -> None:
    if _version(connection, store) == len(STEPS):
        return
    with transaction(connection):
        version = _version(connection, store)  # another process may have been faster
        if version == 0:
            connection.execute('CREATE TABLE IF NOT EXISTS conversation_schema (version INTEGER NOT NULL)')
            connection.execute('INSERT INTO conversation_schema (version) VALUES (0)')
        for step in STEPS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute('UPDATE conversation_schema SET version = ?', (len(STEPS),))


def _version(connection: sqlite3.Connection, store: str) -> int:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'conversation_schema'"
    if connection.execute(query).fetchone() is None:
        return 0
    row = connection.execute('SELECT version FROM conversation_schema').fetchone()
    version = 0 if row is None else int(row[0])
    refuse_newer(store, found=version, known=len(STEPS))
    return version
