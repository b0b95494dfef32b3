"""A real server that is told to end while a tool of a run swallows each cancellation."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import httpx

from pydantic_ai_streaming.logs import SQLiteLog
from tests.serve.chaos.workers import free_ports
from tests.serve.serving import see

SERVER = """
import asyncio, logging, sys

import uvicorn
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.routing import Mount

from pydantic_ai_streaming.logs import SQLiteLog
from pydantic_ai_streaming.serve import Frames, StreamRunner, stream_router
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

path, port = sys.argv[1:]
agent = Agent(ScriptedModel(['One ', ToolCall('stay')], ['two.']))

@agent.tool_plain
async def stay() -> str:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

runner = StreamRunner(SQLiteLog(path), grace=0.2, patience=0.5)
app = Starlette(routes=[Mount('/runs', stream_router(runner, agent))], lifespan=runner.lifespan)
logging.basicConfig(level=logging.WARNING)
uvicorn.run(app, port=int(port), log_config=None, timeout_graceful_shutdown=1)
"""


async def _listens(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection('127.0.0.1', port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return writer.close()


async def test_a_server_that_is_told_to_end_ends_and_so_do_the_streams_of_tools_that_do_not(tmp_path: Path) -> None:
    path, (port,) = str(tmp_path / 'streams.db'), free_ports(1)
    server = await asyncio.create_subprocess_exec(
        sys.executable, '-c', SERVER, path, str(port), stderr=asyncio.subprocess.PIPE
    )
    assert server.stderr is not None
    try:
        await _listens(port)
        async with httpx.AsyncClient(timeout=20) as client:
            url = f'http://127.0.0.1:{port}/runs/'
            seen = await see(
                client,
                url,
                method='POST',
                content='{"prompt": "Go"}',
                accept='text/event-stream',
                enough=lambda seen: seen.last.get('state') == 'running',
            )
        stream_id = seen.frames[0]['stream']
        server.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            _, notes = await server.communicate()
    finally:
        if server.returncode is None:
            server.kill()
            await server.communicate()
    assert f'Closed, although the runs of these streams go on: {stream_id}' in notes.decode()
    async with SQLiteLog(path) as log:
        entries = (await log.read(stream_id)).entries
    assert json.loads(entries[-1]) == {'type': 'end', 'finish': 'stopped'}
