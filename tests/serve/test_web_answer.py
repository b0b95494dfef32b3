"""The example of an answer in the browser, on a real server."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from tests.serve.serving import Client, nothing_goes_on, see, serving_app, until

EXAMPLE = Path(__file__).parent.parent.parent / 'examples' / 'web_answer.py'


@pytest.fixture
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location('web_answer', EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def client(example: ModuleType) -> AsyncGenerator[Client]:
    async with (
        serving_app(example.make_app(None, gap=0.01)) as address,
        httpx.AsyncClient(timeout=10, base_url=f'http://{address}') as client,
    ):
        yield client


BODY = json.dumps({'prompt': 'When can I sail?'})


async def test_an_answer_streams_and_is_picked_up(client: Client) -> None:
    seen = await see(client, '/answer', method='POST', content=BODY, enough=lambda seen: len(seen.frames) == 5)
    rest = await see(client, '/answer', method='POST', content=BODY, last_id=seen.ids[-1])
    assert (seen.text + rest.text).startswith('Let me look. High water is at 12:04')
    assert rest.last == {'type': 'end', 'finish': 'complete'}
    states = [frame['state'] for frame in [*seen.frames, *rest.frames] if frame['type'] == 'tool_call']
    assert states[-2:] == ['running', 'returned']


async def test_the_stop_button_stops_it(client: Client) -> None:
    reading = asyncio.create_task(see(client, '/answer', method='POST', content=BODY))
    seen = await see(client, '/answer', method='POST', content=BODY, enough=lambda seen: bool(seen.frames))
    stopped = await client.delete(f'/answer/{seen.frames[0]["stream"]}')
    assert stopped.json() == {'stopped': True}
    assert (await reading).last['finish'] == 'complete', 'that of somebody else goes on'
    await until(nothing_goes_on)


@pytest.mark.parametrize(
    'body', ['', '{', '[]', '{}', '{"prompt": 1}', '{"prompt": ""}', json.dumps({'prompt': 'x' * 5000})]
)
async def test_a_request_without_a_prompt_is_refused(client: Client, body: str) -> None:
    assert (await client.post('/answer', content=body)).status_code == 400


async def test_the_page_finds_its_client(client: Client) -> None:
    assert "from '/stream_client.js'" in (await client.get('/')).text
    script = await client.get('/stream_client.js')
    assert script.headers['content-type'].startswith('text/javascript')
    assert 'export async function* streamFrames' in script.text
