"""Requests to an application without a server between, so that time can be virtual and a client may do anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from pydantic_ai_streaming.core.sse import SSEDecoder

__all__ = ['Call', 'ask', 'begin']

JSON = {'content-type': 'application/json'}


class Call:
    """A request under way, and what has come of the response.

    Attributes:
        status: The status; 0 if there is none yet.
        headers: The headers.
        body: What has come of the body.
        size: How many bytes that is.
        forgets: Whether nothing of it is kept.
        pieces: When each piece came, and what it was.
        came: Set when the first one has.
        taken: Bytes of the body of the request that were taken.
        gone_after: Pieces of it after which the client has gone.
        reading: Cleared, the client takes nothing more.
        task: The application at work.
    """

    def __init__(
        self, app: ASGIApp, method: str, url: str, headers: Mapping[str, str], body: bytes | list[bytes]
    ) -> None:
        path, _, query = url.partition('?')
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b''
        self.size = 0
        self.forgets = False
        self.pieces: list[tuple[float, bytes]] = []
        self.came = asyncio.Event()
        self.reading = asyncio.Event()
        self.reading.set()
        self.taken = 0
        self.gone_after = -1
        self._gone = asyncio.Event()
        self._body = [body] if isinstance(body, bytes) else list(body)
        scope: dict[str, Any] = {
            'type': 'http',
            'method': method,
            'scheme': 'http',
            'path': path,
            'root_path': '',
            'query_string': query.encode(),
            'headers': [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            'server': ('test', 80),
        }
        self.task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        await app(scope, self._receive, self._send)

    def leave(self) -> None:
        """Close the connection."""
        self._gone.set()

    async def done(self) -> Call:
        """Wait for the end of the response."""
        await self.task
        return self

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def events(self) -> list[tuple[str, str]]:
        """The server-sent events so far."""
        return [(event.event, event.data) for event in SSEDecoder().feed(self.body)]

    @property
    def said(self) -> str:
        """The data of those events, joined."""
        return ''.join(data for event, data in self.events if event == 'data')

    @property
    def last(self) -> dict[str, Any]:
        """What the last event has told of the position."""
        return json.loads([data for event, data in self.events if event == 'control'][-1])

    async def _receive(self) -> Message:
        if self.gone_after == 0:
            return {'type': 'http.disconnect'}
        if self._body:
            self.gone_after -= 1
            piece = self._body.pop(0)
            self.taken += len(piece)
            return {'type': 'http.request', 'body': piece, 'more_body': bool(self._body)}
        await self._gone.wait()
        return {'type': 'http.disconnect'}

    async def _send(self, message: Message) -> None:
        await self.reading.wait()
        if message['type'] == 'http.response.start':
            self.status = message['status']
            self.headers = {name.decode(): value.decode() for name, value in message['headers']}
        elif piece := message['body']:
            self.size += len(piece)
            self.came.set()
            if not self.forgets:
                self.body += piece
                self.pieces.append((asyncio.get_running_loop().time(), piece))


def begin(
    app: ASGIApp, method: str, url: str, body: bytes | str | list[bytes] = b'', headers: Mapping[str, str] | None = None
) -> Call:
    """Begin a request; it is of JSON unless it says otherwise."""
    return Call(app, method, url, JSON | dict(headers or {}), body.encode() if isinstance(body, str) else body)


async def ask(
    app: ASGIApp, method: str, url: str, body: bytes | str | list[bytes] = b'', headers: Mapping[str, str] | None = None
) -> Call:
    """Make a request, and wait for the whole response."""
    return await begin(app, method, url, body, headers).done()
