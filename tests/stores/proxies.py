"""A connection that breaks at the worst instant: when the server has done what it was asked, and not yet said so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.stores.places import Place

__all__ = ['LosingProxy', 'losing_proxy']


@dataclass
class LosingProxy:
    """Passes everything on, but instead of the answer to what contains `lose_answer_to` it cuts the connection."""

    lose_answer_to: bytes | None = None
    lost: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])
    _passing: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def serve(self, place: Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if place.kind == 'postgres':
            directory = place.where.partition('host=')[2]
            there, back = await asyncio.open_unix_connection(f'{directory}/.s.PGSQL.5432')
        else:
            port = int(place.where.rpartition(':')[2].partition('/')[0])
            there, back = await asyncio.open_connection('127.0.0.1', port)
        self._writers |= {writer, back}
        is_losing = asyncio.Event()

        async def ask() -> None:
            while asked := await reader.read(65536):
                if self.lose_answer_to is not None and self.lose_answer_to in asked:
                    self.lose_answer_to = None
                    is_losing.set()
                back.write(asked)

        async def answer() -> None:
            while answered := await there.read(65536):
                if is_losing.is_set():
                    self.lost += 1
                    break
                writer.write(answered)

        tasks = [asyncio.create_task(ask()), asyncio.create_task(answer())]
        self._passing |= set(tasks)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for side in (writer, back):
            side.close()

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._passing, return_exceptions=True)


@asynccontextmanager
async def losing_proxy(place: Place, directory: Path) -> AsyncGenerator[tuple[Place, LosingProxy]]:
    """The place behind a proxy, and the proxy."""
    proxy = LosingProxy()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await proxy.serve(place, reader, writer)

    if place.kind == 'postgres':
        server = await asyncio.start_unix_server(serve, f'{directory}/.s.PGSQL.5432')
        where = f'{place.where.partition("host=")[0]}host={directory}'
    else:
        server = await asyncio.start_server(serve, '127.0.0.1', 0)
        where = f'redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0'
    try:
        yield Place(place.kind, where, place.name), proxy
    finally:
        server.close()
        await proxy.close()
