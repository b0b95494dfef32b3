"""Clients over bare sockets, so that hundreds cost little: who starts runs, and viewers that leave and come back."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pydantic_ai_streaming.core.sse import SSEDecoder
from tests.serve.chaos.checker import Event

__all__ = ['LOST', 'Response', 'Viewer', 'ask', 'asking', 'events_of', 'start_run']

PAUSE = 0.05
"""Seconds until somebody tries again who was not served."""

LOST = (OSError, EOFError)
"""What a connection raises that was lost, or was never made."""


@dataclass(frozen=True)
class Response:
    """A response whose body, if it is not here, is still to be read."""

    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body, as it comes."""
        if 'chunked' not in self.headers.get('transfer-encoding', ''):
            yield await self.reader.readexactly(int(self.headers.get('content-length', '0')))
            return
        while size := int(await self.reader.readuntil(b'\r\n'), 16):
            yield await self.reader.readexactly(size)
            await self.reader.readexactly(2)

    def reset(self) -> None:
        """Let go of the connection as a client does whose machine is gone: with what is on its way."""
        found: socket.socket | None = self.writer.get_extra_info('socket')
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def asking(
    port: int, method: str, path: str, *, body: bytes = b'', headers: dict[str, str] | None = None
) -> AsyncGenerator[Response]:
    """Send a request, and begin to read the response."""
    reader, writer = await asyncio.open_connection('127.0.0.1', port)
    try:
        fields = {'host': 'localhost', 'content-length': str(len(body)), 'connection': 'close', **(headers or {})}
        lines = [f'{method} {path} HTTP/1.1', *(f'{name}: {value}' for name, value in fields.items())]
        writer.write('\r\n'.join(lines).encode() + b'\r\n\r\n' + body)
        first, *rest = (await reader.readuntil(b'\r\n\r\n')).decode().split('\r\n')
        found = dict(line.lower().split(': ', 1) for line in rest if line)
        yield Response(int(first.split()[1]), found, reader, writer)
    finally:
        writer.close()


async def ask(port: int, method: str, path: str, **more: Any) -> tuple[int, Any]:
    """A request and its answer: status and JSON."""
    async with asking(port, method, path, **more) as response:
        body = b''.join([piece async for piece in response.pieces()])
    return response.status, json.loads(body) if body else None


async def start_run(ports: Callable[[], Sequence[int]], key: str, **how: Any) -> str:
    """Start a run at a worker that is alive, with a key, so that one that dies meanwhile has not started another."""
    body = json.dumps({'prompt': json.dumps(how)}).encode()
    while True:
        for port in ports():
            try:
                status, found = await ask(port, 'POST', '/runs/', body=body, headers={'idempotency-key': key})
            except LOST:
                continue
            if status == 201:
                return found['stream']
            assert status == 503, found
        await asyncio.sleep(PAUSE)


async def events_of(response: Response) -> AsyncGenerator[Event]:
    """The events of one connection, with their offsets."""
    decoder = SSEDecoder()
    async with aclosing(response.pieces()) as pieces:
        async for piece in pieces:
            for event in decoder.feed(piece):
                yield Event(int(event.id.rpartition(':')[2]), event.data)


@dataclass
class Viewer:
    """Follows a stream to its end, over many connections, each to any of the workers.

    Attributes:
        random: When it leaves, how, and where it goes.
        ports: Where there are workers just now, or seem to be.
        stay: Seconds that it stays, on average; `None` for one that does not leave.
        patience: Seconds without anything new after which it gives up.
        seen: What it was sent.
        ended_at: When it was told of the end.
        counts: How often it has left, was cut off, has found nobody, and with which status it was answered.
    """

    random: Random
    ports: Callable[[], Sequence[int]]
    stay: float | None
    patience: float
    seen: list[Event] = field(default_factory=list[Event])
    ended_at: float | None = None
    counts: Counter[str] = field(default_factory=Counter[str])
    _is_served: bool = False

    async def watch(self, stream: str) -> None:
        """Until it has seen the end, or gives up."""
        clock = asyncio.get_running_loop().time
        last = clock()
        while self.ended_at is None and clock() - last < self.patience:
            before = len(self.seen)
            stay = self.patience if self.stay is None else min(self.random.expovariate(1 / self.stay), self.patience)
            try:
                async with asyncio.timeout(stay):
                    status = await self._connect(stream)
            except TimeoutError:
                self.counts['left'] += 1
            except LOST:
                self.counts['cut off' if self._is_served else 'nobody there'] += 1
                await asyncio.sleep(PAUSE)
            else:
                self.counts[f'status {status}'] += 1
                if status not in (200, 503):
                    return
                await asyncio.sleep(PAUSE)
            if len(self.seen) > before:
                last = clock()

    async def _connect(self, stream: str) -> int:
        self._is_served = False
        headers = {'last-event-id': f'{stream}:{self.seen[-1].offset}'} if self.seen else {}
        async with asking(self.random.choice(self.ports()), 'GET', f'/runs/{stream}', headers=headers) as response:
            if response.status != 200:
                return response.status
            self._is_served = True
            try:
                async with aclosing(events_of(response)) as events:
                    async for event in events:
                        self.seen.append(event)
                        if event.is_last:
                            self.ended_at = asyncio.get_running_loop().time()
            except asyncio.CancelledError:
                if self.random.random() < 0.5:
                    response.reset()
                raise
        return 200
