"""Conversations in a SQLite file.

Every operation runs in one worker thread of the store, over one connection: the event loop never waits for the disk,
operations of one store cannot lock each other out, and they take effect in the order in which they were called, even if
the caller was cancelled meanwhile. (A pool of connections would gain nothing: most of the time goes into decoding.)
Several processes share the file through SQLite's write-ahead log.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ..databases.sqlite import transaction, translated
from ..databases.sqlite_worker import SQLiteWorker
from .backend import BackedConversationStore
from .encoding import EntryRow, RecordRow
from .journal import JournalRow
from .sqlite_schema import connect

__all__ = ['SQLiteConversationStore']

T = TypeVar('T')

_LINE = """
WITH RECURSIVE line(id, parent_id, message, depth) AS (
    SELECT id, parent_id, message, 1 FROM conversation_entries WHERE id = :head_id
    UNION ALL
    SELECT e.id, e.parent_id, e.message, line.depth + 1
    FROM line JOIN conversation_entries e ON e.id = line.parent_id
    WHERE line.depth < :limit
)
SELECT id, parent_id, message FROM line ORDER BY depth DESC
"""
_PUT_ENTRY = """
INSERT INTO conversation_entries (id, parent_id, message) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET parent_id = excluded.parent_id, message = excluded.message
"""
_PUT_RECORD = """
INSERT INTO conversation_records (conversation_id, revision, scope, updated_at, record)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (conversation_id) DO UPDATE SET
    revision = excluded.revision, scope = excluded.scope, updated_at = excluded.updated_at, record = excluded.record
"""
_PUT_TURN = """
INSERT INTO conversation_journal (conversation_id, turn_id, written_at, content) VALUES (?, ?, ?, ?)
ON CONFLICT (conversation_id) DO UPDATE SET
    turn_id = excluded.turn_id, written_at = excluded.written_at, content = excluded.content
WHERE turn_id = excluded.turn_id OR turn_id = ?
"""
# What only the deleted tips reached: their lines, without what another tip or an entry outside of the lines stands on.
_RELEASE = """
WITH RECURSIVE line(id, parent_id) AS (
    SELECT id, parent_id FROM conversation_entries WHERE id IN (SELECT value FROM json_each(:tips))
    UNION
    SELECT e.id, e.parent_id FROM line JOIN conversation_entries e ON e.id = line.parent_id
),
needed(id, parent_id) AS (
    SELECT id, parent_id FROM line WHERE
        EXISTS (SELECT 1 FROM conversation_tips t WHERE t.entry_id = line.id)
        OR EXISTS (
            SELECT 1 FROM conversation_entries child
            WHERE child.parent_id = line.id AND child.id NOT IN (SELECT id FROM line)
        )
    UNION
    SELECT e.id, e.parent_id FROM needed JOIN conversation_entries e ON e.id = needed.parent_id
)
DELETE FROM conversation_entries WHERE id IN (SELECT id FROM line EXCEPT SELECT id FROM needed)
"""


class SQLiteConversationStore(BackedConversationStore):
    """Conversations in a SQLite file, which several processes of one machine may use at the same time.

    The file and its tables are made when they are first needed. Every save is on the disk when it returns
    (`synchronous=FULL`). Deleting a conversation deletes the messages that no other conversation uses.

    Args:
        path: The file, in a directory that exists and is not on a network drive; `':memory:'` keeps everything in
            memory, for this store only.
        timeout: Seconds to wait while another process writes.

    Raises:
        StoreUnavailable: Another process has locked the file for longer than `timeout`, or it cannot be opened.
        StoreError: The disk is full, the file is read-only, damaged, no database, or written by a newer version.

    Example:
        ```python
        import asyncio

        from pydantic_ai import Agent
        from pydantic_ai.conversation import Conversation
        from pydantic_ai_streaming.stores import SQLiteConversationStore
        from pydantic_ai_streaming.testing import ScriptedModel

        agent = Agent(ScriptedModel(['Hello!']))


        async def main() -> None:
            async with SQLiteConversationStore('chats.db') as store:
                conversation = await store.load('chat-1') or Conversation(conversation_id='chat-1')
                await store.save(await agent.run('Hi', conversation=conversation))
                print(await store.list_conversations() != [])


        asyncio.run(main())
        #> True
        ```
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 10) -> None:
        self._path = file = ':memory:' if str(path) == ':memory:' else str(Path(path).absolute())
        self._timeout = timeout
        # Without `self`: a store that is forgotten is to end its thread.
        self._worker = SQLiteWorker(
            file, connect=lambda: connect(file, timeout=timeout), name='sqlite-conversation-store'
        )

    def __str__(self) -> str:
        return f'the SQLite store {self._path!r}'

    def __repr__(self) -> str:
        return f'SQLiteConversationStore({self._path!r})'

    async def close(self) -> None:
        """Close the file. The next operation opens it again."""
        if closing := self._worker.close():
            await asyncio.wrap_future(closing)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.wrap_future(self._worker.submit(work))
        except sqlite3.Error as error:
            raise translated(error, place=str(self), timeout=self._timeout) from error

    async def _fetch_record(self, conversation_id: str) -> str | None:
        query = 'SELECT record FROM conversation_records WHERE conversation_id = ?'
        row = await self._run(lambda connection: connection.execute(query, (conversation_id,)).fetchone())
        return None if row is None else row[0]

    async def _fetch_records(self, scope: str | None, limit: int | None) -> Sequence[str]:
        where = '' if scope is None else 'WHERE scope = :scope'
        query = f'SELECT record FROM conversation_records {where} ORDER BY updated_at DESC, rowid LIMIT :limit'
        values = {'scope': scope, 'limit': -1 if limit is None else limit}
        return [row[0] for row in await self._run(lambda connection: connection.execute(query, values).fetchall())]

    async def _fetch_line(self, head_id: str, limit: int | None) -> Sequence[EntryRow]:
        values = {'head_id': head_id, 'limit': 2**62 if limit is None else limit}
        return [
            EntryRow(*row) for row in await self._run(lambda connection: connection.execute(_LINE, values).fetchall())
        ]

    async def _put(self, row: RecordRow, entries: Sequence[EntryRow], expected_revision: str | None) -> bool:
        def put(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                if _revision(connection, row.conversation_id) != expected_revision:
                    return False
                new = {entry.id for entry in entries}
                if row.head_id is not None and row.head_id not in new and not _has_entry(connection, row.head_id):
                    return False
                connection.executemany(_PUT_ENTRY, entries)
                values = (row.conversation_id, row.revision, row.scope, row.updated_at, row.record)
                connection.execute(_PUT_RECORD, values)
                connection.execute('DELETE FROM conversation_tips WHERE conversation_id = ?', (row.conversation_id,))
                tips = [(row.conversation_id, tip) for tip in row.tips]
                connection.executemany('INSERT INTO conversation_tips (conversation_id, entry_id) VALUES (?, ?)', tips)
                return True

        return await self._run(put)

    async def _remove(self, conversation_id: str, expected_revision: str) -> bool:
        def remove(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                if _revision(connection, conversation_id) != expected_revision:
                    return False
                query = 'DELETE FROM conversation_tips WHERE conversation_id = ? RETURNING entry_id'
                tips = [row[0] for row in connection.execute(query, (conversation_id,)).fetchall()]
                connection.execute('DELETE FROM conversation_records WHERE conversation_id = ?', (conversation_id,))
                connection.execute(_RELEASE, {'tips': json.dumps(tips)})
                return True

        return await self._run(remove)

    async def clear_turn(self, conversation_id: str, turn_id: str) -> None:
        """Forget a turn, as `TurnJournal.clear_turn`."""
        clear = 'DELETE FROM conversation_journal WHERE conversation_id = ? AND turn_id = ?'
        await self._run(lambda connection: connection.execute(clear, (conversation_id, turn_id)))

    async def _put_turn(self, conversation_id: str, turn_id: str, content: str, replaces: str | None) -> bool:
        def put(connection: sqlite3.Connection) -> bool:
            # A journal is there for the death of a process, which what was given to the system survives. To wait for
            # the disk, several times in a second for each turn, would only help against a power cut.
            connection.execute('PRAGMA synchronous = NORMAL')
            try:
                values = (conversation_id, turn_id, time.time(), content, replaces)
                return connection.execute(_PUT_TURN, values).rowcount == 1
            finally:
                connection.execute('PRAGMA synchronous = FULL')

        return await self._run(put)

    async def _fetch_turn(self, conversation_id: str) -> JournalRow | None:
        query = 'SELECT turn_id, content, written_at FROM conversation_journal WHERE conversation_id = ?'
        row = await self._run(lambda connection: connection.execute(query, (conversation_id,)).fetchone())
        return None if row is None else JournalRow(*row, now=time.time())


def _revision(connection: sqlite3.Connection, conversation_id: str) -> str | None:
    query = 'SELECT revision FROM conversation_records WHERE conversation_id = ?'
    row = connection.execute(query, (conversation_id,)).fetchone()
    return None if row is None else row[0]


def _has_entry(connection: sqlite3.Connection, entry_id: str) -> bool:
    return connection.execute('SELECT 1 FROM conversation_entries WHERE id = ?', (entry_id,)).fetchone() is not None
