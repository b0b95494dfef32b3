"""Where the logs of the tests are kept, and how several workers come to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from pydantic_ai_streaming.logs import Head, MemoryBackend, Refusal, Slice, Wanted, Write
from pydantic_ai_streaming.serve import DurableStreamsLimits, durable_streams
from tests.logs.places import Kind, LogPlace

__all__ = ['PLACES', 'LateMemory', 'Workers', 'workers']

# What the protocol's own tests ask, by name: the kind of log, and how many workers share it.
PLACES: dict[str, tuple[Kind, int]] = {
    'memory': ('memory', 1),
    'sqlite': ('sqlite', 1),
    'redis': ('redis', 1),
    'redis, two workers': ('redis', 2),
}

HEARD_AFTER = 0.02
"""Seconds after which a worker hears of what another has written, in `LateMemory`."""


class LateMemory(MemoryBackend):
    """Memory that behaves as if it were far: others have their turn before an answer comes, and news comes late."""

    async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
        await asyncio.sleep(0)
        return await super().commit(writes)

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        await asyncio.sleep(0)
        return await super().fetch(wanted)

    async def changes(self, watched: Callable[[], Collection[str]]) -> AsyncGenerator[Mapping[str, int | None], None]:
        async for changed in super().changes(watched):
            await asyncio.sleep(HEARD_AFTER)
            yield changed


class Workers:
    """Gives each request to the next of some applications: no two in a row see the same process."""

    def __init__(self, apps: Sequence[ASGIApp]) -> None:
        self._apps = apps
        self._next = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._next = (self._next + 1) % len(self._apps)
        await self._apps[self._next](scope, receive, send)


@asynccontextmanager
async def workers(place: LogPlace, count: int, *, limits: DurableStreamsLimits) -> AsyncGenerator[Starlette]:
    """An application with the whole protocol, of so many workers, each with a log of its own."""
    async with AsyncExitStack() as stack:
        logs = [await stack.enter_async_context(place.open()) for _ in range(count)]
        apps = [durable_streams(log, writable=True, limits=limits) for log in logs]
        yield Starlette(routes=[Mount('/v1/stream', Workers(apps))])
