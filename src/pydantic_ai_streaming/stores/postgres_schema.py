"""The tables and statements of `PostgresConversationStore`.

JSON is kept as text: a `jsonb` column refuses the character NUL, which tools and models do write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..databases.versions import refuse_newer
from .postgres_connections import psycopg

if TYPE_CHECKING:
    from psycopg import AsyncConnection

__all__ = ['STEPS', 'Statements', 'migrate']

STEPS: list[tuple[str, ...]] = [
    (
        """CREATE TABLE {schema}.conversation_records (
            conversation_id text PRIMARY KEY,
            revision text NOT NULL,
            token uuid NOT NULL,
            scope text,
            updated_at bigint NOT NULL,
            record text NOT NULL
        )""",
        'CREATE INDEX ON {schema}.conversation_records (updated_at)',
        'CREATE INDEX ON {schema}.conversation_records (scope, updated_at)',
        """CREATE TABLE {schema}.conversation_entries (
            id text PRIMARY KEY,
            parent_id text,
            message text NOT NULL
        )""",
        'CREATE INDEX ON {schema}.conversation_entries (parent_id)',
        """CREATE TABLE {schema}.conversation_tips (
            conversation_id text NOT NULL,
            entry_id text NOT NULL,
            PRIMARY KEY (conversation_id, entry_id)
        )""",
        'CREATE INDEX ON {schema}.conversation_tips (entry_id)',
        """CREATE TABLE {schema}.conversation_journal (
            conversation_id text PRIMARY KEY,
            turn_id text NOT NULL,
            written_at double precision NOT NULL,
            content text NOT NULL
        )""",
    ),
]
"""What brings a schema from each version to the next; the first from nothing to version 1."""

_ONE_MIGRATION_AT_A_TIME = 'SELECT pg_advisory_xact_lock(hashtext(%(name)s))'
_LINE = """
WITH RECURSIVE line (id, parent_id, message, depth) AS (
    SELECT id, parent_id, message, 1 FROM {schema}.conversation_entries WHERE id = %(head)s
    UNION ALL
    SELECT e.id, e.parent_id, e.message, line.depth + 1
    FROM line JOIN {schema}.conversation_entries e ON e.id = line.parent_id
    WHERE line.depth < %(limit)s
)
SELECT id, parent_id, message FROM line ORDER BY depth DESC
"""
# The token makes a save that is tried again find itself: it then has no effect, and is possible.
_CREATE = """
INSERT INTO {schema}.conversation_records AS stored (conversation_id, revision, token, scope, updated_at, record)
VALUES (%(conversation_id)s, %(revision)s, %(token)s, %(scope)s, %(updated_at)s, %(record)s)
ON CONFLICT (conversation_id) DO UPDATE SET token = excluded.token WHERE stored.token = excluded.token
"""
_REPLACE = """
UPDATE {schema}.conversation_records
SET revision = %(revision)s, token = %(token)s, scope = %(scope)s, updated_at = %(updated_at)s, record = %(record)s
WHERE conversation_id = %(conversation_id)s AND (revision = %(expected)s OR token = %(token)s)
"""
_PUT_ENTRY = """
INSERT INTO {schema}.conversation_entries (id, parent_id, message) VALUES (%s, %s, %s)
ON CONFLICT (id) DO UPDATE SET parent_id = excluded.parent_id, message = excluded.message
"""
_PUT_TURN = """
INSERT INTO {schema}.conversation_journal AS kept (conversation_id, turn_id, written_at, content)
VALUES (%(id)s, %(turn)s, extract(epoch FROM clock_timestamp()), %(content)s)
ON CONFLICT (conversation_id) DO UPDATE
SET turn_id = excluded.turn_id, written_at = excluded.written_at, content = excluded.content
WHERE kept.turn_id = excluded.turn_id OR kept.turn_id = %(replaces)s
RETURNING 1
"""
_PUT_TIPS = """
WITH left_behind AS (
    DELETE FROM {schema}.conversation_tips
    WHERE conversation_id = %(conversation_id)s AND entry_id <> ALL (%(tips)s::text[])
)
INSERT INTO {schema}.conversation_tips (conversation_id, entry_id)
SELECT %(conversation_id)s, unnest(%(tips)s::text[])
ON CONFLICT DO NOTHING
"""
# What only the deleted tips reached: their lines, without what another tip or an entry outside of the lines stands on.
_RELEASE = """
WITH RECURSIVE line (id, parent_id) AS (
    SELECT id, parent_id FROM {schema}.conversation_entries WHERE id = ANY (%(tips)s::text[])
    UNION
    SELECT e.id, e.parent_id FROM line JOIN {schema}.conversation_entries e ON e.id = line.parent_id
),
needed (id, parent_id) AS (
    SELECT id, parent_id FROM line WHERE
        EXISTS (SELECT 1 FROM {schema}.conversation_tips t WHERE t.entry_id = line.id)
        OR EXISTS (
            SELECT 1 FROM {schema}.conversation_entries child
            WHERE child.parent_id = line.id AND child.id NOT IN (SELECT id FROM line)
        )
    UNION
    SELECT e.id, e.parent_id FROM needed JOIN {schema}.conversation_entries e ON e.id = needed.parent_id
)
DELETE FROM {schema}.conversation_entries WHERE id IN (SELECT id FROM line EXCEPT SELECT id FROM needed)
"""


class Statements:
    """The statements for the tables of one schema."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        records = 'SELECT record FROM {schema}.conversation_records'
        newest = 'ORDER BY updated_at DESC LIMIT %(limit)s'
        self.record = self.of(f'{records} WHERE conversation_id = %(id)s')
        self.records = self.of(f'{records} {newest}')
        self.records_of_scope = self.of(f'{records} WHERE scope = %(scope)s {newest}')
        self.line = self.of(_LINE)
        self.create = self.of(_CREATE)
        self.replace = self.of(_REPLACE)
        self.has_entry = self.of('SELECT 1 FROM {schema}.conversation_entries WHERE id = %(head)s')
        self.put_entry = self.of(_PUT_ENTRY)
        self.put_tips = self.of(_PUT_TIPS)
        self.lock = self.of('LOCK TABLE {schema}.conversation_records IN SHARE ROW EXCLUSIVE MODE')
        self.remove = self.of(
            'DELETE FROM {schema}.conversation_records WHERE conversation_id = %(id)s AND revision = %(expected)s '
            'RETURNING 1'
        )
        self.remove_tips = self.of(
            'DELETE FROM {schema}.conversation_tips WHERE conversation_id = %(id)s RETURNING entry_id'
        )
        self.release = self.of(_RELEASE)
        self.put_turn = self.of(_PUT_TURN)
        self.turn = self.of(
            'SELECT turn_id, content, written_at, extract(epoch FROM clock_timestamp())::double precision '
            'FROM {schema}.conversation_journal WHERE conversation_id = %(id)s'
        )
        self.clear_turn = self.of(
            'DELETE FROM {schema}.conversation_journal WHERE conversation_id = %(id)s AND turn_id = %(turn)s '
            'RETURNING 1'
        )

    def of(self, text: str) -> bytes:
        """A statement with the schema's name, quoted, in its place."""
        quoted = '"' + self.schema.replace('"', '""').replace('%', '%%') + '"'
        return text.replace('{schema}', quoted).encode()


async def migrate(connection: AsyncConnection[Any], statements: Statements, *, store: str) -> None:
    """Bring the tables up to date.

    Raises:
        psycopg.Error: The server refuses.
        StoreError: A newer version has written them.
    """
    if await _version(connection, statements, store) == len(STEPS):
        return
    async with connection.transaction():
        await connection.execute(_ONE_MIGRATION_AT_A_TIME, {'name': f'pydantic-ai-streaming {statements.schema}'})
        version = await _version(connection, statements, store)  # another process may have been faster
        if version == 0:
            # Not IF NOT EXISTS alone: it asks for the right to create schemas even where the schema is there.
            cursor = await connection.execute(
                'SELECT to_regnamespace(%(quoted)s)', {'quoted': statements.of('{schema}').decode()}
            )
            row = await cursor.fetchone()
            if row is None or row[0] is None:
                await connection.execute(statements.of('CREATE SCHEMA IF NOT EXISTS {schema}'))
            await connection.execute(
                statements.of('CREATE TABLE IF NOT EXISTS {schema}.conversation_schema (version integer NOT NULL)')
            )
            await connection.execute(statements.of('INSERT INTO {schema}.conversation_schema VALUES (0)'))
        for step in STEPS[version:]:
            for statement in step:
                await connection.execute(statements.of(statement))
        set_version = statements.of('UPDATE {schema}.conversation_schema SET version = %(version)s')
        await connection.execute(set_version, {'version': len(STEPS)})


async def _version(connection: AsyncConnection[Any], statements: Statements, store: str) -> int:
    exists = 'SELECT 1 FROM pg_tables WHERE schemaname = %(schema)s AND tablename = %(table)s'
    async with connection.cursor(row_factory=psycopg().rows.tuple_row) as cursor:
        await cursor.execute(exists, {'schema': statements.schema, 'table': 'conversation_schema'})
        if await cursor.fetchone() is None:
            return 0
        await cursor.execute(statements.of('SELECT version FROM {schema}.conversation_schema'))
        row = await cursor.fetchone()
    version = 0 if row is None else int(row[0])
    refuse_newer(store, found=version, known=len(STEPS))
    return version
