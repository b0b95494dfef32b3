"""Conversations in Redis. Needs redis-py, of the extra `redis`.

Everything is in five hashes and a few sorted sets with a common prefix, and every operation is one command or one Lua
script, which Redis runs alone: so a save is all or nothing, and a delete sees no half of a save. The prefix is a hash
tag, so a cluster keeps the keys together.

Each save has a token that is stored with the record. If the connection is lost before the answer comes, the client
sends the script once more, and the token tells whether it had arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4
from weakref import WeakKeyDictionary

from ..databases import redis
from ..databases.versions import refuse_newer
from .backend import BackedConversationStore
from .encoding import EntryRow, RecordRow
from .journal import JournalRow
from .redis_scripts import CLEAR_TURN, DELETE, LINE, OPEN, RECORDS, TURN, VERSION, WRITE, WRITE_TURN

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ['RedisConversationStore']

T = TypeVar('T')

_NAME = 'RedisConversationStore'


class RedisConversationStore(BackedConversationStore):
    """Conversations in Redis 6.2 or later, for any number of processes and machines.

    A lost connection is replaced on the next operation. Deleting a conversation deletes the messages that no other
    conversation uses. How much a crash of the server loses is up to its settings: for conversations, use
    `appendonly yes`, and a `maxmemory-policy` of `noeviction`.

    Args:
        server: A URL, such as `redis://host:6379/0`, or a `redis.asyncio.Redis` that the program closes itself.
        prefix: What every key begins with. In braces, so that a cluster keeps the keys on one node.
        timeout: Seconds to wait for an answer; a client has its own settings.

    Raises:
        ImportError: redis-py is missing.
        StoreUnavailable: The server cannot be reached, or the connection was lost.
        StoreError: The server refuses, is out of memory or read-only, or has conversations of a newer version.

    Example:
        ```text
        async with RedisConversationStore('redis://localhost') as store:
            conversation = await store.load('chat-1') or Conversation(conversation_id='chat-1')
            await store.save(await agent.run('Hi', conversation=conversation))
        ```
    """

    def __init__(self, server: str | Redis, *, prefix: str = '{pydantic-ai}', timeout: float = 10) -> None:
        redis.driver(user=_NAME)
        self._server = server
        self._prefix = prefix
        self._timeout = timeout
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _Client] = WeakKeyDictionary()

    def __str__(self) -> str:
        return f'the Redis store {redis.described(self._server)} (prefix {self._prefix!r})'

    def __repr__(self) -> str:
        return f'<RedisConversationStore: {self}>'

    async def close(self) -> None:
        """Close the connections of this event loop. A client that the store was given is left as it is."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None and client.redis is not self._server:
            await client.redis.aclose()

    async def _client(self) -> _Client:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = _Client(self._connected(), self._prefix)
        client = self._clients[loop]
        if not client.is_open:
            refuse_newer(f'{self}', found=int(await self._answer(client.open(VERSION))), known=VERSION)
            client.is_open = True
        return client

    def _connected(self) -> Redis:
        if not isinstance(self._server, str):
            return self._server
        return redis.connected(self._server, timeout=self._timeout, user=_NAME)

    async def _answer(self, asked: Awaitable[T]) -> T:
        try:
            return await asked
        except (OSError, redis.driver(user=_NAME).RedisError) as error:
            raise redis.translated(error, place=str(self), user=_NAME) from error

    async def _run(self, script: str, *values: str | bytes | int) -> Any:
        client = await self._client()
        return await self._answer(client.run(script, *values))

    async def _fetch_record(self, conversation_id: str) -> str | bytes | None:
        client = await self._client()
        return await self._answer(client.record(conversation_id))

    async def _fetch_records(self, scope: str | None, limit: int | None) -> Sequence[str | bytes]:
        last = -1 if limit is None else limit - 1
        return [] if limit == 0 else await self._run(RECORDS, '' if scope is None else f'={scope}', last)

    async def _fetch_line(self, head_id: str, limit: int | None) -> Sequence[EntryRow]:
        found = await self._run(LINE, head_id, -1 if limit is None else limit)
        rows = zip(found[::3], found[1::3], found[2::3], strict=True)
        return [EntryRow(_text(own), _text(parent) or None, message) for own, parent, message in rows][::-1]

    async def _put(self, row: RecordRow, entries: Sequence[EntryRow], expected_revision: str | None) -> bool:
        scope = '' if row.scope is None else f'={row.scope}'
        values: list[str | bytes | int] = [
            row.conversation_id,
            expected_revision or '',
            row.revision,
            uuid4().hex,
            scope,
        ]
        values += [row.updated_at, row.head_id or '', row.record, len(row.tips), *row.tips]
        for entry in entries:
            values += [entry.id, entry.parent_id or '', entry.message]
        return bool(await self._run(WRITE, *values))

    async def _remove(self, conversation_id: str, expected_revision: str) -> bool:
        return bool(await self._run(DELETE, conversation_id, expected_revision))

    async def clear_turn(self, conversation_id: str, turn_id: str) -> None:
        """Forget a turn, as `TurnJournal.clear_turn`."""
        await self._run(CLEAR_TURN, conversation_id, turn_id)

    async def _put_turn(self, conversation_id: str, turn_id: str, content: str, replaces: str | None) -> bool:
        return bool(await self._run(WRITE_TURN, conversation_id, turn_id, content, replaces or ''))

    async def _fetch_turn(self, conversation_id: str) -> JournalRow | None:
        found = await self._run(TURN, conversation_id)
        if not found:
            return None
        turn_id, content, written_at, now = found
        return JournalRow(_text(turn_id), content, float(written_at), float(now))


class _Client:
    """The operations, as commands of one client."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.redis = redis
        self.is_open = False
        self._prefix = prefix
        self._scripts: dict[str, Any] = {}

    async def open(self, version: int) -> int:
        return await self.run(OPEN, version)

    async def record(self, conversation_id: str) -> str | bytes | None:
        return await self.redis.hget(f'{self._prefix}:records', conversation_id)

    async def run(self, script: str, *values: str | bytes | int) -> Any:
        if script not in self._scripts:
            self._scripts[script] = self.redis.register_script(script)
        return await self._scripts[script](keys=[self._prefix], args=values)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
