"""Requests that come again, in whatever form a client sends them: what they had begun goes on, and begins no second
time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pydantic_ai_streaming.serve import AGUI, AISDK, Frames, StreamRunner, stream_router
from pydantic_ai_streaming.testing import ScriptedModel
from tests.npm import needs_node
from tests.serve.browser_client import node, text_of
from tests.serve.serving import Client, see, serving_app

WORDS = [f'word {n} ' for n in range(20)]
TEXT = ''.join(WORDS)

SAID = {'id': '1', 'role': 'user', 'parts': [{'type': 'text', 'text': 'Go'}]}
BODIES: dict[str, dict[str, Any]] = {
    '': {'prompt': 'Go'},
    'ai-sdk': {'trigger': 'submit-message', 'id': 'c', 'messages': [SAID]},
    'ag-ui': {
        'threadId': 't1',
        'runId': 'r1',
        'state': {},
        'messages': [{'id': 'm1', 'role': 'user', 'content': 'Go'}],
        'tools': [],
        'context': [],
        'forwardedProps': {},
    },
}


class Breaking:
    """Breaks the connection of each response after so many pieces."""

    def __init__(self, app: ASGIApp, *, after: int) -> None:
        self._app = app
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pieces = 0

        async def breaking(message: Message) -> None:
            nonlocal pieces
            if message['type'] == 'http.response.body':
                pieces += 1
                if pieces > self._after:
                    raise ConnectionResetError
            await send(message)

        await self._app(scope, receive, breaking if scope['type'] == 'http' else send)


class Site:
    """An application with a router, and what its agent has been asked."""

    def __init__(self, *, gap: float = 0.01) -> None:
        self.model = ScriptedModel(WORDS, gap=gap, loop=True)
        self.runner = StreamRunner(formats=[Frames(), AISDK(), AGUI()], grace=0)
        self.router = stream_router(self.runner, Agent(self.model))
        self.app = Starlette(routes=[Mount('/runs', self.router)], lifespan=self.runner.lifespan)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


@pytest.mark.parametrize('path', BODIES)
async def test_a_post_with_the_id_of_an_event_gets_what_follows_and_starts_no_run(client: Client, path: str) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        url, body = f'http://{address}/runs/{path}', json.dumps(BODIES[path])

        async def again(last: str | None) -> tuple[int, str]:
            headers = {'content-type': 'application/json', 'accept': 'text/event-stream'}
            answer = await client.post(url, content=body, headers=headers | ({'last-event-id': last} if last else {}))
            return answer.status_code, answer.text

        _, whole = await again(None)
        ids = [line.removeprefix('id: ') for line in whole.splitlines() if line.startswith('id: ')]
        status, rest = await again(ids[4])
        assert status == 200
        told, now = events_of(whole), events_of(rest)
        assert 0 < len(now) < len(told)
        assert now == told[-len(now) :]
        assert (await again(ids[-1]))[0] == 204
        assert (await again('nowhere:3'))[0] == 404
        assert (await again(ids[4].rpartition(':')[0] + ':x'))[0] == 400
        assert len(site.model.requests) == 1


def events_of(body: str) -> list[str]:
    return [line for line in body.splitlines() if line.startswith('data: ')]


@needs_node
async def test_the_client_for_browsers_posts_again_after_a_cut_and_the_agent_runs_once() -> None:
    site = Site()
    app = Starlette(routes=[Mount('/runs', Breaking(site.router, after=6))], lifespan=site.runner.lifespan)
    async with serving_app(app) as address:
        frames = await node(f'http://{address}/runs/', method='POST', body=json.dumps(BODIES['']))
    assert text_of(frames) == TEXT
    assert frames[-1] == {'type': 'end', 'finish': 'complete'}
    assert len(site.model.requests) == 1


@needs_node
@pytest.mark.parametrize(
    ('headers', 'why'),
    [({}, ': Send JSON: {"prompt": "..."}.'), ({'content-type': 'text/plain'}, ': Send application/json.')],
)
async def test_the_client_for_browsers_says_why_there_is_no_stream(headers: dict[str, str], why: str) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        [thrown] = await node(f'http://{address}/runs/', method='POST', body='{}', headers=headers)
    assert thrown['lost']
    assert thrown['message'].endswith(why)
    assert not site.model.requests


async def test_a_client_of_ag_ui_finds_its_own_names_in_the_events(client: Client) -> None:
    site = Site(gap=0)
    async with serving_app(site.app) as address:
        answer = await client.post(f'http://{address}/runs/ag-ui', json=BODIES['ag-ui'])
        events = [json.loads(line.removeprefix('data: ')) for line in events_of(answer.text)]
        assert [(one['threadId'], one['runId']) for one in (events[0], events[-1])] == [('t1', 'r1')] * 2
        stream = next(line for line in answer.text.splitlines() if line.startswith('id: '))[4:].rpartition(':')[0]
        same = await client.get(f'http://{address}/runs/{stream}', params={'format': 'ag-ui'})
        assert events_of(same.text) == events_of(answer.text)


@pytest.mark.parametrize(
    ('formats', 'path', 'lacks'),
    [([Frames()], 'ai-sdk', 'AISDK()'), ([Frames()], 'ag-ui', 'AGUI()'), ([AISDK()], '', 'Frames()')],
)
async def test_an_address_whose_format_is_not_written_says_which_is_missing(
    client: Client, formats: list[Any], path: str, lacks: str
) -> None:
    runner = StreamRunner(formats=formats)
    model = ScriptedModel(WORDS)
    routes = [Mount('/runs', stream_router(runner, Agent(model)))]
    async with serving_app(Starlette(routes=routes, lifespan=runner.lifespan)) as address:
        answer = await client.post(f'http://{address}/runs/{path}', json=BODIES[path])
        assert (answer.status_code, answer.json()['error']) == (404, 'unknown_format')
        assert lacks in answer.json()['message']
        assert not model.requests


@pytest.mark.parametrize(('path', 'place'), [('ai-sdk', 'messages'), ('ag-ui', 'threadId')])
async def test_a_body_that_is_none_of_its_protocol_says_where(client: Client, path: str, place: str) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        body = {name: value for name, value in BODIES[path].items() if name != place}
        answer = await client.post(f'http://{address}/runs/{path}', json=body)
        assert answer.status_code == 400
        assert f'{place}: Field required' in answer.json()['message']
        seen = await see(client, f'http://{address}/runs/nowhere')
        assert seen.status == 404
