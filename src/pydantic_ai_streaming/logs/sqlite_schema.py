"""The tables of `SQLiteLog`. Every name begins with `stream_log_`: the file may be an application's own."""

from __future__ import annotations

import sqlite3

from ..databases import sqlite

__all__ = ['STEPS', 'connect']

STEPS: list[tuple[str, ...]] = [
    (
        # A deleted stream stays for a while, without a head, so that others hear of it.
        """CREATE TABLE stream_log_streams (
            number INTEGER PRIMARY KEY,
            stream_id TEXT NOT NULL UNIQUE,
            head TEXT,
            version INTEGER,
            change INTEGER NOT NULL,
            owner TEXT,
            leased_until REAL,
            expires_at REAL
        )""",
        'CREATE INDEX stream_log_streams_changed ON stream_log_streams (change)',
        'CREATE INDEX stream_log_streams_of_owner ON stream_log_streams (owner) WHERE owner IS NOT NULL',
        'CREATE INDEX stream_log_streams_leased ON stream_log_streams (leased_until) WHERE leased_until IS NOT NULL',
        'CREATE INDEX stream_log_streams_expiring ON stream_log_streams (expires_at) WHERE expires_at IS NOT NULL',
        """CREATE TABLE stream_log_entries (
            number INTEGER NOT NULL,
            position INTEGER NOT NULL,
            entry BLOB NOT NULL,
            PRIMARY KEY (number, position)
        ) WITHOUT ROWID""",
    ),
]
"""What brings a file from each version to the next; the first from nothing to version 1."""


def connect(path: str, *, timeout: float, reads: bool = False) -> sqlite3.Connection:
    """Open a file, with its tables up to date.

    Args:
        path: The file.
        timeout: Seconds to wait for other processes.
        reads: Whether the connection is for reading only.

    Raises:
        sqlite3.Error: It cannot be opened.
        StoreError: A newer version has written it.
    """
    place = f'The SQLite log {path!r}'
    connection = sqlite.connect(path, timeout=timeout, place=place, schema='stream_log_schema', steps=STEPS)
    # A commit is then with the system, which survives the end of the process, and gets to the disk with the next
    # checkpoint. To wait for the disk each time would cost every entry milliseconds, and help only against a power cut:
    # it loses the last entries then, and the file stays whole.
    connection.execute('PRAGMA synchronous = NORMAL')
    if reads:
        connection.execute('PRAGMA query_only = ON')
    return connection
