"""What `SQLiteBackend` does in the thread that writes: a commit of many writes in one transaction, and clearing up."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..databases.sqlite import transaction
from ..errors import StoreError
from .heads import Head, Refusal, Write, apply

__all__ = ['commit', 'sweep']

TOMBSTONE: Final = 60.0
"""Seconds for which other processes can see that a stream was deleted."""

SWEPT_AT_ONCE: Final = 2000
"""Rows that are removed in one transaction: those who write wait for it."""

_PUT = """
INSERT INTO stream_log_streams (stream_id, head, version, change, owner, leased_until, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (stream_id) DO UPDATE SET
    head = excluded.head, version = excluded.version, change = excluded.change, owner = excluded.owner,
    leased_until = excluded.leased_until, expires_at = excluded.expires_at
RETURNING number
"""


def commit(connection: sqlite3.Connection, writes: Sequence[Write]) -> list[Head | Refusal | StoreError | None]:
    """Do writes in their order, all in one transaction, as `LogBackend.commit`."""
    with transaction(connection):
        batch = _Batch(connection, now=time.time())  # when nobody else can write: what they wrote is not in the future
        outcomes = [batch.do(write) for write in writes]
        batch.keep()
    return outcomes


def sweep(connection: sqlite3.Connection) -> bool:
    """Remove some of what has expired or was deleted; whether there is more."""
    with transaction(connection):
        query = 'SELECT number FROM stream_log_streams WHERE expires_at <= ? LIMIT 100'
        numbers = [row[0] for row in connection.execute(query, (time.time(),)).fetchall()]
        left = SWEPT_AT_ONCE
        for number in numbers:
            if left > 0:
                left -= _remove_entries(connection, number, limit=left)
            if left > 0:  # then there are none left of this one
                connection.execute('DELETE FROM stream_log_streams WHERE number = ?', (number,))
    return bool(numbers)


@dataclass(slots=True)
class _Stream:
    number: int | None
    head: Head | None
    change: int
    is_touched: bool = False
    is_changed: bool = False


class _Batch:
    """The streams that a commit is about. Their heads are written once, at the end of it."""

    def __init__(self, connection: sqlite3.Connection, *, now: float) -> None:
        self._connection = connection
        self._now = now
        self._streams: dict[str, _Stream] = {}

    def do(self, write: Write) -> Head | Refusal | StoreError | None:
        try:
            stream = self._stream(write.stream_id)
        except StoreError as error:  # its head is damaged
            return error
        outcome = apply(stream.head, write, self._now)
        if isinstance(outcome, Refusal):
            return outcome
        if stream.number is None:
            (stream.number,) = self._put(write.stream_id, stream)
        if outcome is None or write.create is not None:
            _remove_entries(self._connection, stream.number)
        if outcome is not None and write.entries:
            first = outcome.length - len(write.entries)
            rows = [(stream.number, first + index, entry) for index, entry in enumerate(write.entries)]
            self._connection.executemany('INSERT INTO stream_log_entries VALUES (?, ?, ?)', rows)
        stream.head = outcome
        stream.is_touched = True
        stream.is_changed = stream.is_changed or not write.quiet
        return outcome

    def keep(self) -> None:
        touched = [(one, stream) for one, stream in self._streams.items() if stream.is_touched]
        if any(stream.is_changed for _, stream in touched):
            (newest,) = self._connection.execute('SELECT coalesce(max(change), 0) FROM stream_log_streams').fetchone()
            for _, stream in touched:
                if stream.is_changed:
                    stream.change = newest + 1
        for stream_id, stream in touched:
            self._put(stream_id, stream)

    def _stream(self, stream_id: str) -> _Stream:
        if stream_id not in self._streams:
            query = 'SELECT number, head, change FROM stream_log_streams WHERE stream_id = ?'
            number, text, change = self._connection.execute(query, (stream_id,)).fetchone() or (None, None, 0)
            self._streams[stream_id] = _Stream(number, None if text is None else Head.load(text), change)
        return self._streams[stream_id]

    def _put(self, stream_id: str, stream: _Stream) -> tuple[int]:
        head = stream.head
        if head is None:
            values = (None, None, stream.change, None, None, self._now + TOMBSTONE)
        else:
            leased_until = None if head.closed else head.leased_until
            values = (head.dump(), head.version, stream.change, head.owner, leased_until, head.expires_at)
        return self._connection.execute(_PUT, (stream_id, *values)).fetchone()


def _remove_entries(connection: sqlite3.Connection, number: int, limit: int = -1) -> int:
    some = 'SELECT position FROM stream_log_entries WHERE number = :number ORDER BY position LIMIT :limit'
    remove = f'DELETE FROM stream_log_entries WHERE number = :number AND position IN ({some})'
    return connection.execute(remove, {'number': number, 'limit': limit}).rowcount
