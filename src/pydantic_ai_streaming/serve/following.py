"""A stream of a log sent to a client, as server-sent events: `FollowResponse`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from starlette.responses import Response

from ..core.sse import sse_comment, sse_event
from ..errors import StreamMissing
from ..logs.tail import Follower
from .shared_wire import as_sse, shared_wire
from .wire import WireFormat

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ['NO_STORE', 'SIZE', 'FollowResponse']

RETRY = 1.0
"""Seconds that a client is told to wait before it connects again."""

AT_ONCE = 256
"""Entries in one piece of the body, at most: who lags behind catches up in larger steps."""

SIZE = 2**16
"""Bytes of entries after which a piece of the body ends: as much is kept for each client that does not read it."""

NO_STORE = {'cache-control': 'no-cache, no-store, no-transform', 'x-accel-buffering': 'no'}
"""For proxies: nothing is kept back, stored or compressed; nginx asks for a header of its own."""


class FollowResponse(Response):
    """Sends a stream from an offset to its end. The run does not notice when the client goes.

    Args:
        follower: From `StreamLog.follow`.
        stream_id: The stream.
        format: For which kind of client.
        keep_alive: Seconds of silence after which a comment is sent.
        patience: Seconds that a client may take to receive a piece; then it counts as dead, and is cut off.
        here: Entered while the client is there.
        headers: More headers.

    Raises:
        ValueError: `keep_alive` or `patience` is not positive.
    """

    media_type = 'text/event-stream'

    def __init__(
        self,
        follower: Follower,
        stream_id: str,
        format: WireFormat,  # noqa: A002 - the name of the parameter of a request
        *,
        keep_alive: float = 15.0,
        patience: float = 30.0,
        here: Callable[[], AbstractContextManager[object]] = nullcontext,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        for name, value in (('keep_alive', keep_alive), ('patience', patience)):
            if not 0 < value < math.inf:
                raise ValueError(f'{name}={value!r}: use a positive number of seconds')
        self._follower = follower
        self._format = format
        self._wire = shared_wire(follower.tail, format.name, as_sse(stream_id, format))
        self._keep_alive = keep_alive
        self._patience = patience
        self._here = here
        self.status_code = 200
        self.background = None
        self.init_headers({**NO_STORE, **format.headers, **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        # One task beside this one: a stream that is silent gives nothing to fail with when the client has gone.
        leaving = asyncio.create_task(_until_gone(receive), name='pydantic-ai-streaming listen')
        this = asyncio.current_task()
        assert this is not None
        gone = False

        def cut_off(_: object) -> None:
            nonlocal gone
            gone = True
            this.cancel()

        leaving.add_done_callback(cut_off)
        try:
            with self._here():
                await self._send(send)
        except OSError:
            # The client has gone, as servers say since version 2.4 of ASGI; or it does not take what is sent, and then
            # the server cuts the connection of a response that has no end.
            pass
        except asyncio.CancelledError:
            if not gone or this.uncancel() > 0:
                raise
        finally:
            leaving.remove_done_callback(cut_off)
            leaving.cancel()

    async def _send(self, send: Send) -> None:
        await send({'type': 'http.response.start', 'status': self.status_code, 'headers': self.raw_headers})
        body, follower, clock = sse_event(retry=RETRY), self._follower, asyncio.get_running_loop().time
        try:
            while True:
                if (part := await follower.take(AT_ONCE, SIZE)) is not None:
                    body += self._wire.of(part, follower.tail)
                elif follower.exhausted:
                    break
                elif not await follower.wait(clock() + self._keep_alive):
                    body = sse_comment('keep-alive')
                if body:
                    await self._piece(send, body)
                    body = b''
        except StreamMissing:
            body += b''.join(sse_event(text) for text in self._format.lost())
        await send({'type': 'http.response.body', 'body': body, 'more_body': False})

    async def _piece(self, send: Send, body: bytes) -> None:
        async with asyncio.timeout(self._patience):
            await send({'type': 'http.response.body', 'body': body, 'more_body': True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())['type'] != 'http.disconnect':
        pass
