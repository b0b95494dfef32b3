"""Where the logs of the tests are kept, and how several workers come to it: a backend is a line of `PLACES`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from pydantic_ai_streaming.logs import Head, LogBackend, Refusal, Slice, StreamLog, Wanted, Write
from pydantic_ai_streaming.logs.memory import MemoryBackend
from pydantic_ai_streaming.serve import DurableStreamsLimits, durable_streams

__all__ = ['PLACES', 'SharedMemory', 'Workers', 'workers']

Opener = Callable[[], StreamLog]

HEARD_AFTER = 0.02
"""Seconds after which a worker hears of what another has written, in `SharedMemory`."""


class SharedMemory:
    """One dictionary for the logs of several workers. Each hears late of what the others write, as over a network."""

    def __init__(self) -> None:
        self.backend = MemoryBackend()
        self.hearing: set[asyncio.Queue[str]] = set()

    def log(self, *, lease: float = 10.0) -> StreamLog:
        return StreamLog(_Worker(self), lease=lease)


class _Worker(LogBackend):
    def __init__(self, memory: SharedMemory) -> None:
        self._memory = memory
        self._heard: asyncio.Queue[str] = asyncio.Queue()

    async def open(self) -> None:
        self._memory.hearing.add(self._heard)

    async def close(self) -> None:
        self._memory.hearing.discard(self._heard)

    async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
        await asyncio.sleep(0)  # others have their turn between a look and a write
        outcomes = await self._memory.backend.commit(writes)
        for queue in self._memory.hearing - {self._heard}:
            for write in writes:
                queue.put_nowait(write.stream_id)
        return outcomes

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        await asyncio.sleep(0)
        return await self._memory.backend.fetch(wanted)

    async def lapsed(self) -> Sequence[str]:
        return await self._memory.backend.lapsed()

    async def owned(self, owner: str) -> Sequence[Head]:
        return await self._memory.backend.owned(owner)

    async def sweep(self) -> None:
        await self._memory.backend.sweep()

    async def changes(self, watched: Callable[[], Collection[str]]) -> AsyncGenerator[Mapping[str, int | None], None]:
        yield dict.fromkeys(watched())
        while True:
            stream_id = await self._heard.get()
            await asyncio.sleep(HEARD_AFTER)
            yield {stream_id: None}


def _memory(folder: Path) -> Opener:
    return SharedMemory().log


# What there is, by name: where the logs are opened, and for how many workers.
PLACES: dict[str, tuple[Callable[[Path], Opener], int]] = {
    'memory': (_memory, 1),
    'memory, two workers': (_memory, 2),
}


class Workers:
    """Gives each request to the next of some applications: no two in a row see the same process."""

    def __init__(self, apps: Sequence[ASGIApp]) -> None:
        self._apps = apps
        self._next = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._next = (self._next + 1) % len(self._apps)
        await self._apps[self._next](scope, receive, send)


@asynccontextmanager
async def workers(opener: Opener, count: int, *, limits: DurableStreamsLimits) -> AsyncGenerator[Starlette]:
    """An application with the whole protocol, of so many workers, each with a log of its own."""
    async with AsyncExitStack() as stack:
        logs = [await stack.enter_async_context(opener()) for _ in range(count)]
        apps = [durable_streams(log, writable=True, limits=limits) for log in logs]
        yield Starlette(routes=[Mount('/v1/stream', Workers(apps))])
