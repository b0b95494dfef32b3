"""A stream of a log sent to a client, as server-sent events: `FollowResponse`."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from starlette.responses import Response

from ..core.sse import sse_comment, sse_event
from ..errors import StoreUnavailable, StreamMissing
from ..logs.tail import Follower, Tail
from .listening import while_there
from .refused import NO_STORE, RETRY
from .shared_wire import as_sse, shared_wire
from .wire import WireFormat

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ['SIZE', 'FollowResponse']

logger = logging.getLogger(__name__)

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
        if scope.get('method') == 'HEAD':
            await send({'type': 'http.response.start', 'status': self.status_code, 'headers': self.raw_headers})
            await send({'type': 'http.response.body', 'body': b''})
            return
        with self._here():
            # In a task of its own, which is woken for each piece: what stands around a request is not on its stack.
            await while_there(self._follow(send), receive)

    async def _follow(self, send: Send) -> None:
        this = asyncio.current_task()
        assert this is not None
        # The server cuts the connection of a response that has no end.
        waiting = _Waiting(self._keep_alive, self._patience, this.cancel)
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

    async def _send(self, send: Send, waiting: _Waiting) -> None:
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
            body += b''.join(sse_event(text) for text in self._format.lost())
        waiting.sends()
        await send({'type': 'http.response.body', 'body': body, 'more_body': False})


class _Waiting:
    """What a response waits for, and how long at most: for its stream, or for the client to take a piece.

    There is one timer, which looks again when its time might have come: one that is set and cancelled for each piece
    costs more than all else that is done for the piece here.

    Args:
        keep_alive: Seconds without a change after which `changed` says so.
        patience: Seconds that a piece may take.
        cut_off: Called when it has taken longer.
    """

    def __init__(self, keep_alive: float, patience: float, cut_off: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._keep_alive = keep_alive
        self._patience = patience
        self._cut_off = cut_off
        self._changed: asyncio.Future[bool] | None = None  # while it waits for the stream
        self._since = math.inf
        # What begins after a look is not over before the next one.
        self._period = min(keep_alive, patience)
        self._timer = self._loop.call_later(self._period, self._look)

    async def changed(self, tail: Tail) -> bool:
        """Wait for a change of the stream: whether there was one in time."""
        self._changed = changed = tail.watch()
        self._since = self._clock()
        try:
            return await changed
        finally:
            self._changed, self._since = None, math.inf
            tail.unwatch(changed)

    def sends(self) -> None:
        """A piece is sent from now on."""
        self._since = self._clock()

    def has_sent(self) -> None:
        """It was taken. What comes now, as a read of older entries, is not the client's to hurry."""
        self._since = math.inf

    def over(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        changed, now = self._changed, self._clock()
        until = self._since + (self._patience if changed is None else self._keep_alive)
        if now < until:
            until = min(until, now + self._period)
        else:
            until = now + self._period
            if changed is None:
                self._cut_off()
            elif not changed.done():
                changed.set_result(False)
        self._timer = self._loop.call_at(until, self._look)
