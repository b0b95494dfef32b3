"""The ASGI application: `durable_streams`."""

from __future__ import annotations

import math
import random
import secrets
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote

from starlette.datastructures import URL, Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ...core.telling import told_to
from ...errors import StoreError, StoreUnavailable, StreamMissing
from ...logs.heads import Head, Slice
from ...logs.log import StreamLog
from ..limits import Unfinished
from ..listening import while_there
from ..origins import Origins
from ..owners import Authorize, owner_of
from ..refused import Refused as ForeignOrigin
from ..wire import OURS
from .answers import Answer, Refused, missing, only_read, refusal
from .asking import Asker, Read, appending, creating, reading
from .bodies import Gone, body_of
from .browsers import browser_headers
from .events import EventWriter
from .kept import Kept, described
from .live import ANSWER_SIZE, Events, Times, keep_alive, polled
from .messages import is_text
from .offsets import advanced
from .reading import beyond, metadata, nothing_new, part_of, unreadable
from .writing import Writing

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ['DurableStreams', 'DurableStreamsLimits', 'durable_streams']

logger = told_to(__name__)

RESERVED: Final = '__ds'
"""The first part of paths that the protocol keeps for something else."""
LONGEST_PATH: Final = 1024
"""Characters of the name of a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableStreamsLimits:
    """What a request may take.

    Attributes:
        body: Bytes of the body of a request; a larger one is refused with 413.
        unfinished: Bytes that are kept of all bodies of which more is to come; one of the largest size always has room
            where there are no others. Beyond that, a request is refused with 503.
        long_poll: Seconds that a long poll waits.
        connection: Seconds after which a client of server-sent events is to connect again.
        keep_alive: Seconds of silence after which such a client is sent a comment.

    Raises:
        ValueError: One of them is not positive.
    """

    body: int = 4 * 2**20
    unfinished: int = 64 * 2**20
    long_poll: float = 30.0
    connection: float = 60.0
    keep_alive: float = 15.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not 0 < (value := getattr(self, name)) < math.inf:
                raise ValueError(f'{name}={value!r}: use a positive number')


def durable_streams(
    log: StreamLog,
    *,
    authorize: Authorize | None = None,
    writable: bool = False,
    prefix: str = '',
    content_type: str = 'application/json',
    allow_origin: str | None = '*',
    limits: DurableStreamsLimits | None = None,
) -> DurableStreams:
    """Serve the streams of a log by the Durable Streams protocol, as an application to be mounted.

    The path below the mount is the name of the stream. Without `authorize`, whoever can reach it can read every stream
    whose name is known.

    Args:
        log: The log. It is opened when it is first used; close it with the application.
        authorize: Says whose a request is, as for `stream_router`: there are only the streams of that owner then, and
            what is made is theirs. Those of others are as missing as those that there are not (404); only their names
            are taken (409 for `PUT`). For somebody who is not known (`None`), there are the streams without an owner.
        writable: Whether clients may make streams, append to them, fork and delete them. Streams that were not made so,
            such as those of runs, can only be read in any case.
        prefix: What the ids of all these streams begin with in the log, in front of the path. Streams with other ids
            cannot be reached.
        content_type: Of streams that were not made through the protocol, and have no `content_type` in their details:
            that of the frames of a run.
        allow_origin: Whose pages may use the streams; `None`: a middleware says that.
        limits: What a request may take.

    Raises:
        ImportError: Starlette is not installed; the message names the extra.
        ValueError: `allow_origin` is no origin.

    Example:
        ```python
        import asyncio

        import httpx
        from starlette.applications import Starlette
        from starlette.routing import Mount

        from pydantic_ai_streaming.logs import MemoryLog
        from pydantic_ai_streaming.serve import durable_streams

        log = MemoryLog()
        app = Starlette(routes=[Mount('/streams', durable_streams(log))])


        async def main():
            async with log, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url='http://test') as client:
                producer = await log.create('answer')
                await producer.close([b'{"text":"High water"}', b'{"text":" at noon."}'])
                response = await client.get('/streams/answer', params={'offset': '-1'})
                print(response.text)
                print(response.headers['stream-next-offset'], response.headers['stream-closed'])


        asyncio.run(main())
        #> [{"text":"High water"},{"text":" at noon."}]
        #> 0000000000000000_0000000000000002 true
        ```
    """
    return DurableStreams(
        log,
        authorize=authorize,
        writable=writable,
        prefix=prefix,
        content_type=content_type,
        allow_origin=allow_origin,
        limits=limits or DurableStreamsLimits(),
    )


class DurableStreams:
    """The application that `durable_streams` makes. What it knows between two requests is in the log."""

    def __init__(
        self,
        log: StreamLog,
        *,
        authorize: Authorize | None,
        writable: bool,
        prefix: str,
        content_type: str,
        allow_origin: str | None,
        limits: DurableStreamsLimits,
    ) -> None:
        self._log = log
        self._authorize = authorize
        self._origins = None if allow_origin is None else Origins([] if allow_origin == '*' else [allow_origin])
        self._writable = writable
        self._prefix = prefix
        self._content_type = content_type
        self._limits = limits
        self._unfinished = Unfinished(max(limits.unfinished, limits.body))
        self._writing = Writing(log, content_type=content_type)
        self._events = EventWriter()
        self._methods = 'GET, HEAD, OPTIONS, PUT, POST, DELETE' if writable else 'GET, HEAD, OPTIONS'
        self._headers = browser_headers(allow_origin, self._methods)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope['type'] == 'websocket':
            await send({'type': 'websocket.close', 'code': 1000})
        if scope['type'] != 'http':
            return
        try:
            await self._answer(_Call(scope, receive, send, self._headers))
        except (Gone, OSError):
            return  # the client has gone; OSError is how servers say so since version 2.4 of ASGI

    async def _answer(self, call: _Call) -> None:
        try:
            answer = await self._answered(call)
        except Refused as refused:
            answer = refused.answer
        except StreamMissing:
            answer = missing()
        except StoreUnavailable:
            answer = refusal(503, 'The streams cannot be reached.', retry_after=1)
        except StoreError as error:
            logger.error('A request could not be done: %s', error)
            is_full = error.reason == 'full'
            answer = refusal(507 if is_full else 500, 'There is no space.' if is_full else 'Something went wrong.')
        if answer is not None:
            await call.send_answer(answer)

    async def _answered(self, call: _Call) -> Answer | None:
        """The answer, or `None` if it was sent."""
        stream_id = self._named(call.path, call.root)
        method = call.scope['method']
        if method == 'OPTIONS':  # with which browsers ask before they say who it is
            return Answer(204, {'allow': self._methods})
        asker = await self._asker(call)
        if stream_id is None:
            return missing()
        if method == 'HEAD':
            return await self._head(asker, stream_id)
        if method == 'GET':
            return await self._get(call, asker, stream_id)
        if not self._writable or method not in ('PUT', 'POST', 'DELETE'):
            return only_read() if not self._writable else refusal(405, 'There is no such method.', allow=self._methods)
        if method == 'DELETE':
            return await self._writing.delete(asker, stream_id)
        body = await body_of(call.headers, call.receive, limit=self._limits.body, unfinished=self._unfinished)
        if method == 'POST':
            return await self._writing.append(asker, appending(call.headers, body, stream_id=stream_id))
        create = creating(
            call.headers,
            body,
            asker=asker,
            stream_id=stream_id,
            incarnation=secrets.token_urlsafe(9),
            named=partial(self._named, root=call.root),
            url=call.url,
            now=time.time(),
        )
        return await self._writing.create(create)

    async def _asker(self, call: _Call) -> Asker:
        if self._authorize is None:
            return Asker()
        connection = HTTPConnection(call.scope)
        try:
            if self._origins is not None and 'cookie' in call.headers and call.scope['method'] not in ('GET', 'HEAD'):
                self._origins.refuse(connection)  # a browser asks beforehand for most of what is written, not for text
            return Asker(await owner_of(self._authorize, connection), sees_all=False)
        except ForeignOrigin as error:
            raise Refused(error.status, 'Pages of this origin may not write with cookies.') from error
        except HTTPException as error:
            # Not left to an application around this one: there may be none, and pages of other origins are to see it.
            named = {name.lower().replace('-', '_'): value for name, value in (error.headers or {}).items()}
            raise Refused(error.status_code, error.detail, **named) from error

    def _named(self, path: str, root: str) -> str | None:
        """The id of the stream at a path, if there may be one."""
        name = path.removeprefix(f'{root}/')
        if name == path or not name or len(name) > LONGEST_PATH or name.partition('/')[0] == RESERVED:
            return None
        stream_id = self._prefix + name
        return None if stream_id.startswith(OURS) else stream_id

    # Reads

    async def _head(self, asker: Asker, stream_id: str) -> Answer:
        if (head := await self._writing.seen(asker, stream_id)) is None:
            return missing()
        kept = described(head, self._content_type)
        return unreadable(kept) or metadata(head, kept)

    async def _get(self, call: _Call, asker: Asker, stream_id: str) -> Answer | None:
        read = reading(parse_qsl(call.scope['query_string'].decode('latin-1'), keep_blank_values=True), call.headers)
        if read.offset is None or read.mode == 'sse':
            head = await self._log.head(stream_id)
            part = Slice(head, head.length if read.offset is None else read.offset, ())
        else:
            part = await self._log.read(stream_id, read.offset, size=ANSWER_SIZE)
        if (head := await self._writing.settled(part.head)) is None or not asker.may_have(head):
            return missing()
        kept = described(head, self._content_type)
        if (refused := unreadable(kept) or beyond(head, part.start)) is not None:
            return refused
        await keep_alive(self._log, head)
        cursor = advanced(read.cursor, now=time.time(), jitter=random.uniform(1, 3600))
        if read.mode == 'sse':
            await while_there(self._send_events(call, part, kept, cursor), call.receive)
            return None
        if read.mode is None or part.entries:
            return part_of(read, asker, part, kept, cursor)
        if part.last:
            return nothing_new(part, cursor)
        await while_there(self._send_polled(call, asker, read, head, kept), call.receive)
        return None

    async def _send_polled(self, call: _Call, asker: Asker, read: Read, head: Head, kept: Kept) -> None:
        try:
            part = await polled(self._log, head, seconds=self._limits.long_poll)
        except StreamMissing:
            await call.send_answer(missing())
            return
        cursor = advanced(read.cursor, now=time.time(), jitter=random.uniform(1, 3600))
        await call.send_answer(part_of(read, asker, part, kept, cursor) if part.entries else nothing_new(part, cursor))

    async def _send_events(self, call: _Call, part: Slice, kept: Kept, cursor: str) -> None:
        headers = {'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'x-accel-buffering': 'no'}
        if not is_text(kept.content_type):
            headers['stream-sse-data-encoding'] = 'base64'
        await call.send_start(200, headers)
        times = Times(connection=self._limits.connection, keep_alive=self._limits.keep_alive)
        events = Events(self._log, part.head, part.start, kept, writer=self._events, cursor=cursor, times=times)
        async for piece in events:
            await call.send({'type': 'http.response.body', 'body': piece, 'more_body': True})
        await call.send({'type': 'http.response.body', 'body': b'', 'more_body': False})


class _Call:
    """A request and the way to answer it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.headers = Headers(scope=scope)
        self.root: str = scope.get('root_path', '').rstrip('/')
        self.path: str = scope['path']
        self._always = headers

    @property
    def url(self) -> str:
        """The address of the stream, without parameters."""
        return str(URL(scope=self.scope).replace(query='', path=quote(self.path)))

    async def send_start(self, status: int, headers: dict[str, str]) -> None:
        """Begin a response."""
        pairs = [(name.encode('latin-1'), value.encode('latin-1')) for name, value in (self._always | headers).items()]
        await self.send({'type': 'http.response.start', 'status': status, 'headers': pairs})

    async def send_answer(self, answer: Answer) -> None:
        """Send a response."""
        headers = dict(answer.headers)
        if answer.status not in (204, 304) and self.scope['method'] != 'HEAD':
            headers['content-length'] = str(len(answer.body))
        await self.send_start(answer.status, headers)
        await self.send({'type': 'http.response.body', 'body': answer.body, 'more_body': False})
