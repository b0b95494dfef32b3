"""What the client of `web.py` has of an application: a response, or a WebSocket, each with the end that is called."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any, TypeAlias

from ..core.sse import ServerSentEvent, SSEDecoder

__all__ = ['ClientGoneError', 'Message', 'WebResponse', 'WebSocketClient', 'events_in']

Message: TypeAlias = MutableMapping[str, Any]
"""What ASGI has applications and servers say to each other."""


def events_in(*pieces: bytes) -> list[ServerSentEvent]:
    r"""The server-sent events in what has come over a connection, read as browsers read them.

    Args:
        pieces: The bytes, cut anywhere.

    Example:
        >>> events_in(b'id: 7\ndata: on', b'e\n\ndata: tw')
        [ServerSentEvent(data='one', event='message', id='7')]
    """
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


class ClientGoneError(OSError):
    """How an application learns that it sends to a WebSocket which is closed."""


class WebResponse:
    """A response while it arrives: iterate over it for its pieces, as bytes.

    Attributes:
        status: Such as 200.
        headers: By their names in small letters.
        pieces: All that has been read.
    """

    def __init__(self, body: bytes) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self._asked: bytes | None = body
        self._arrived: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._begun = asyncio.Event()
        self._over = asyncio.Event()
        self._whole = self._closed = False

    def close(self) -> None:
        """Close the connection, as a browser does when its page is left. The application goes on if it likes."""
        self._closed = True
        self._over.set()

    async def head(self) -> None:
        """Wait until `status` and `headers` are there."""
        await self._begun.wait()

    def __aiter__(self) -> WebResponse:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._arrived.get()
        if piece is None:
            self._arrived.put_nowait(None)
            if not self._whole:
                raise ConnectionResetError('the server closed the connection before the response was whole')
            raise StopAsyncIteration
        self.pieces.append(piece)
        return piece

    async def read(self) -> bytes:
        """Read it to its end.

        Raises:
            ConnectionResetError: It ended too early.
        """
        async for _ in self:
            pass
        return b''.join(self.pieces)

    async def events(self) -> AsyncGenerator[ServerSentEvent]:
        """The server-sent events in it, read as browsers read them.

        Raises:
            ConnectionResetError: It ended too early.
        """
        decoder = SSEDecoder()
        async for piece in self:
            for event in decoder.feed(piece):
                yield event

    # What the application calls

    async def app_receives(self) -> Message:
        """The request, and then that the client has gone or has got everything."""
        if self._asked is not None:
            body, self._asked = self._asked, None
            return {'type': 'http.request', 'body': body, 'more_body': False}
        await self._over.wait()
        return {'type': 'http.disconnect'}

    async def app_sends(self, message: Message) -> None:
        """Take the head or a piece of the response."""
        if self._closed:
            return
        if message['type'] == 'http.response.start':
            self.status = message['status']
            self.headers = {name.decode().lower(): value.decode() for name, value in message.get('headers', ())}
            self._begun.set()
            return
        if body := message.get('body', b''):
            self._arrived.put_nowait(bytes(body))
        if not message.get('more_body', False):
            self._whole = True
            self._over.set()
            self._arrived.put_nowait(None)

    def app_ended(self) -> None:
        """The application has nothing more to say."""
        if not self._begun.is_set():
            self.status, self._whole = 500, True
            self._arrived.put_nowait(b'Internal Server Error')
            self._begun.set()
        self._arrived.put_nowait(None)


class WebSocketClient:
    """A WebSocket's other end: iterate over it for the messages, as text, until it is closed.

    Attributes:
        code: With what it was closed by the application; `None` while it is open, 1006 if that was without a word.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._to_app.put_nowait({'type': 'websocket.connect'})
        self._arrived: asyncio.Queue[str | None] = asyncio.Queue()
        self._answered = asyncio.Event()
        self._open = self._left = False

    async def accepted(self) -> None:
        """Wait until it is open.

        Raises:
            ConnectionError: The application does not want it.
        """
        await self._answered.wait()
        if not self._open:
            raise ConnectionError('the application did not accept the WebSocket')

    async def send(self, message: object) -> None:
        """Send text as it is, and anything else as JSON."""
        text = message if isinstance(message, str) else json.dumps(message)
        self._to_app.put_nowait({'type': 'websocket.receive', 'text': text})

    def close(self) -> None:
        """Close it, as a browser does when its page is left."""
        if not self._left:
            self._left = True
            self._to_app.put_nowait({'type': 'websocket.disconnect', 'code': 1001, 'reason': ''})

    def __aiter__(self) -> WebSocketClient:
        return self

    async def __anext__(self) -> str:
        if (text := await self._arrived.get()) is None:
            self._arrived.put_nowait(None)
            raise StopAsyncIteration
        return text

    # What the application calls

    async def app_receives(self) -> Message:
        """The next message."""
        return await self._to_app.get()

    async def app_sends(self, message: Message) -> None:
        """Take a message."""
        if self._left:
            raise ClientGoneError
        if message['type'] == 'websocket.accept':
            self._open = True
            self._answered.set()
        elif message['type'] == 'websocket.send':
            text = message.get('text')
            self._arrived.put_nowait(message['bytes'].decode() if text is None else text)
        else:  # it is closed, or was not accepted
            self.code = message.get('code', 1000)
            self._to_app.put_nowait({'type': 'websocket.disconnect', 'code': self.code, 'reason': ''})
            self.app_ended()

    def app_ended(self) -> None:
        """The application has nothing more to say."""
        if self.code is None:
            self.code = 1006
        self._answered.set()
        self._arrived.put_nowait(None)
