"""The protocol's own client reads what a run has logged, through connections that end and workers that change."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from pydantic_ai_streaming.logs import MemoryBackend, StreamLog
from pydantic_ai_streaming.serve import DurableStreamsLimits, durable_streams
from tests.npm import needs_npm, packages_in
from tests.serve.durable.places import Workers
from tests.serve.serving import serving_app

FOLDER = Path(__file__).parent

pytestmark = needs_npm


async def follow(url: str, live: str) -> dict[str, Any]:
    """What the client was told."""
    node = await asyncio.create_subprocess_exec(
        'node', 'follow.js', url, live, cwd=FOLDER, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    told, complained = await asyncio.wait_for(node.communicate(), 60)
    assert node.returncode == 0, complained.decode()
    return json.loads(told)


@pytest.mark.parametrize('live', ['sse', 'long-poll'])
async def test_the_client_sees_each_event_of_a_run_once_and_its_end(live: str) -> None:
    packages_in(FOLDER)
    backend = MemoryBackend()
    limits = DurableStreamsLimits(connection=1.2, long_poll=0.2)
    async with StreamLog(backend) as writing, StreamLog(backend) as one, StreamLog(backend) as other:
        apps = [durable_streams(log, limits=limits) for log in (one, other)]
        async with serving_app(Starlette(routes=[Mount('/streams', Workers(apps))])) as address:
            producer = await writing.create('run')
            following = asyncio.create_task(follow(f'http://{address}/streams/run', live))
            for number in range(40):
                await producer.append([json.dumps({'n': number, 'text': ' a\r\nb '}).encode()])
                await asyncio.sleep(0.1)
            await producer.close([b'{"n":40}'])
            told = await following
    assert [item['n'] for item in told['items']] == list(range(41))
    assert told['items'][0]['text'] == ' a\r\nb '
    assert (told['closed'], told['offset']) == (True, f'{0:016}_{41:016}')
