"""Conversations in PostgreSQL. Needs psycopg, of the extra `postgres`.

A save is one transaction. It begins with the compare-and-swap on the record's row, so writers of different
conversations do not wait for each other; a delete, which decides what nobody needs any more, waits for the writers and
they for it (`LOCK TABLE`).

Each save has a token that is stored with the record. If the connection is lost while a save commits, the save is tried
once more on a new connection, and the token tells whether it had arrived.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from ..errors import StoreError, StoreUnavailable
from .backend import BackedConversationStore
from .encoding import EntryRow, RecordRow
from .journal import JournalRow
from .postgres_connections import Connections, Lend, described, lent_by_pool, psycopg
from .postgres_schema import Statements, migrate

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg import Error as PostgresError
    from psycopg_pool import AsyncConnectionPool

__all__ = ['PostgresConversationStore']

T = TypeVar('T')
Row = tuple[Any, ...]


class PostgresConversationStore(BackedConversationStore):
    """Conversations in PostgreSQL, for any number of processes and machines.

    The schema and its tables are made when they are first needed. A lost connection is replaced on the next operation.
    Deleting a conversation deletes the messages that no other conversation uses.

    Args:
        server: A connection string, such as `postgresql://user@host/database`, or a `psycopg_pool.AsyncConnectionPool`
            that the program has opened and closes itself.
        schema: The database schema that holds the tables.
        timeout: Seconds that one operation may take, connecting included.
        max_connections: How many connections an event loop opens at most; a pool has its own limit.

    Raises:
        ImportError: psycopg is missing.
        StoreUnavailable: The server cannot be reached, or the connection was lost.
        StoreError: The server refuses, is out of space, or has tables of a newer version.

    Example:
        ```text
        async with PostgresConversationStore('postgresql:///chats') as store:
            conversation = await store.load('chat-1') or Conversation(conversation_id='chat-1')
            await store.save(await agent.run('Hi', conversation=conversation))
        ```
    """

    def __init__(
        self,
        server: str | AsyncConnectionPool[Any],
        *,
        schema: str = 'pydantic_ai',
        timeout: float = 10,
        max_connections: int = 10,
    ) -> None:
        psycopg()
        self._own: Connections | None = None
        if isinstance(server, str):
            self._own = Connections(server, timeout=timeout, limit=max_connections)
            self._lend: Lend = self._own.lend
        else:
            self._lend = lent_by_pool(server, timeout=timeout)
        self._name = f'the PostgreSQL store {described(server)} (schema {schema!r})'
        self._sql = Statements(schema)
        self._is_migrated = False

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f'<PostgresConversationStore: {self._name}>'

    async def close(self) -> None:
        """Close the connections that this event loop's operations have left open. A pool is left as it is."""
        if self._own is not None:
            await self._own.close()

    async def _run(self, work: Callable[[AsyncConnection[Row]], Awaitable[T]]) -> T:
        async def migrated(connection: AsyncConnection[Row]) -> T:
            if not self._is_migrated:
                await migrate(connection, self._sql, store=self._name)
            return await work(connection)

        try:
            result = await self._lend(migrated)
        except (TimeoutError, OSError) as error:
            raise StoreUnavailable(f'{self} has not answered in time, or cannot be reached: {error!r}.') from error
        except psycopg().Error as error:
            raise self._translated(error) from error
        self._is_migrated = True
        return result

    async def _rows(self, statement: bytes, values: dict[str, Any]) -> list[Row]:
        return await self._run(lambda connection: _fetch(connection, statement, values))

    async def _fetch_record(self, conversation_id: str) -> str | None:
        rows = await self._rows(self._sql.record, {'id': conversation_id})
        return rows[0][0] if rows else None

    async def _fetch_records(self, scope: str | None, limit: int | None) -> Sequence[str]:
        statement = self._sql.records if scope is None else self._sql.records_of_scope
        return [row[0] for row in await self._rows(statement, {'scope': scope, 'limit': limit})]

    async def _fetch_line(self, head_id: str, limit: int | None) -> Sequence[EntryRow]:
        values = {'head': head_id, 'limit': 2**31 - 1 if limit is None else limit}
        return [EntryRow(*row) for row in await self._rows(self._sql.line, values)]

    async def _put(self, row: RecordRow, entries: Sequence[EntryRow], expected_revision: str | None) -> bool:
        values = {**row._asdict(), 'expected': expected_revision, 'token': uuid4()}
        swap = self._sql.create if expected_revision is None else self._sql.replace
        new = {entry.id for entry in entries}

        async def put(connection: AsyncConnection[Row]) -> bool:
            async with connection.transaction() as transaction, connection.cursor() as cursor:
                await cursor.execute(swap, values)
                is_possible = cursor.rowcount == 1
                if is_possible and row.head_id is not None and row.head_id not in new:
                    is_possible = bool(await _fetch(connection, self._sql.has_entry, {'head': row.head_id}))
                if not is_possible:
                    raise psycopg().Rollback(transaction)
                if entries:
                    await cursor.executemany(self._sql.put_entry, entries)
                await cursor.execute(self._sql.put_tips, values)
                return True
            return False

        return await self._run(put)

    async def _remove(self, conversation_id: str, expected_revision: str) -> bool:
        values = {'id': conversation_id, 'expected': expected_revision}

        async def remove(connection: AsyncConnection[Row]) -> bool:
            async with connection.transaction():
                await connection.execute(self._sql.lock)
                if not await _fetch(connection, self._sql.remove, values):
                    return False
                tips = [row[0] for row in await _fetch(connection, self._sql.remove_tips, values)]
                await connection.execute(self._sql.release, {'tips': tips})
                return True

        return await self._run(remove)

    async def clear_turn(self, conversation_id: str, turn_id: str) -> None:
        """Forget a turn, as `TurnJournal.clear_turn`."""
        await self._rows(self._sql.clear_turn, {'id': conversation_id, 'turn': turn_id})

    async def _put_turn(self, conversation_id: str, turn_id: str, content: str, replaces: str | None) -> bool:
        values = {'id': conversation_id, 'turn': turn_id, 'content': content, 'replaces': replaces}
        return bool(await self._rows(self._sql.put_turn, values))

    async def _fetch_turn(self, conversation_id: str) -> JournalRow | None:
        rows = await self._rows(self._sql.turn, {'id': conversation_id})
        return JournalRow(*rows[0]) if rows else None

    def _translated(self, error: PostgresError) -> StoreError:
        errors = psycopg().errors
        if isinstance(error, errors.DiskFull):
            return StoreError(f'{self} is full: {error}. Nothing of the save was kept. Free space.', reason='full')
        if isinstance(error, errors.ReadOnlySqlTransaction):
            return StoreError(f'{self} is read-only: {error}. Connect to the primary server.', reason='read_only')
        if isinstance(error, errors.InsufficientPrivilege | errors.InvalidAuthorizationSpecification):
            return StoreError(
                f'{self} refuses: {error}. Check user and password; the user must own the schema, or '
                'be allowed to make it.',
                reason='refused',
            )
        if isinstance(error, errors.DataCorrupted | errors.IndexCorrupted):
            return StoreError(f'{self} is damaged: {error}. Restore it from a backup.', reason='damaged')
        if isinstance(error, errors.OperationalError | errors.InterfaceError):
            return StoreUnavailable(f'{self} cannot be reached, or the connection was lost: {str(error).strip()}.')
        return StoreError(f'{self} has failed: {str(error).strip()}.')


async def _fetch(connection: AsyncConnection[Row], statement: bytes, values: dict[str, Any]) -> list[Row]:
    async with connection.cursor(row_factory=psycopg().rows.tuple_row) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchall()
