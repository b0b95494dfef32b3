"""Streams in Redis: `RedisLog`. Needs redis-py, of the extra `redis`.

What becomes of a write is decided here, as for every backend, from the head that the stream had when this process last
wrote it, and on the server's clock. Redis does it if that head is still the one, all writes of a commit in one script
and one round trip. If another process has written the stream in between, the answer brings its head, and the write is
decided anew.

One connection of the process listens to what others write. Nothing waits in Redis for a single reader.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..databases import redis
from ..databases.versions import refuse_newer
from ..errors import StoreError
from .backend import LogBackend
from .heads import Head, Slice, Wanted, Write
from .log import StreamLog
from .redis_scripts import COMMIT, LAPSED, OPEN, OWNED, READ, VERSION
from .redis_writing import Outcome, State, Step, decide

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ['RedisBackend', 'RedisLog']

T = TypeVar('T')

_NAME = 'RedisLog'

KNOWN: Final = 10_000
"""Streams whose heads a process remembers."""

READ_AT_ONCE: Final = 50
"""Streams that are read in one script: Redis does nothing else meanwhile."""


class RedisBackend(LogBackend):
    """A Redis server, on its clock. See `RedisLog`."""

    def __init__(
        self,
        server: str | Redis,
        *,
        prefix: str = '{pydantic-ai}',
        timeout: float = 3.0,
        max_connections: int = 16,
    ) -> None:
        redis.driver(user=_NAME)
        if max_connections < 2:
            raise ValueError(f'max_connections={max_connections}: one listens, and another has to ask')
        if not isinstance(server, str) and server.connection_pool.connection_kwargs.get('decode_responses'):
            raise ValueError('The client decodes answers, and entries are bytes: make it without decode_responses')
        self._server = server
        self._prefix = prefix
        self._timeout = timeout
        self._max_connections = max_connections
        self._name = secrets.token_urlsafe(9)
        self._known: dict[str, State] = {}
        self._client: Redis | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scripts: dict[str, Any] = {}
        self._turn = asyncio.Semaphore(max_connections - 1)
        self._clock = 0.0

    def __str__(self) -> str:
        return f'the Redis log {redis.described(self._server)} (prefix {self._prefix!r})'

    async def open(self) -> None:  # noqa: D102 - as LogBackend
        await self.close()  # what is left of another loop
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Semaphore(self._max_connections - 1)
        if isinstance(self._server, str):
            settings = {'max_connections': self._max_connections, 'socket_keepalive': True}
            self._client = redis.connected(self._server, timeout=self._timeout, user=_NAME, **settings)
        else:
            self._client = self._server
        try:
            refuse_newer(f'{self}', found=int(await self._run(OPEN, VERSION, self._name)), known=VERSION)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:  # noqa: D102
        client, self._client = self._client, None
        self._scripts.clear()
        self._known.clear()
        # Connections of a loop that has ended cannot be closed any more: they end with their client.
        if client is not None and client is not self._server and self._loop is asyncio.get_running_loop():
            await client.aclose()

    async def commit(self, writes: Sequence[Write]) -> Sequence[Outcome]:  # noqa: D102
        outcomes: dict[int, Outcome] = {}
        pending: dict[str, list[int]] = {}
        for index, write in enumerate(writes):
            pending.setdefault(write.stream_id, []).append(index)
        damaged = await self._look([one for one, (first, *_) in pending.items() if writes[first].create is None])
        for stream_id, error in damaged.items():
            outcomes.update(dict.fromkeys(pending.pop(stream_id), error))
        while pending:
            now = self._now()
            steps = [
                decide(one, self._known.get(one, State()), [writes[index] for index in indices], now)
                for one, indices in pending.items()
            ]
            for step in await self._done(steps):
                outcomes.update(zip(pending.pop(step.stream_id), step.outcomes, strict=True))
        return [outcomes[index] for index in range(len(writes))]

    async def _look(self, stream_ids: Sequence[str]) -> dict[str, StoreError]:
        """Get to know streams; returns those that cannot be read."""
        unknown = [one for one in stream_ids if one not in self._known]
        damaged: dict[str, StoreError] = {}
        for some, states in await self._read([Wanted(one, limit=0) for one in unknown]):
            for wanted, (revision, head, *_) in zip(some, states, strict=True):
                if (error := self._learn(wanted.stream_id, revision, head)) is not None:
                    damaged[wanted.stream_id] = error
        return damaged

    async def _done(self, steps: Sequence[Step]) -> list[Step]:
        """Do these steps; returns those that were done, or cannot be. The others are to be decided anew."""
        arguments = [argument for step in steps for argument in step.arguments()]
        done: list[Step] = []
        for step, answer in zip(steps, await self._run(COMMIT, self._name, *arguments), strict=True):
            error = None
            if answer == 1:
                self._know(step.stream_id, step.after)
            elif len(answer) == 2:  # somebody else has written it
                if (error := self._learn(step.stream_id, *answer)) is None:
                    continue
            else:
                refusal = redis.refusal(answer[0].decode(), user=_NAME)
                error = redis.translated(refusal, place=str(self), user=_NAME)
            if error is not None:
                step.outcomes = [error] * len(step.outcomes)
            done.append(step)
        return done

    def _learn(self, stream_id: str, revision: bytes, text: bytes) -> StoreError | None:
        try:
            head = Head.load(text) if text else None
        except StoreError as error:
            return error
        self._know(stream_id, State(revision.decode(), head))
        return None

    def _know(self, stream_id: str, state: State) -> None:
        self._known.pop(stream_id, None)
        self._known[stream_id] = state  # as the last one: dictionaries keep their order
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:  # noqa: D102
        parts: list[Slice | None] = []
        for some, answers in await self._read(wanted):
            now = self._now()
            for one, (_, text, *entries) in zip(some, answers, strict=True):
                head = Head.load(text) if text else None
                if head is None or head.expired(now):
                    parts.append(None)
                else:
                    parts.append(Slice(head, one.start, entries[0]))
        return parts

    async def _read(self, wanted: Sequence[Wanted]) -> list[tuple[Sequence[Wanted], list[Any]]]:
        found: list[tuple[Sequence[Wanted], list[Any]]] = []
        for first in range(0, len(wanted), READ_AT_ONCE):
            some = wanted[first : first + READ_AT_ONCE]
            arguments = [value for one in some for value in (one.stream_id, one.start, one.limit, one.size)]
            found.append((some, await self._run(READ, *arguments)))
        return found

    async def lapsed(self) -> Sequence[str]:  # noqa: D102
        return [one.decode() for one in await self._run(LAPSED)]

    async def owned(self, owner: str) -> Sequence[Head]:  # noqa: D102
        heads = [Head.load(text) for text in await self._run(OWNED, f'={owner}')]
        now = self._now()
        return [head for head in heads if head.owner == owner and not head.expired(now)]

    async def sweep(self) -> None:  # noqa: D102 - Redis removes by itself what has expired, but for its lease
        await self._run(LAPSED)

    async def changes(  # noqa: D102
        self, watched: Callable[[], Collection[str]]
    ) -> AsyncGenerator[Mapping[str, int | None], None]:
        client: Any = self._client
        listener = client.pubsub()
        try:
            await self._answer(listener.subscribe(f'{self._prefix}:log:changes'))
            while True:
                message = await self._answer(self._heard(listener))
                if message['type'] == 'subscribe':  # for the first time, or because the connection is a new one
                    yield dict.fromkeys(watched())
                elif message['type'] == 'message':
                    who, _, what = message['data'].decode().partition(' ')
                    if who != self._name:
                        yield {one: None if version < 0 else version for one, version in json.loads(what)}
        finally:
            await listener.aclose()

    async def _heard(self, listener: Any) -> dict[str, Any]:
        """The next message. Raises if the connection does not even answer a ping: it is dead without having ended."""
        if (message := await listener.get_message(timeout=self._timeout)) is None:
            await listener.ping()
            if (message := await listener.get_message(timeout=self._timeout)) is None:
                raise ConnectionError('no answer to a ping')
        return message

    # Asking

    def _now(self) -> float:
        """The server's clock, late by the way of its last answer at most: nobody is taken for dead too early."""
        return asyncio.get_running_loop().time() + self._clock

    async def _run(self, script: str, *values: str | bytes | int) -> Any:
        if self._client is None:
            raise StoreError(f'{self} is closed')
        if script not in self._scripts:
            self._scripts[script] = self._client.register_script(script)
        async with self._turn:
            now, found = await self._answer(self._scripts[script](keys=[self._prefix], args=values))
        self._clock = float(now) - asyncio.get_running_loop().time()
        return found

    async def _answer(self, asked: Awaitable[T]) -> T:
        task = asyncio.current_task()
        cancelled = 0 if task is None else task.cancelling()
        try:
            found = await asked
        except (OSError, redis.driver(user=_NAME).RedisError) as error:
            raise redis.translated(error, place=str(self), user=_NAME) from error
        # redis-py swallows a cancellation that comes while it connects.
        if task is not None and task.cancelling() > cancelled:
            raise asyncio.CancelledError
        return found


class RedisLog(StreamLog):
    """Streams in Redis 6.2 or later, for any number of processes and machines.

    A write, or all those that come while another one is under way, is one round trip. Each process has one connection
    that hears what others have written, however many follow streams there; every process hears of every commit. A lost
    connection is replaced, and what was missed is read then. How much a crash of the server loses is up to its
    settings.

    Args:
        server: A URL, such as `redis://host:6379/0`, or a `redis.asyncio.Redis` that the program closes itself, and
            that does not decode responses.
        prefix: What every key begins with. In braces, so that a cluster keeps the keys on one node.
        lease: Seconds after which a producer that has not renewed its lease counts as dead.
        timeout: Seconds to wait for an answer, twice: what is not answered is asked once more, on a new connection.
            Both are to fit into `lease`, which nobody renews meanwhile. A client has its own settings.
        max_connections: Connections at the same time, at most; 2 or more.

    Raises:
        ImportError: redis-py is missing.
        ValueError: `lease` is not positive, `max_connections` is less than 2, or the client decodes responses.
        StoreUnavailable: From most methods: the server cannot be reached, or the connection was lost.
        StoreError: From most methods: the server refuses, is out of memory or read-only, or has streams of a newer
            version.

    Example:
        ```text
        async with RedisLog('redis://localhost') as log:
            producer = await log.create('a')
            await producer.append([b'one', b'two'])
            await producer.close()
        ```
    """

    def __init__(
        self,
        server: str | Redis,
        *,
        prefix: str = '{pydantic-ai}',
        lease: float = 10.0,
        timeout: float = 3.0,
        max_connections: int = 16,
    ) -> None:
        backend = RedisBackend(server, prefix=prefix, timeout=timeout, max_connections=max_connections)
        super().__init__(backend, lease=lease)
