"""The connections of a PostgreSQL store: kept for the event loop that opened them, and replaced when they are lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

__all__ = ['Connections', 'Lend', 'described', 'lent_by_pool', 'psycopg']

T = TypeVar('T')
Row = tuple[Any, ...]


class Lend(Protocol):
    """Does work with a connection."""

    async def __call__(self, work: Callable[[AsyncConnection[Row]], Awaitable[T]]) -> T:
        """Do it, and give what it returns."""
        ...


def psycopg() -> Any:
    """The driver.

    Raises:
        ImportError: It is not installed; the message names the extra.
    """
    try:
        return import_module('psycopg')
    except ImportError as error:
        raise ImportError(
            "PostgresConversationStore needs psycopg 3: pip install 'pydantic-ai-streaming[postgres]'. " + str(error)
        ) from error


def described(server: str | AsyncConnectionPool[Any]) -> str:
    """Where a server is, without user and password."""
    if not isinstance(server, str):
        return f'of the pool {getattr(server, "name", "")!r}'
    parts = psycopg().conninfo.conninfo_to_dict(server)
    return f'{parts.get("dbname", "")!r} at {parts.get("host") or parts.get("hostaddr") or "the local socket"}'


class Connections:
    """Connections of one's own, at most so many at a time in an event loop.

    `psycopg_pool` would keep tasks running for them, in the loop that opened it, until it is closed; a store is often
    used by a script that never closes it, and by several loops one after the other.

    Args:
        conninfo: The connection string.
        timeout: Seconds that one piece of work may take.
        limit: How many there may be at a time.
    """

    def __init__(self, conninfo: str, *, timeout: float, limit: int) -> None:
        self._conninfo = conninfo
        self._timeout = timeout
        self._limit = limit
        self._of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop] = WeakKeyDictionary()

    async def lend(self, work: Callable[[AsyncConnection[Row]], Awaitable[T]]) -> T:
        """Do work with a connection; once more with a new one if it is lost meanwhile.

        Raises:
            TimeoutError: It takes longer than the timeout.
            psycopg.Error: The server refuses, or the connection is lost.
        """
        mine = self._mine()
        async with asyncio.timeout(self._timeout), mine.turns:
            connection = mine.idle.pop() if mine.idle else await self._connect()
            try:
                return await self._use(connection, mine, work)
            except psycopg().OperationalError:
                if not connection.closed:
                    raise
                await mine.close()  # the others were lost with it
            return await self._use(await self._connect(), mine, work)

    async def close(self) -> None:
        """Close the connections of this loop that nothing uses."""
        await self._mine().close()

    def _mine(self) -> _OfLoop:
        loop = asyncio.get_running_loop()
        if loop not in self._of_loop:
            self._of_loop[loop] = _OfLoop(self._limit)
        return self._of_loop[loop]

    async def _connect(self) -> AsyncConnection[Row]:
        return await psycopg().AsyncConnection.connect(self._conninfo, autocommit=True)

    async def _use(
        self, connection: AsyncConnection[Row], mine: _OfLoop, work: Callable[[AsyncConnection[Row]], Awaitable[T]]
    ) -> T:
        is_good = False
        try:
            result = await work(connection)
            is_good = True
            return result
        except psycopg().Error:
            is_good = connection.info.transaction_status == psycopg().pq.TransactionStatus.IDLE
            raise
        finally:
            # Anything else, such as a cancellation, leaves in doubt what is still to come on it.
            if is_good:
                mine.idle.append(connection)
            else:
                await connection.close()


class _OfLoop:
    def __init__(self, limit: int) -> None:
        self.idle: list[AsyncConnection[Row]] = []
        self.turns = asyncio.Semaphore(limit)

    async def close(self) -> None:
        while self.idle:
            await self.idle.pop().close()


def lent_by_pool(pool: AsyncConnectionPool[Any], *, timeout: float) -> Lend:
    """Work with the connections of a pool; once more with another if it is lost meanwhile."""

    async def once(work: Callable[[AsyncConnection[Row]], Awaitable[T]], lent: list[AsyncConnection[Row]]) -> T:
        async with pool.connection(timeout) as connection:
            lent.append(connection)
            return await work(connection)

    async def lend(work: Callable[[AsyncConnection[Row]], Awaitable[T]]) -> T:
        lent: list[AsyncConnection[Row]] = []
        async with asyncio.timeout(timeout):
            try:
                return await once(work, lent)
            except psycopg().OperationalError:
                if not (lent and lent[0].closed):
                    raise
                await pool.check()  # the others were lost with it
                return await once(work, [])

    return lend
