"""A client for the applications of lessons, in this process: it gets each piece of a response when that is sent.

It speaks ASGI to an application as uvicorn does for a client at the other end of a connection: an application is told
when the client has gone, and what it sends after that goes nowhere. There is no network, so all of it works in virtual
time. (httpx's own transport for ASGI hands over a response when it is complete, and cannot go away before.)
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias
from urllib.parse import urlencode

from .connections import ClientGoneError, Message, WebResponse, WebSocketClient

__all__ = ['WebApp', 'WebClient', 'serving']

WebApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application, such as one of FastAPI or Starlette."""

GRACE = 10.0
"""Seconds that an application has to end what it does when its server ends; then it is cancelled."""


@asynccontextmanager
async def serving(app: WebApp) -> AsyncGenerator[WebClient]:
    """Run an application, with its lifespan, until the context is left.

    What is logged meanwhile is in the client's `log`, and not in the middle of what a lesson prints.

    Args:
        app: The application.

    Example:
        ```python
        import asyncio

        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route

        from pydantic_ai_streaming.course import serving


        async def hello(request: Request) -> PlainTextResponse:
            return PlainTextResponse(f'Hello, {request.query_params["name"]}.')


        async def main():
            async with serving(Starlette(routes=[Route('/hello', hello)])) as client:
                async with client.get('/hello', name='Ada') as response:
                    print(response.status, await response.read())


        asyncio.run(main())
        #> 200 b'Hello, Ada.'
        ```
    """
    lifespan = _Lifespan(app)
    await lifespan.startup()
    client = WebClient(app)
    keeper = _Keeper(client.log)
    logging.getLogger().addHandler(keeper)
    try:
        yield client
    finally:
        await client.close()
        await lifespan.shutdown()
        logging.getLogger().removeHandler(keeper)


class WebClient:
    """Asks an application. Made by `serving`.

    Attributes:
        errors: What left the application: a server writes it to its log, and the client sees an answer of 500 or a
            connection that is closed too early.
        log: What was logged.
    """

    def __init__(self, app: WebApp) -> None:
        self.errors: list[Exception] = []
        self.log: list[str] = []
        self._app = app
        self._going: dict[asyncio.Task[None], Callable[[], None]] = {}

    async def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> WebResponse:
        """Send a request, and wait for the head of the response. It is to be closed.

        Args:
            method: Such as `GET`.
            path: Such as `/answer`.
            query: What follows the question mark.
            body: What is sent as JSON, if anything.
            headers: More headers.
        """
        sent = b'' if body is None else json.dumps(body).encode()
        more = {} if body is None else {'content-type': 'application/json', 'content-length': str(len(sent))}
        scope = _scope('http', path, query, {**more, **(headers or {})})
        scope |= {'method': method, 'scheme': 'http'}
        response = WebResponse(sent)
        self._start(self._app(scope, response.app_receives, response.app_sends), response.app_ended, response.close)
        await response.head()
        return response

    @asynccontextmanager
    async def request(self, method: str, path: str, **request: Any) -> AsyncGenerator[WebResponse]:
        """Send a request as `open` does; the connection is closed when the context is left."""
        response = await self.open(method, path, **request)
        try:
            yield response
        finally:
            response.close()

    @asynccontextmanager
    async def get(self, path: str, **query: str) -> AsyncGenerator[WebResponse]:
        """Ask for what is there."""
        async with self.request('GET', path, query=query) as response:
            yield response

    @asynccontextmanager
    async def post(self, path: str, **body: object) -> AsyncGenerator[WebResponse]:
        """Send a JSON object."""
        async with self.request('POST', path, body=body) as response:
            yield response

    @asynccontextmanager
    async def websocket(self, path: str) -> AsyncGenerator[WebSocketClient]:
        """Open a WebSocket; it is closed when the context is left.

        Raises:
            ConnectionError: The application did not accept it.
        """
        socket = WebSocketClient()
        scope = _scope('websocket', path, None, {}) | {'scheme': 'ws', 'subprotocols': list[str]()}
        self._start(self._app(scope, socket.app_receives, socket.app_sends), socket.app_ended, socket.close)
        await socket.accepted()
        try:
            yield socket
        finally:
            socket.close()

    async def close(self) -> None:
        """Leave, and wait until the application has ended what it does."""
        for leave in self._going.values():
            leave()
        if self._going:
            _, left = await asyncio.wait(self._going, timeout=GRACE)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _start(self, call: Awaitable[None], ended: Callable[[], None], leave: Callable[[], None]) -> None:
        async def run() -> None:
            try:
                await call
            except ClientGoneError:
                pass
            except Exception as error:
                self.errors.append(error)
            finally:
                ended()

        task = asyncio.create_task(run())
        self._going[task] = leave
        task.add_done_callback(lambda task: self._going.pop(task, None))


class _Keeper(logging.Handler):
    """Keeps what is logged, with the type of an exception and without its traceback."""

    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._log.append(record.getMessage() + (f': {type(error).__name__}' if error else ''))


class _Lifespan:
    """What an application does before its first request and after its last; some know nothing of it."""

    def __init__(self, app: WebApp) -> None:
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._said: asyncio.Queue[str] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        self._task = asyncio.create_task(self._run())
        self._to_app.put_nowait({'type': 'lifespan.startup'})
        if (said := await self._said.get()) == 'lifespan.startup.failed':
            await self._task
            raise RuntimeError(f'the application did not start: {said}')

    async def shutdown(self) -> None:
        self._to_app.put_nowait({'type': 'lifespan.shutdown'})
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        async def sends(message: Message) -> None:
            self._said.put_nowait(message['type'])

        # It may raise, or return without a word: either way it knows nothing of a lifespan, and servers go on.
        with suppress(Exception):
            await self._app({'type': 'lifespan', 'asgi': ASGI, 'state': {}}, self._to_app.get, sends)
        self._said.put_nowait('unknown')


ASGI = {'version': '3.0', 'spec_version': '2.3'}
"""As uvicorn says: what is sent to a client that has gone is dropped in silence."""


def _scope(kind: str, path: str, query: Mapping[str, str] | None, headers: Mapping[str, str]) -> dict[str, Any]:
    all_headers = {'host': 'lesson', **headers}
    return {
        'type': kind,
        'asgi': ASGI,
        'http_version': '1.1',
        'path': path,
        'raw_path': path.encode(),
        'root_path': '',
        'query_string': urlencode(query or {}).encode(),
        'headers': [(name.lower().encode(), value.encode()) for name, value in all_headers.items()],
        'client': ('127.0.0.1', 50000),
        'server': ('127.0.0.1', 8000),
        'state': {},
    }
