"""Where a client is in a stream, whatever the stream is called: nothing is lost, and nothing comes twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from starlette.types import Message, Receive, Scope, Send

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.core.sse import SSEDecoder, sse_event
from pydantic_ai_streaming.logs import Head
from pydantic_ai_streaming.serve import Frames, StreamRunner, stream_router
from pydantic_ai_streaming.serve.event_ids import event_id, offset_of
from pydantic_ai_streaming.testing import ScriptedModel
from tests.npm import needs_node
from tests.serve.browser_client import node, text_of
from tests.serve.serving import Client, see, serving_app, until

NAMES = ['chat:1', 'häfen', '船', '🚢:7', '50 %', '%41', '%zz', 'a b+c', 'a\'b"\\', 'a/b', '?a=b#c', 'x' * 500, ':']
WORDS = [f'{number} ' for number in range(12)]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


class Short:
    """Breaks the connection after each few pieces, so that a client comes back for every part of a stream."""

    def __init__(self, app: Starlette, pieces: int) -> None:
        self.app, self.pieces, self.requests = app, pieces, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = self.pieces
        self.requests += scope['type'] == 'http'

        async def short(message: Message) -> None:
            nonlocal left
            if message['type'] == 'http.response.body':
                left -= 1
                if left < 0:
                    raise ConnectionResetError
                message = {**message, 'body': message['body'].replace(b'retry: 1000', b'retry: 1')}
            await send(message)

        await self.app(scope, receive, short)


def site(gap: float = 0.0) -> tuple[StreamRunner, Agent[None, str], Starlette]:
    agent = Agent(ScriptedModel(WORDS, gap=gap, loop=True))
    runner = StreamRunner(formats=[Frames(['text'])], grace=0)
    app = Starlette(routes=[Mount('/runs', stream_router(runner, agent))], lifespan=runner.lifespan)
    return runner, agent, app


@pytest.mark.parametrize('name', NAMES)
async def test_a_stream_of_any_name_goes_on_after_each_of_its_events(client: Client, name: str) -> None:
    runner, agent, app = site()
    async with serving_app(app) as address:
        await runner.start(RunStream(agent.run_stream_events('Go')), stream_id=name)
        await until(lambda: not runner.ids)
        url = f'http://{address}/runs/{quote(name, safe="")}'
        whole = await see(client, url)
        assert whole.frames[0] == {'type': 'start', 'stream': name}
        assert whole.text == ''.join(WORDS)
        for number, last in enumerate(whole.ids):
            assert last.isascii()
            rest = await see(client, url, last_id=last)
            assert (rest.status, rest.frames) == (200 if rest.frames else 204, whole.frames[number + 1 :])


@needs_node
@pytest.mark.parametrize('name', ['häfen: 50 %/船', 'a:7'])
async def test_the_client_for_browsers_goes_on_with_a_stream_of_any_name(name: str) -> None:
    runner, agent, app = site(gap=0.1)
    breaking: Any = Short(app, 3)
    async with serving_app(breaking) as address:
        await runner.start(RunStream(agent.run_stream_events('Go')), stream_id=name)
        frames = await node(f'http://{address}/runs/{quote(name, safe="")}', retries=100)
    assert text_of(frames) == ''.join(WORDS)
    assert frames[-1] == {'type': 'end', 'finish': 'complete'}
    assert breaking.requests > 1


@pytest.mark.parametrize(
    'name', [*NAMES, 'one\ntwo', 'one\r\ntwo\r', 'nul\0', '\u2028', 'id: x\ndata: {"type":"end"}\n\n']
)
def test_an_id_is_one_line_of_ascii_that_comes_back_as_it_was(name: str) -> None:
    (event,) = SSEDecoder().feed(sse_event('{}', id=event_id(name, 7)))
    headers = [(b'last-event-id', event.id.encode('ascii'))]
    request = Request({'type': 'http', 'headers': headers, 'query_string': b''})
    assert offset_of(request, Head(stream_id=name, incarnation='', length=8)) == 8


def test_the_ids_that_are_made_here_are_sent_as_they_are() -> None:
    assert event_id('Zk3_-x9', 12) == 'Zk3_-x9:12'
