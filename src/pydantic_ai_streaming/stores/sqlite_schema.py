"""The tables of `SQLiteConversationStore`, and how a file gets them.

Every name begins with `conversation_`, and the version is in a table, not in the file's header: the file may be an
application's own, with tables of its own.
"""

from __future__ import annotations

import sqlite3

from ..databases import sqlite

__all__ = ['STEPS', 'connect']

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


def connect(path: str, *, timeout: float) -> sqlite3.Connection:
    """Open a file, with its tables up to date.

    Args:
        path: The file.
        timeout: Seconds to wait for other processes.

    Raises:
        sqlite3.Error: It cannot be opened.
        StoreError: A newer version has written it.
    """
    place = f'The SQLite store {path!r}'
    return sqlite.connect(path, timeout=timeout, place=place, schema='conversation_schema', steps=STEPS)
