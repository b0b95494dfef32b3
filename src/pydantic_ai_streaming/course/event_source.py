"""A stand-in for a browser's `EventSource`, of which what matters on the server is that it connects again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping

from ..core.sse import ServerSentEvent, SSEDecoder
from .connections import WebResponse
from .web import WebClient

__all__ = ['EventSourceStandIn']


class EventSourceStandIn(AsyncIterator[ServerSentEvent]):
    """Yields the events of a stream as a browser's `EventSource` would, until it is closed or fails.

    As the standard has it, it sends GET without a body. When a response ends, or the connection breaks, it waits and
    asks again, with the last id that it has seen in the header `Last-Event-ID`. It gives up for good when an answer is
    not of status 200 or is no event stream. https://html.spec.whatwg.org/multipage/server-sent-events.html

    Args:
        client: Who asks.
        path: Where.
        query: What follows the question mark.
        retry: Seconds that it waits, until a server says how long. Browsers take three or five.

    Attributes:
        connections: How many times it has asked.
        last_event_id: The last id that it has seen.
    """

    def __init__(
        self, client: WebClient, path: str, query: Mapping[str, str] | None = None, *, retry: float = 3.0
    ) -> None:
        self.connections = 0
        self.last_event_id = ''
        self._client = client
        self._path = path
        self._query = query
        self._retry = retry
        self._closed = False
        self._response: WebResponse | None = None
        self._decoder = SSEDecoder()
        self._ready: deque[ServerSentEvent] = deque()

    def __aiter__(self) -> EventSourceStandIn:
        return self

    async def __anext__(self) -> ServerSentEvent:
        while not self._closed:
            if self._ready:
                event = self._ready.popleft()
                self.last_event_id = event.id
                return event
            if self._response is None:
                await self._connect()
            else:
                await self._read(self._response)
        raise StopAsyncIteration

    def close(self) -> None:
        """What a page does that wants no more; it connects no more."""
        self._closed = True
        self.lose()

    def lose(self) -> None:
        """What a bad network does: the connection is gone, with all that was on its way."""
        self._ready.clear()
        if self._response is not None:
            self._response.close()
            self._response = None

    async def _connect(self) -> None:
        if self.connections:
            await asyncio.sleep(self._retry)
        self.connections += 1
        headers = {'accept': 'text/event-stream', 'cache-control': 'no-store'}
        if self.last_event_id:
            headers['last-event-id'] = self.last_event_id
        self._decoder = SSEDecoder()
        self._response = response = await self._client.open('GET', self._path, query=self._query, headers=headers)
        kind = response.headers.get('content-type', '').partition(';')[0]
        if response.status != 200 or kind != 'text/event-stream':
            self.close()

    async def _read(self, response: WebResponse) -> None:
        try:
            self._ready.extend(self._decoder.feed(await anext(response)))
        except (StopAsyncIteration, ConnectionResetError):
            self.lose()
        if self._decoder.retry is not None:
            self._retry = self._decoder.retry
