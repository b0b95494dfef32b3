"""A run as server-sent events, for Starlette and FastAPI: `SSEResponse`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import Response

from ..core.numbers import check_number
from ..core.pacing import Smoothing
from ..core.sse import sse_comment, sse_event
from ..run.views import check_smoothing
from .frames import FrameType
from .listening import while_there
from .live import LiveStream, LiveStreams
from .source import Source

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ['SSEResponse']

RETRY = 1.0
"""Seconds that a client is told to wait before it connects again."""

AT_ONCE = 256
"""Frames in one piece of the body, at most: who lags behind catches up in larger steps."""


class SSEResponse(Response):
    r"""Sends a run to a client as server-sent events, and stops it when the client has gone.

    Each event is a frame, JSON in its `data`, with an `id`. The last one is `end` or `error`, always. Whatever goes
    wrong goes into the log of this package, and the client gets the id that the log has. A turn of a `Chat` is saved
    however it ends, before the last frame is sent.

    A request with `Last-Event-ID` never starts a run. With `streams`, and if the stream is there still, it gets the
    frames that follow; status 204 if there are none and the run is over, 404 if there is no such stream (any more), 400
    if it is no id of ours. An `EventSource` connects no more after any of these.

    Args:
        source: A `RunStream` or a turn of a `Chat`, not entered yet.
        streams: Where a client that has lost its connection finds the stream again, for as long as that lingers.
            Without it the run is stopped as soon as the client has gone.
        include: The types of frames to send, all by default; `start`, `end` and `error` always are. Leave out what is
            not for the client's eyes: results of tools are in `tool_call`.
        smoothing: How to pace the text; `None` sends it as it comes.
        keep_alive: Seconds of silence after which a comment is sent.
        status_code: The status of a stream. FastAPI looks for it in the signature of a `response_class`.
        headers: More headers.

    Raises:
        ImportError: Starlette is not installed; the message names the extra.
        TypeError: `streams` is no `LiveStreams`, `smoothing` no `Smoothing`, or `keep_alive` no number.
        ValueError: `keep_alive` is not positive.

    Example:
        ```python
        import asyncio

        import httpx
        from pydantic_ai import Agent
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.routing import Route

        from pydantic_ai_streaming import RunStream
        from pydantic_ai_streaming.serve import SSEResponse
        from pydantic_ai_streaming.testing import ScriptedModel

        agent = Agent(ScriptedModel(['One\n', 'two.']))


        async def answer(request: Request) -> SSEResponse:
            prompt = request.query_params['prompt']
            return SSEResponse(RunStream(agent.run_stream_events(prompt)), include=('text',))


        app = Starlette(routes=[Route('/answer', answer)])


        async def main():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url='http://test') as client:
                response = await client.get('/answer', params={'prompt': 'Count'})
                print(*(line for line in response.text.splitlines() if '"text"' in line or '"end"' in line), sep='\n')


        asyncio.run(main())
        #> data: {"type":"text","text":"One\n"}
        #> data: {"type":"text","text":"two."}
        #> data: {"type":"end","finish":"complete"}
        ```
    """

    media_type = 'text/event-stream'

    def __init__(
        self,
        source: Source,
        *,
        streams: LiveStreams | None = None,
        include: Collection[FrameType] | None = None,
        smoothing: Smoothing | None = None,
        keep_alive: float = 15.0,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(streams, LiveStreams | None):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
            raise TypeError(f'streams={streams!r}: use one LiveStreams(...) for the whole application')
        check_smoothing(smoothing)
        check_number('keep_alive', keep_alive)
        if not keep_alive > 0:
            raise ValueError(f'keep_alive={keep_alive!r}: use a positive number of seconds')
        self._source = source
        self._streams = LiveStreams(linger=0) if streams is None else streams
        self._include = include
        self._smoothing = smoothing
        self._keep_alive = keep_alive
        self.status_code = status_code
        self.background = None
        # Proxies keep nothing back and store nothing; nginx asks for a header of its own.
        self.init_headers({'cache-control': 'no-cache', 'x-accel-buffering': 'no', **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        if scope.get('method') == 'HEAD':
            await Response(headers=dict(self.headers))(scope, receive, send)  # which starts nothing
            return
        last = Headers(scope=scope).get('last-event-id')
        if last:
            live, offset, status = self._found(last)
        else:
            live = self._streams.start(self._source, include=self._include, smoothing=self._smoothing)
            offset, status = 0, 200
        if live is None:
            await Response(status_code=status, headers={'cache-control': 'no-store'})(scope, receive, send)
            return
        live.join()
        try:
            await while_there(self._send(live, offset, send), receive)
        finally:
            await live.leave()

    def _found(self, last: str) -> tuple[LiveStream | None, int, int]:
        """The stream that a client goes on with, where, or else the status to answer with."""
        stream_id, _, number = last.rpartition(':')
        if not stream_id or not (number.isascii() and number.isdecimal() and len(number) < 16):
            return None, 0, 400
        live, offset = self._streams.get(stream_id), int(number) + 1
        if live is None:
            return None, 0, 404
        if offset > len(live.frames):
            return None, 0, 400
        if live.over and offset == len(live.frames):
            return None, 0, 204
        return live, offset, 200

    async def _send(self, live: LiveStream, offset: int, send: Send) -> None:
        try:
            await send({'type': 'http.response.start', 'status': self.status_code, 'headers': self.raw_headers})
            body = sse_event(retry=RETRY)
            async for piece in _Body(live, offset, self._keep_alive):
                await send({'type': 'http.response.body', 'body': body + piece, 'more_body': True})
                body = b''
            await send({'type': 'http.response.body', 'body': body, 'more_body': False})
        except OSError:
            # How servers say, since version 2.4 of ASGI, that the client has gone.
            return


class _Body:
    """The pieces of the body: events of what is there, or a comment when there was nothing for long."""

    def __init__(self, live: LiveStream, offset: int, keep_alive: float) -> None:
        self._id = live.id
        self._cursor = live.read(offset)
        self._keep_alive = keep_alive

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        cursor, clock = self._cursor, asyncio.get_running_loop().time
        until = clock() + self._keep_alive
        while True:
            first = cursor.offset
            if ready := cursor.take(AT_ONCE):
                events = (sse_event(one, id=f'{self._id}:{first + index}') for index, (_, one) in enumerate(ready))
                return b''.join(events)
            if cursor.exhausted:
                raise StopAsyncIteration
            if not await cursor.wait(until):
                return sse_comment('keep-alive')
