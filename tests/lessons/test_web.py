"""What a lesson's client in this process sees of an application is what one at the end of a real connection sees."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import EventSourceStandIn, serving
from pydantic_ai_streaming.course.checking import check_file
from pydantic_ai_streaming.course.contents import read_course
from pydantic_ai_streaming.course.exercise import told
from pydantic_ai_streaming.course.verifying import wrong_in_lesson
from pydantic_ai_streaming.serve import SSEResponse, serve_websocket
from pydantic_ai_streaming.testing import ScriptedModel, Stall
from tests.serve.serving import serving_app, until


@dataclass
class Got:
    """What a client has of a response."""

    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes]


Ask = Callable[..., AbstractAsyncContextManager[Got]]


@asynccontextmanager
async def in_process(app: Starlette) -> AsyncGenerator[Ask]:
    async with serving(app) as client:

        @asynccontextmanager
        async def ask(method: str, path: str, **request: Any) -> AsyncGenerator[Got]:
            async with client.request(method, path, **request) as response:
                yield Got(response.status, response.headers, response)

        yield ask


@asynccontextmanager
async def over_a_socket(app: Starlette) -> AsyncGenerator[Ask]:
    async with serving_app(app) as address, httpx.AsyncClient(base_url=f'http://{address}', timeout=5) as client:

        @asynccontextmanager
        async def ask(
            method: str, path: str, query: Any = None, body: Any = None, headers: Any = None
        ) -> AsyncGenerator[Got]:
            async with client.stream(method, path, params=query, json=body, headers=headers) as response:
                yield Got(response.status_code, dict(response.headers), response.aiter_raw())

        yield ask


both_ways = pytest.mark.parametrize('serve', [in_process, over_a_socket])
Serve = Callable[[Starlette], AbstractAsyncContextManager[Ask]]


async def echo(request: Request) -> Response:
    body = await request.body()
    told = {'method': request.method, 'query': dict(request.query_params), 'mine': request.headers.get('x-mine')}
    return JSONResponse({**told, 'body': json.loads(body) if body else None}, status_code=201)


async def broken(request: Request) -> Response:
    async def pieces() -> AsyncGenerator[str]:
        yield 'half'
        await asyncio.sleep(0.01)
        raise ValueError('in the middle')

    return StreamingResponse(pieces())


async def never(request: Request) -> Response:
    raise ValueError('before the head')


@both_ways
async def test_a_request_is_the_same(serve: Serve) -> None:
    async with serve(Starlette(routes=[Route('/echo', echo, methods=['GET', 'POST'])])) as ask:
        async with ask('POST', '/echo', body={'a': 'ä'}, headers={'X-Mine': 'yes'}) as got:
            seen = json.loads(b''.join([piece async for piece in got.pieces]))
            assert (got.status, got.headers['content-type']) == (201, 'application/json')
            assert seen == {'method': 'POST', 'query': {}, 'mine': 'yes', 'body': {'a': 'ä'}}
        async with ask('GET', '/echo', query={'q': 'ä&b= c'}) as got:
            assert json.loads(b''.join([piece async for piece in got.pieces]))['query'] == {'q': 'ä&b= c'}


@both_ways
async def test_an_application_that_fails_is_seen_to_fail(serve: Serve) -> None:
    async with serve(Starlette(routes=[Route('/broken', broken), Route('/never', never)])) as ask:
        async with ask('GET', '/never') as got:
            assert (got.status, [piece async for piece in got.pieces]) == (500, [b'Internal Server Error'])
        async with ask('GET', '/broken') as got:
            assert (got.status, await anext(got.pieces)) == (200, b'half')
            with pytest.raises((ConnectionResetError, httpx.RemoteProtocolError)):
                await anext(got.pieces)


@both_ways
@pytest.mark.parametrize('how', ['library', 'starlette'])
async def test_a_client_that_leaves_stops_the_run_at_once(serve: Serve, how: str) -> None:
    model = ScriptedModel(['Kept ', Stall()])
    agent = Agent(model)

    async def answer(request: Request) -> Response:
        if how == 'library':
            return SSEResponse(RunStream(agent.run_stream_events('Go')))

        async def pieces() -> AsyncGenerator[str]:
            async with agent.run_stream('Go') as result:
                async for piece in result.stream_text(delta=True, debounce_by=None):
                    yield piece

        return StreamingResponse(pieces())

    async with serve(Starlette(routes=[Route('/answer', answer)])) as ask:
        async with ask('GET', '/answer') as got:
            async for piece in got.pieces:
                if b'Kept' in piece:
                    break
            assert model.requests[0].closed is None
        assert await until(lambda: model.requests[0].closed is not None) < 0.2


async def talk(websocket: WebSocket) -> None:
    agent = Agent(ScriptedModel(['One\n', 'two.'], gap=0.01))
    await serve_websocket(websocket, lambda prompt: RunStream(agent.run_stream_events(prompt)), include=('text',))


async def test_a_websocket_is_the_same() -> None:
    app = Starlette(routes=[WebSocketRoute('/talk', talk)])
    prompt = json.dumps({'type': 'prompt', 'prompt': 'Go'})
    async with serving_app(app) as address, connect(f'ws://{address}/talk') as connection:
        await connection.send(prompt)
        real = [json.loads(await connection.recv()) for _ in range(4)]
    async with serving(app) as client, client.websocket('/talk') as socket:
        await socket.send(prompt)
        ours = [json.loads(await anext(socket)) for _ in range(4)]
    assert ours[1:] == real[1:]
    assert [frame['type'] for frame in ours] == ['start', 'text', 'text', 'end']


@pytest.mark.virtual_time
async def test_pieces_come_when_they_are_sent_and_in_virtual_time() -> None:
    agent = Agent(ScriptedModel(['one', 'two'], gap=60))

    async def answer(request: Request) -> Response:
        return SSEResponse(RunStream(agent.run_stream_events('Go')), include=('text',))

    clock = asyncio.get_running_loop().time
    async with serving(Starlette(routes=[Route('/answer', answer)])) as client, client.get('/answer') as response:
        seen = [(clock(), json.loads(event.data).get('text')) async for event in response.events()]
    assert [(at, text) for at, text in seen if text] == [(60, 'one'), (120, 'two')]


@pytest.mark.virtual_time
@pytest.mark.parametrize('last', [(204, 'text/event-stream'), (404, 'text/event-stream'), (200, 'text/html')])
async def test_an_event_source_connects_again_until_it_is_told_not_to(last: tuple[int, str]) -> None:
    asked: list[tuple[float, str | None]] = []
    clock = asyncio.get_running_loop().time
    bodies = ['data: a\n\n', 'retry: 500\nid: 7\ndata: b\n\ndata: cut off', 'id: 9\ndata: c\n\n']

    async def answer(request: Request) -> Response:
        asked.append((clock(), request.headers.get('last-event-id')))
        if len(asked) > len(bodies):
            return Response(status_code=last[0], media_type=last[1])
        return Response(bodies[len(asked) - 1], media_type='text/event-stream')

    async with serving(Starlette(routes=[Route('/answer', answer)])) as client:
        source = EventSourceStandIn(client, '/answer')
        assert [event.data async for event in source] == ['a', 'b', 'c']
    # Three seconds until the server says half a second.
    assert asked == [(0, None), (3, None), (3.5, '7'), (4, '9')]
    assert source.connections == 4


@pytest.mark.virtual_time
async def test_an_application_that_goes_on_for_ever_is_ended_with_its_server() -> None:
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope['type'] == 'lifespan':
            raise NotImplementedError
        try:
            await send({'type': 'http.response.start', 'status': 200, 'headers': []})
            await asyncio.Event().wait()
        finally:
            ended.append('cancelled')

    async with serving(app) as client, client.get('/'):
        pass
    assert ended == ['cancelled']


@pytest.mark.virtual_time
async def test_an_application_that_returns_from_its_lifespan_without_a_word_is_served() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope['type'] != 'http':
            return
        await send({'type': 'http.response.start', 'status': 204, 'headers': []})
        await send({'type': 'http.response.body', 'body': b''})

    async with asyncio.timeout(60), serving(app) as client, client.get('/') as response:
        assert response.status == 204


LACKING = ModuleNotFoundError("No module named 'fastapi'", name='fastapi.responses')


def test_who_lacks_a_package_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / 'lesson.py'
    assert told(LACKING, file).endswith('needs fastapi, which is not installed: make .venv/.installed')
    monkeypatch.setattr('pydantic_ai_streaming.course.exercise.in_checkout', lambda: False)
    assert told(LACKING, file).endswith(
        "needs fastapi, which is not installed: pip install 'pydantic-ai-streaming[serve]' fastapi"
    )
    error = ImportError('SSEResponse needs Starlette')
    error.__cause__ = ModuleNotFoundError("No module named 'starlette'", name='starlette')
    assert told(error, file).endswith(
        "needs starlette, which is not installed: pip install 'pydantic-ai-streaming[serve]'"
    )
    error = ModuleNotFoundError("No module named 'asynco'", name='asynco')
    assert 'install' not in told(error, file), 'a name that is misspelt is not to be installed'


def test_checks_that_need_what_is_not_installed_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    course = read_course()
    lesson = course.find('l12')
    monkeypatch.setitem(sys.modules, 'starlette', None)
    for name in [name for name in sys.modules if name.startswith('starlette.')]:
        monkeypatch.delitem(sys.modules, name)
    needs = 'needs starlette, which is not installed: make .venv/.installed'
    verdict = check_file(course.path(lesson, 'solution.py'), course.path(lesson, 'check.py'))
    assert verdict.sentence.startswith('check.py, line ')
    assert verdict.sentence.endswith(needs)
    assert [sentence.partition(', ')[0] for sentence in wrong_in_lesson(course, lesson) if needs in sentence] == [
        'lesson.py',
        'check.py',
    ]
