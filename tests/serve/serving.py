"""A real server on the loopback, in the loop of the test, and what its clients see."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from pydantic_ai_streaming.core.sse import SSEDecoder

__all__ = ['Client', 'Seen', 'nothing_goes_on', 'see', 'serving', 'serving_app', 'until']

Client = httpx.AsyncClient


@asynccontextmanager
async def serving(*routes: BaseRoute) -> AsyncGenerator[str]:
    """Serve these routes until the context is left; the address."""
    async with serving_app(Starlette(routes=routes)) as address:
        yield address


@asynccontextmanager
async def serving_app(app: Starlette) -> AsyncGenerator[str]:
    """Serve an application until the context is left; its address."""
    listening = socket.create_server(('127.0.0.1', 0))
    config = uvicorn.Config(
        app,
        log_level='critical',
        timeout_graceful_shutdown=1,
        ws='websockets-sansio',
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await until(lambda: server.started)
        yield f'127.0.0.1:{listening.getsockname()[1]}'
    finally:
        server.should_exit = True
        await task
        # What it has cut off may still close a file in a thread.
        await until(lambda: not server.server_state.tasks, within=20)
        listening.close()


@dataclass
class Seen:
    """What a client has seen of a stream."""

    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    frames: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    ids: list[str] = field(default_factory=list[str])
    raw: bytes = b''

    @property
    def text(self) -> str:
        return ''.join(frame['text'] for frame in self.frames if frame['type'] == 'text')

    @property
    def last(self) -> dict[str, Any]:
        return self.frames[-1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame['type'] == kind]


async def see(
    client: Client,
    url: str,
    *,
    last_id: str | bytes | None = None,
    enough: Callable[[Seen], bool] = lambda _: False,
    method: str = 'GET',
    content: str | None = None,
    accept: str = '*/*',
) -> Seen:
    """Read a stream to its end, or until it is enough; then the connection is closed."""
    seen, decoder = Seen(), SSEDecoder()
    headers: dict[str, Any] = {
        'accept': accept,
        **({} if content is None else {'content-type': 'application/json'}),
        **({} if last_id is None else {'last-event-id': last_id}),
    }
    async with client.stream(method, url, headers=headers, content=content) as response:
        seen.status, seen.headers = response.status_code, response.headers
        async for piece in response.aiter_raw():
            seen.raw += piece
            for event in decoder.feed(piece):
                seen.frames.append(json.loads(event.data))
                seen.ids.append(event.id)
                if enough(seen):
                    return seen
    return seen


async def until(condition: Callable[[], object], *, within: float = 5.0) -> float:
    """Wait until something is so; the seconds that it took."""
    began = time.perf_counter()
    while not condition():
        took = time.perf_counter() - began
        assert took < within, 'it never came to be'
        await asyncio.sleep(0.002)
    return time.perf_counter() - began


def nothing_goes_on() -> bool:
    """Whether no task of ours is left; those of the server stay."""
    return not [task for task in asyncio.all_tasks() if task.get_name().startswith('pydantic-ai-streaming')]
