"""Routes to start, follow, stop and list runs that a client can lose and pick up again: `stream_router`."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket

from ..core.numbers import check_number
from ..errors import StreamMissing
from ..logs.heads import Head
from ..run.stream import RunStream
from .asked import Asked, asked_in_json, asked_of_ui, body_of
from .chats import chat_named
from .event_ids import offset_of, single, stream_of
from .following import FollowResponse
from .limits import Unfinished, Viewers
from .origins import Origins
from .owners import Authorize, owner_of
from .refused import Refused, refusal_of
from .runner import StreamRunner
from .session import Session
from .starting import Start, Starting
from .wire import AG_UI, AI_SDK, CHAT, FORMATS, WireFormat

if TYPE_CHECKING:
    from pydantic_ai.agent import AbstractAgent

__all__ = ['Start', 'stream_router']

Endpoint: TypeAlias = Callable[[Request, str | None], Awaitable[Response]]

MADE_BY = {AI_SDK: 'AISDK', AG_UI: 'AGUI'}
"""The formats of user interfaces that have a route of their own, and the class of each."""

LAST_ENTRIES = 100
"""More than are written with the end of a stream, in all formats."""


def stream_router(
    runner: StreamRunner,
    agent: AbstractAgent[Any, Any],
    *,
    start: Start | None = None,
    authorize: Authorize | None = None,
    origins: Collection[str] | None = None,
    keep_alive: float = 15.0,
    longest_prompt: int = 100_000,
    largest_body: int = 8 * 2**20,
    unfinished_bodies: int = 64 * 2**20,
    viewers: int = 10_000,
    viewers_each: int = 100,
    ui: Mapping[str, Any] | None = None,
) -> Router:
    r"""Routes to be mounted in an application of Starlette or FastAPI: start, follow, stop and list runs.

    | request | what it does |
    | --- | --- |
    | `POST /` with `{"prompt": ...}` | starts a run. With `Accept: text/event-stream`, its frames follow; else its id |
    | `GET /{stream}` | follows it, from `Last-Event-ID` or `?offset=`; `?format=` for another format |
    | `DELETE /{stream}`, `POST /{stream}/stop` | stops it, wherever it goes on |
    | `GET /` | lists the streams of who asks |
    | WebSocket `/ws` | prompts, follows and stops, with typed frames |
    | `POST /ai-sdk` | for `useChat({ api })` |
    | `GET /ai-sdk/{chat}/stream` | for `resume: true` of `useChat` |
    | `POST /ai-sdk/{chat}/stop` | stops what goes on in a chat: `stop()` of `useChat` only closes the connection |
    | `POST /ag-ui` | for `HttpAgent` of AG-UI |

    A request with `Last-Event-ID` starts no run, whatever its method: it gets what follows in the stream of that event.
    A request that is lost ends no run, and one that comes again with the same `Idempotency-Key` starts none: it follows
    the one that it had started, for as long as that is kept. `start` may be called for both, where they come to two
    workers at once; then what one of them has made is thrown away, and was not entered. A prompt over the WebSocket has
    its key in the message, `"key"`. A key that was that of another request is refused (422).

    Keys and chats are those of an owner at the address at which the router is mounted: another router of the same
    runner, or the same one at another address, has its own. A chat can be stopped in its worker as soon as its request
    is there, also while `start` goes on, and from all others once its run has begun.

    Args:
        runner: Runs what is started. Open it with the application: `lifespan=runner.lifespan`; of one that was not
            opened, a warning in the log tells. Its formats decide which routes there are.
        agent: The agent.
        start: Makes a run of what was asked for; `RunStream(agent.run_stream_events(**asked.options))` by default. A
            turn of a `Chat` is one too.
        authorize: Says whose a request is. Without it, who knows the id of a stream may follow and stop it, and nothing
            can be listed.
        origins: Pages of other sites that may open the WebSocket and send `POST .../stop`, by their origin, such as
            `https://app.example`; `'*'` for all. By default there are none (403), as browsers let any page send those
            two with the user's cookies, and ask nobody. The server's own origin is that of `Host`; a client without an
            `Origin` is no browser. All other requests of other sites are for your `CORSMiddleware` to allow.
        keep_alive: Seconds of silence after which a comment is sent.
        longest_prompt: Characters of a prompt, at most.
        largest_body: Bytes of a body, at most.
        unfinished_bodies: Bytes that are kept of all bodies of which more is to come, at most; one of the largest size
            always has room where there are no others. Beyond that, a request is refused (503). What comes in one piece
            and says its length, as what people write does, is not counted.
        viewers: Clients that follow streams here at the same time, at most.
        viewers_each: Those of one owner, at most.
        ui: Settings for pydantic-ai's `UIAdapter`, such as `allow_uploaded_files`.

    Raises:
        ValueError: A limit is not positive, or an origin is none.
        TypeError: What is given is no runner (the agent comes second), no function, or no number.

    Example:
        ```python
        from pydantic_ai import Agent
        from pydantic_ai_streaming.serve import Frames, StreamRunner, stream_router
        from pydantic_ai_streaming.testing import ScriptedModel
        from starlette.applications import Starlette
        from starlette.routing import Mount
        from starlette.testclient import TestClient

        agent = Agent(ScriptedModel(['One\n', 'two.']))
        runner = StreamRunner(formats=[Frames(['text'])])
        app = Starlette(routes=[Mount('/runs', stream_router(runner, agent))], lifespan=runner.lifespan)

        with TestClient(app) as client:
            stream = client.post('/runs/', json={'prompt': 'Count'}).json()['stream']
            assert 'One' in client.get(f'/runs/{stream}').text
            rest = client.get(f'/runs/{stream}', headers={'Last-Event-ID': f'{stream}:1'})
            print(*(line for line in rest.text.splitlines() if line.startswith('data')), sep='\n')
        #> data: {"type":"text","text":"two."}
        #> data: {"type":"end","finish":"complete"}
        ```
    """
    if not isinstance(cast('object', runner), StreamRunner):
        raise TypeError(f'stream_router({type(runner).__name__}, ...): use stream_router(StreamRunner(...), agent)')
    for name, function in (('start', start), ('authorize', authorize)):
        if function is not None and not callable(function):
            raise TypeError(f'{name}={function!r}: use a function, or leave it out')
    limits = {'longest_prompt': longest_prompt, 'largest_body': largest_body, 'unfinished_bodies': unfinished_bodies}
    for name, value in (limits | {'viewers': viewers, 'viewers_each': viewers_each}).items():
        check_number(name, value)
        if value < 1:
            raise ValueError(f'{name}={value!r}: use 1 or more')
    check_number('keep_alive', keep_alive)
    if not 0 < keep_alive < math.inf:
        raise ValueError(f'keep_alive={keep_alive!r}: use a positive number of seconds')
    routes = _Routes(
        runner,
        agent,
        start=start or (lambda asked: RunStream(agent.run_stream_events(**asked.options))),
        authorize=authorize,
        origins=Origins(origins),
        keep_alive=keep_alive,
        longest_prompt=longest_prompt,
        largest_body=largest_body,
        unfinished=Unfinished(max(unfinished_bodies, largest_body)),
        viewers=Viewers(viewers, viewers_each),
        ui=ui or {},
    )
    return Router(routes.all())


class _Routes:
    def __init__(
        self,
        runner: StreamRunner,
        agent: AbstractAgent[Any, Any],
        *,
        start: Start,
        authorize: Authorize | None,
        origins: Origins,
        keep_alive: float,
        longest_prompt: int,
        largest_body: int,
        unfinished: Unfinished,
        viewers: Viewers,
        ui: Mapping[str, Any],
    ) -> None:
        self.runner = runner
        self._log = runner.log
        self._agent = agent
        self._starting = Starting(runner, start)
        self._authorize = authorize
        self._origins = origins
        self._keep_alive = keep_alive
        self.longest = longest_prompt
        self._largest = largest_body
        self._unfinished = unfinished
        self._viewers = viewers
        self._ui = ui

    def all(self) -> list[BaseRoute]:
        """The routes. What is more special comes first: the id of a stream may be any path."""
        formats = self.runner.formats
        found: list[BaseRoute] = [self._at(f'/{name}', {'POST': self._ui_endpoint(name)}) for name in MADE_BY]
        if AI_SDK in formats:
            found.append(self._at(f'/{AI_SDK}/{{chat:path}}/stream', {'GET': self._resume}))
            found.append(self._at(f'/{AI_SDK}/{{chat:path}}/stop', {'POST': self._stop_chat}, body=False))
        if 'frames' in formats:
            found.append(WebSocketRoute('/ws', self._websocket))
        return [
            *found,
            self._at('/', {'GET': self._list, 'POST': self._begin}),
            self._at('/{stream:path}/stop', {'POST': self._stop}, body=False),
            self._at('/{stream:path}', {'GET': self._follow, 'DELETE': self._stop}),
        ]

    # What they do

    async def _json_of(self, request: Request) -> bytes:
        if request.headers.get('content-type', '').partition(';')[0].strip().lower() != 'application/json':
            # What a page of another site can send without asking has another type.
            raise Refused(415, 'media_type', 'Send application/json.')
        return await body_of(request, self._largest, self._unfinished)

    def _format(self, name: str, made_by: str) -> WireFormat:
        """The format that clients of an address read."""
        if name not in self.runner.formats:
            message = f'Nothing is written for {name} here: the formats of the StreamRunner lack {made_by}().'
            raise Refused(404, 'unknown_format', message)
        return self.runner.formats[name]

    async def _begin(self, request: Request, owner: str | None) -> Response:
        frames = self._format('frames', 'Frames')
        if last := _last_event(request):
            return await self._follow_from(request, owner, stream_of(last), 'frames')
        asked = asked_in_json(await self._json_of(request), request, owner, longest=self.longest)
        if 'text/event-stream' in request.headers.get('accept', ''):
            return await self._begun(asked, frames, owner)
        stream_id = await self.begin(asked, 'frames')
        location = quote(f'{request.url.path.rstrip("/")}/{stream_id}')
        return JSONResponse({'stream': stream_id}, 201, headers={'location': location, 'cache-control': 'no-store'})

    def _ui_endpoint(self, name: str) -> Endpoint:
        async def begin(request: Request, owner: str | None) -> Response:
            format = self._format(name, MADE_BY[name])  # noqa: A001 - as of a runner
            if last := _last_event(request):
                return await self._follow_from(request, owner, stream_of(last), name)
            body = await self._json_of(request)
            settings = {**format.reading, **self._ui}
            asked = await asked_of_ui(
                name, body, request, owner, agent=self._agent, longest=self.longest, settings=settings
            )
            return await self._begun(asked, format, owner)

        return begin

    async def _begun(self, asked: Asked, format: WireFormat, owner: str | None) -> Response:  # noqa: A002
        """Start a run and follow it. Its client has a place before there is a run that nobody would be told of."""
        with ExitStack() as place:
            place.enter_context(self._viewers.here(owner))
            return await self._followed(await self.begin(asked, format.name), 0, format, place)

    async def begin(self, asked: Asked, format_name: str) -> str:
        """Start a run, or find the one that the same request has started; the id of its stream."""
        return await self._starting.begin(asked, format_name)

    async def _resume(self, request: Request, owner: str | None) -> Response:
        try:
            head = await self._starting.chats.last_of(chat_named(request, owner, request.path_params['chat']))
        except StreamMissing:
            return _nothing_more()
        if head.closed or AI_SDK not in head.details.get(FORMATS, ()):
            return _nothing_more()  # the page has the whole answer from wherever it keeps its messages
        return await self._following(head.stream_id, 0, self.runner.formats[AI_SDK], owner)

    async def _stop_chat(self, request: Request, owner: str | None) -> Response:
        name = chat_named(request, owner, request.path_params['chat'])
        return JSONResponse({'stopped': await self._starting.chats.stop(name)})

    async def _follow(self, request: Request, owner: str | None) -> Response:
        name = single(request.query_params.getlist('format'), 'frames')
        return await self._follow_from(request, owner, request.path_params['stream'], name)

    async def _follow_from(self, request: Request, owner: str | None, stream_id: str, name: str) -> Response:
        """What follows in a stream after what the client has seen of it."""
        if name not in self.runner.formats:
            raise Refused(400, 'unknown_format', f'The formats are {sorted(self.runner.formats)}.')
        head = await self.owned(stream_id, owner)
        if name not in head.details.get(FORMATS, ()):
            raise Refused(400, 'unknown_format', f'This stream is written in {head.details.get(FORMATS)}.')
        offset = offset_of(request, head)
        if head.closed and not await self._more(stream_id, offset, self.runner.formats[name]):
            return _nothing_more()  # an EventSource connects no more after this
        return await self._following(stream_id, offset, self.runner.formats[name], owner)

    async def _more(self, stream_id: str, offset: int, format: WireFormat) -> bool:  # noqa: A002
        """Whether a stream that is over has more for clients of a kind: its last entries may be for others."""
        part = await self._log.read(stream_id, offset, limit=LAST_ENTRIES)
        return not part.last or any(format.payload(entry) is not None for entry in part.entries)

    async def _following(self, stream_id: str, offset: int, format: WireFormat, owner: str | None) -> Response:  # noqa: A002
        with ExitStack() as place:
            place.enter_context(self._viewers.here(owner))
            return await self._followed(stream_id, offset, format, place)

    async def _followed(self, stream_id: str, offset: int, format: WireFormat, place: ExitStack) -> Response:  # noqa: A002
        follower = await self._log.follow(stream_id, offset)
        held = ExitStack()
        response = FollowResponse(follower, stream_id, format, keep_alive=self._keep_alive, here=lambda: held)
        held.push(place.pop_all())
        return response

    async def owned(self, stream_id: str, owner: str | None) -> Head:
        """A stream of this owner. Another's is as missing as one that there is not."""
        head = await self._log.head(stream_id)
        if head.owner != owner or FORMATS not in head.details:
            raise StreamMissing(stream_id)
        return head

    async def _stop(self, request: Request, owner: str | None) -> Response:
        head = await self.owned(request.path_params['stream'], owner)
        return JSONResponse({'stopped': await self.runner.stop(head.stream_id)})

    async def _list(self, request: Request, owner: str | None) -> Response:
        if owner is None:
            raise Refused(404, 'not_found', 'Nothing can be listed for somebody who is not known.')
        found = [
            {'stream': head.stream_id, 'chat': head.details.get(CHAT), 'entries': head.length, 'over': head.closed}
            for head in await self._log.owned(owner)
        ]
        return JSONResponse({'streams': found}, headers={'cache-control': 'no-store'})

    async def _websocket(self, websocket: WebSocket) -> None:
        try:
            self._origins.refuse(websocket)
            owner = await self._owner(websocket)
            self._viewers.refuse(owner)  # as long as that can be told by a status
        except Exception as error:
            refused = refusal_of(error)
            raise HTTPException(refused.status, refused.error) from error
        await websocket.accept()
        with ExitStack() as place:
            try:
                place.enter_context(self._viewers.here(owner))
            except Refused:  # others have come meanwhile
                await websocket.close(1013)
                return
            await Session(websocket, self, owner).serve()

    # Around them

    def _at(self, path: str, endpoints: Mapping[str, Endpoint], *, body: bool = True) -> Route:
        """A route for all methods of an address, so that who uses another one is told which there are."""
        answering = {method: self._answering(endpoint, body=body) for method, endpoint in endpoints.items()}

        async def answer(request: Request) -> Response:
            return await answering['GET' if request.method == 'HEAD' else request.method](request)

        return Route(path, answer, methods=list(answering))

    def _answering(self, endpoint: Endpoint, *, body: bool = True) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                if not body:
                    self._origins.refuse(request)  # a body is JSON, which no page sends elsewhere without asking
                owner = await self._owner(request)
                return await endpoint(request, owner)
            except Exception as error:
                return refusal_of(error).response(request)

        return answer

    async def _owner(self, connection: HTTPConnection) -> str | None:
        return None if self._authorize is None else await owner_of(self._authorize, connection)


def _last_event(request: Request) -> str:
    """The id of the last event that a client has seen, if it has seen one."""
    return single(request.headers.getlist('last-event-id'))


def _nothing_more() -> Response:
    return Response(status_code=204, headers={'cache-control': 'no-store'})
