"""A stream of a log sent to a client, as server-sent events: `FollowResponse`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from starlette.responses import Response

from ..core.sse import sse_comment, sse_event
from ..core.telling import told_to
from ..errors import StoreUnavailable, StreamMissing
from ..logs.tail import Follower
from .listening import while_there
from .refused import NO_STORE, RETRY
from .shared_wire import as_sse, shared_wire
from .waiting import Waiting
from .wire import LOST, WireFormat

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ['PATIENCE', 'SIZE', 'FollowResponse']

logger = told_to(__name__)

PATIENCE = 30.0
"""Seconds that a client may take to receive a piece; then it counts as dead."""

AT_ONCE = 256
"""Entries in one piece of the body, at most: who lags behind catches up in larger steps."""

SIZE = 2**16
"""Bytes of entries after which a piece of the body ends: as much is kept for each client that does not read it."""


class FollowResponse(Response):
    """Sends a stream from an offset to its end. The run does not notice when the client goes.

    Args:
        follower: From `StreamLog.follow`.
        stream_id: The stream.
        format: For which kind of client.
        keep_alive: Seconds of silence after which a comment is sent.
        patience: Seconds that a client may take to receive a piece; then it counts as dead, and is cut off. Its place
            is free at once. The server closes the connection, but waits for what it has buffered to be read: who means
            harm keeps a socket until the kernel or a proxy gives it up.
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
        patience: float = PATIENCE,
        here: Callable[[], AbstractContextManager[object]] = nullcontext,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        for name, value in (('keep_alive', keep_alive), ('patience', patience)):
            if not 0 < value < math.inf:
                raise ValueError(f'{name}={value!r}: use a positive number of seconds')
        self._follower = follower
        self._stream_id = stream_id
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
        with self._here():
            if scope.get('method') == 'HEAD':
                await send({'type': 'http.response.start', 'status': self.status_code, 'headers': self.raw_headers})
                await send({'type': 'http.response.body', 'body': b''})
                return
            # In a task of its own, which is woken for each piece: what stands around a request is not on its stack.
            await while_there(self._follow(send), receive)

    async def _follow(self, send: Send) -> None:
        this = asyncio.current_task()
        assert this is not None
        # The server cuts the connection of a response that has no end.
        waiting = Waiting(self._keep_alive, self._patience, this.cancel)
        try:
            await self._send(send, waiting)
        except StoreUnavailable as error:
            # The connection breaks, and so every kind of client knows that this was not all, and connects again: a body
            # that ends as it should would be the whole answer to a `useChat`.
            where = self._follower.offset
            logger.warning('Stream %s: a client that was at %d is cut off: %s', self._stream_id, where, error)
        except OSError:
            pass  # the client has gone, as servers say since version 2.4 of ASGI
        finally:
            waiting.over()

    async def _send(self, send: Send, waiting: Waiting) -> None:
        await send({'type': 'http.response.start', 'status': self.status_code, 'headers': self.raw_headers})
        body, follower, wire = sse_event(retry=RETRY), self._follower, self._wire
        tail = follower.tail
        try:
            while True:
                # Asked first, as the take costs a coroutine, which for most pieces would say that there is no more.
                if follower.offset < tail.end or tail.gone:
                    part = await follower.take(AT_ONCE, SIZE)
                    body += b'' if part is None else wire.of(part, tail)
                elif follower.exhausted:
                    break
                elif not await waiting.changed(tail):
                    body = sse_comment('keep-alive')
                if body:
                    waiting.sends()
                    await send({'type': 'http.response.body', 'body': body, 'more_body': True})
                    waiting.has_sent()
                    body = b''
        except StreamMissing:
            body += b''.join(sse_event(text) for text in self._format.cut_off(LOST))
        waiting.sends()
        await send({'type': 'http.response.body', 'body': body, 'more_body': False})
