"""Where a store of each kind keeps its conversations: enough to open it again, here or in another process."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
import redis.asyncio

from pydantic_ai_streaming.stores import PostgresConversationStore, RedisConversationStore, SQLiteConversationStore

__all__ = ['KINDS', 'Kind', 'Place', 'Store', 'alter']

Kind = Literal['sqlite', 'postgres', 'redis']
KINDS: tuple[Kind, ...] = ('sqlite', 'postgres', 'redis')
Store = SQLiteConversationStore | PostgresConversationStore | RedisConversationStore


@dataclass(frozen=True)
class Place:
    """A file, or a server and a schema or prefix in it; it can be sent to another process."""

    kind: Kind
    where: str
    name: str = 'test'

    def open(self, **settings: Any) -> Store:
        if self.kind == 'sqlite':
            return SQLiteConversationStore(self.where, **settings)
        if self.kind == 'postgres':
            return PostgresConversationStore(self.where, schema=self.name, **settings)
        return RedisConversationStore(self.where, prefix=f'{{{self.name}}}', **settings)


Change = Literal['newer version', 'this version', 'damaged message', 'lost message', 'newer record', 'damaged turn']


async def alter(place: Place, change: Change, what: str = '') -> None:
    """Change what is stored behind the store's back."""
    if place.kind == 'sqlite':
        connection = sqlite3.connect(place.where, isolation_level=None)
        connection.execute(_SQL[change].format(schema='main'), {'what': what} if ':what' in _SQL[change] else {})
        connection.close()
    elif place.kind == 'postgres':
        async with await psycopg.AsyncConnection.connect(place.where, autocommit=True) as server:
            statement = _SQL[change].format(schema=f'"{place.name}"').replace(':what', '%(what)s')
            await server.execute(statement.encode(), {'what': what})
    else:
        async with redis.asyncio.from_url(place.where, decode_responses=True) as client:
            key = f'{{{place.name}}}'
            if change in ('newer version', 'this version'):
                await client.set(f'{key}:version', 99 if change == 'newer version' else 1)
            elif change == 'lost message':
                await client.hdel(f'{key}:messages', what)
            elif change == 'damaged message':
                await client.hset(f'{key}:messages', what, '{"kind": "riddle"}')
            elif change == 'damaged turn':
                await client.hset(f'{key}:turns', what, '{torn')
            else:
                record = str(await client.hget(f'{key}:records', what))
                await client.hset(f'{key}:records', what, record.replace('"format_version":1', '"format_version":2'))


_SQL: dict[Change, str] = {
    'newer version': 'UPDATE {schema}.conversation_schema SET version = 99',
    'this version': 'UPDATE {schema}.conversation_schema SET version = 1',
    'damaged message': """UPDATE {schema}.conversation_entries SET message = '{{"kind": "riddle"}}' WHERE id = :what""",
    'lost message': 'DELETE FROM {schema}.conversation_entries WHERE id = :what',
    'damaged turn': "UPDATE {schema}.conversation_journal SET content = '{{torn' WHERE conversation_id = :what",
    'newer record': (
        'UPDATE {schema}.conversation_records SET record = '
        """replace(record, '"format_version":1', '"format_version":2') WHERE conversation_id = :what"""
    ),
}
