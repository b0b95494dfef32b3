"""A connection that is dead without having ended, as when a cable is pulled or a firewall has forgotten it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ['SilentProxy', 'silent_proxy']


@dataclass
class SilentProxy:
    """Passes everything on, until what is connected falls silent; new connections are passed on again."""

    port: int
    _audible: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list[asyncio.StreamWriter])

    def fall_silent(self) -> None:
        self._audible.set()
        self._audible = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection('127.0.0.1', self.port)
        self._writers += [writer, back]
        is_silent = self._audible

        async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while said := await source.read(65536):
                if not is_silent.is_set():
                    target.write(said)
            if not is_silent.is_set():
                target.close()

        await asyncio.gather(pass_on(reader, back), pass_on(there, writer), return_exceptions=True)
        writer.close()
        back.close()


@asynccontextmanager
async def silent_proxy(port: int) -> AsyncGenerator[tuple[str, SilentProxy]]:
    """A URL that leads to a Redis on a port, and the proxy that it leads through."""
    proxy = SilentProxy(port)
    tasks: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(proxy.serve(reader, writer)))

    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    try:
        yield f'redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0', proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in proxy._writers:  # pyright: ignore[reportPrivateUsage]
            writer.close()
