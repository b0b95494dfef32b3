"""Pages of other sites: what browsers let them send with the user's cookies does nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.serve import AISDK, Frames, StreamRunner, serve_websocket, stream_router
from pydantic_ai_streaming.serve.origins import Origins
from pydantic_ai_streaming.serve.refused import Refused
from pydantic_ai_streaming.testing import ScriptedModel
from tests.serve.chromium import in_a_page, needs_chromium
from tests.serve.serving import Client, serving_app

OTHER = 'https://other.example'


class Site:
    """All that a page could open or send, with a run that goes on."""

    def __init__(self, **settings: Any) -> None:
        self.model = ScriptedModel(['word '] * 200, gap=0.05, loop=True)
        agent = Agent(self.model)
        self.runner = StreamRunner(formats=[Frames(), AISDK()], grace=0)

        def start(prompt: str) -> RunStream[str]:
            return RunStream(agent.run_stream_events(prompt))

        async def talk(websocket: WebSocket) -> None:
            await serve_websocket(websocket, start, **settings)

        async def page(_: Request) -> HTMLResponse:
            return HTMLResponse('<!doctype html><title>A page</title>')

        routes: list[BaseRoute] = [Route('/', page), WebSocketRoute('/talk', talk)]
        routes.append(Mount('/runs', stream_router(self.runner, agent, **settings)))
        self.app = Starlette(routes=routes, lifespan=self.runner.lifespan)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


@pytest.mark.parametrize('path', ['runs/ws', 'talk'])
@pytest.mark.parametrize('origin', [OTHER, 'null', 'http://127.0.0.1', 'http://127.0.0.1.other.example'])
async def test_a_page_of_another_site_opens_no_web_socket(path: str, origin: str) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f'ws://{address}/{path}', additional_headers={'Origin': origin})
        assert refused.value.response.status_code == 403
        assert b'foreign_origin' in (refused.value.response.body or b'')
        assert not site.model.requests


@pytest.mark.parametrize('path', ['runs/ws', 'talk'])
async def test_pages_of_the_site_and_of_those_that_are_named_and_other_clients_open_it(path: str) -> None:
    for origins, sent in ((None, 'own'), (None, None), ([OTHER.upper()], OTHER), ([OTHER], 'own'), ('*', 'null')):
        async with serving_app(Site(origins=origins).app) as address:
            origin = f'http://{address}' if sent == 'own' else sent
            headers = {} if origin is None else {'Origin': origin}
            async with connect(f'ws://{address}/{path}', additional_headers=headers) as websocket:
                await websocket.send(json.dumps({'type': 'prompt', 'prompt': 'Go'}))
                assert '"start"' in str(await websocket.recv())


async def test_a_page_of_another_site_stops_no_run(client: Client) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        url = f'http://{address}/runs/'
        stream = (await client.post(url, json={'prompt': 'Go', 'chat': 'c'})).json()['stream']
        for path in (f'{stream}/stop', 'ai-sdk/c/stop'):
            answer = await client.post(url + path, headers={'origin': OTHER})
            assert (answer.status_code, answer.json()['error']) == (403, 'foreign_origin')
        assert site.runner.ids == [stream]
        # A browser says so itself, also where a proxy has put another Host.
        vouched = {'origin': 'https://app.example', 'sec-fetch-site': 'same-origin'}
        assert (await client.post(f'{url}{stream}/stop', headers=vouched)).json() == {'stopped': True}


async def test_a_run_is_stopped_by_its_page_by_one_that_is_named_and_by_clients_without_a_page(client: Client) -> None:
    async with serving_app(Site(origins=[OTHER]).app) as address:
        for origin in (f'http://{address}', OTHER, None):
            url = f'http://{address}/runs/'
            stream = (await client.post(url, json={'prompt': 'Go', 'chat': 'c'})).json()['stream']
            headers = {} if origin is None else {'origin': origin}
            assert (await client.post(f'{url}{stream}/stop', headers=headers)).json() == {'stopped': True}


@needs_chromium
async def test_in_a_browser_a_page_of_the_site_can_what_a_page_of_another_cannot(client: Client) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        url = f'http://{address}/runs/'
        for place in (address.replace('127.0.0.1', 'localhost'), address):
            stream = (await client.post(url, json={'prompt': 'Go'})).json()['stream']
            told = await in_a_page(f'http://{place}', 'foreign', f'ws://{address}/runs/ws', f'{url}{stream}/stop')
            assert told == {'opened': place == address, 'sent': True}
            assert (stream in site.runner.ids) == (place != address)


def connection(**headers: str) -> HTTPConnection:
    named = [(name.replace('_', '-').encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({'type': 'http', 'headers': named})


@pytest.mark.parametrize(
    ('origin', 'host'),
    [
        ('https://app.example', 'app.example'),
        ('https://app.example', 'app.example:443'),
        ('http://app.example', 'APP.example:80'),
        ('https://app.example:8443', 'app.example:8443'),
        ('http://[::1]:8000', '[::1]:8000'),
    ],
)
def test_a_proxy_that_has_the_certificate_and_a_port_that_goes_without_saying_change_nothing(
    origin: str, host: str
) -> None:
    Origins().refuse(connection(origin=origin, host=host))


@pytest.mark.parametrize(
    'headers',
    [
        {'origin': 'null'},
        {'origin': 'https://'},
        {'origin': 'https://app.example'},
        {'origin': 'null', 'host': 'null'},
        {'origin': 'https://app.example', 'host': 'app.example:80'},
        {'origin': 'https://app.example:8443', 'host': 'app.example'},
        {'origin': 'https://app.example@other.example', 'host': 'app.example'},
        {'origin': 'https://other.example', 'host': 'app.example', 'sec_fetch_site': 'cross-site'},
        {'origin': 'https://sub.app.example', 'host': 'app.example', 'sec_fetch_site': 'same-site'},
        {'origin': 'https://other.example', 'host': 'app.example', 'x_forwarded_host': 'other.example'},
    ],
    ids=str,
)
def test_nothing_else_passes_for_the_same_host(headers: dict[str, str]) -> None:
    with pytest.raises(Refused):
        Origins().refuse(connection(**headers))


@pytest.mark.parametrize('origins', ['https://app.example', ['app.example'], ['https://app.example/'], ['']])
def test_an_origin_that_no_browser_would_send_is_an_error_at_once(origins: Any) -> None:
    with pytest.raises(ValueError, match='origins'):
        Origins(origins)
