"""Text that could break a line, an event or a character, through every format to the clients that read it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from websockets.asyncio.client import connect

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.serve import AGUI, AISDK, Frames, StreamRunner, stream_router
from pydantic_ai_streaming.testing import ScriptedModel
from tests.npm import NODE, needs_node, needs_npm, packages_in
from tests.serve.browser_client import node, text_of
from tests.serve.chromium import in_a_page, needs_chromium
from tests.serve.serving import serving_app

PIECES = [
    'one\n',
    'carriage return\r',
    '\nand its line feed\r\n\r\n',
    '\u2028\u2029\x85\x0b\x0c',
    '\0\x1b\x7f\ufffe\uffff',
    '\ufeff',
    'data: {"type":"end"}\n\nid: 9\nevent: end\nretry: 1\n\n: ',
    'an emoji in two \ud83d',
    '\ude00 pieces',
    'half of one \ud800 alone',
    '👩‍🚀 "\\" </script> ' + '\\u2028',
    'x' * 1_000_000,
    '.',
]
TEXT = ''.join(PIECES)

CLIENTS = Path(__file__).parent.parent.parent / 'examples' / 'ui_adapters'
SCRIPT = """
import { HttpAgent } from '@ag-ui/client'
import { AbstractChat, DefaultChatTransport } from 'ai'

class State {
  messages = []
  pushMessage = (message) => (this.messages = [...this.messages, message])
  popMessage = () => (this.messages = this.messages.slice(0, -1))
  replaceMessage = (index, message) => (this.messages = this.messages.with(index, message))
  snapshot = (value) => structuredClone(value)
}
class Chat extends AbstractChat {}

const chat = new Chat({ state: new State(), transport: new DefaultChatTransport({ api: ADDRESS + '/ai-sdk' }) })
await chat.sendMessage({ text: 'Go' })
if (chat.error) throw chat.error
const ai = chat.messages.at(-1).parts.filter(({ type }) => type === 'text').map(({ text }) => text).join('')

let agUi = ''
const agent = new HttpAgent({ url: ADDRESS + '/ag-ui' })
agent.addMessage({ id: '1', role: 'user', content: 'Go' })
await agent.runAgent({}, { onTextMessageContentEvent: ({ event }) => void (agUi += event.delta) })
console.log(JSON.stringify({ ai, agUi }))
"""


def whole(text: str) -> str:
    """The text with each emoji in one piece, as it is where strings are of UTF-16."""
    return text.encode('utf-16-le', 'surrogatepass').decode('utf-16-le', 'surrogatepass')


class Site:
    def __init__(self) -> None:
        self.agent = Agent(ScriptedModel(PIECES, loop=True))
        self.runner = StreamRunner(formats=[Frames(['text']), AISDK(), AGUI()], grace=0)

        async def page(_: Request) -> HTMLResponse:
            return HTMLResponse('<!doctype html><title>A page</title>')

        routes = [Route('/', page), Mount('/runs', stream_router(self.runner, self.agent))]
        self.app = Starlette(routes=routes, lifespan=self.runner.lifespan)

    async def start(self) -> str:
        return await self.runner.start(RunStream(self.agent.run_stream_events('Go')))


@needs_chromium
@pytest.mark.parametrize(
    ('kind', 'field'), [('frames', 'text'), ('ai-sdk', 'delta'), ('ag-ui', 'delta')], ids=['frames', 'ai-sdk', 'ag-ui']
)
async def test_an_event_source_is_given_each_event_as_it_was(kind: str, field: str) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        stream = await site.start()
        data: Any = await in_a_page(f'http://{address}', 'data', f'/runs/{stream}?format={kind}')
    events: list[dict[str, Any]] = [json.loads(one) for one in data if one != '[DONE]']
    texts = [event[field] for event in events if field in event]
    assert len(texts) == len(PIECES)
    assert whole(''.join(texts)) == whole(TEXT)
    last = {'frames': 'end', 'ai-sdk': 'finish', 'ag-ui': 'RUN_FINISHED'}
    assert events[-1]['type'] == last[kind]


@needs_node
async def test_the_client_for_browsers_reads_it() -> None:
    site = Site()
    async with serving_app(site.app) as address:
        frames = await node(f'http://{address}/runs/{await site.start()}')
    assert whole(text_of(frames)) == whole(TEXT)
    assert frames[-1] == {'type': 'end', 'finish': 'complete'}


async def test_a_web_socket_brings_it() -> None:
    site = Site()
    async with serving_app(site.app) as address, connect(f'ws://{address}/runs/ws', max_size=None) as websocket:
        await websocket.send('{"type": "prompt", "prompt": "Go"}')
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]['type'] != 'end':
            frames += json.loads(await asyncio.wait_for(websocket.recv(), 10))['frames']
    assert text_of(frames) == TEXT


@needs_npm
async def test_the_clients_of_the_protocols_show_it() -> None:
    await asyncio.to_thread(packages_in, CLIENTS)
    site, pipe = Site(), asyncio.subprocess.PIPE
    async with serving_app(site.app) as address:
        script = SCRIPT.replace('ADDRESS', json.dumps(f'http://{address}/runs'))
        command = [NODE, '--input-type=module', '-e', script]
        process = await asyncio.create_subprocess_exec(*command, cwd=CLIENTS, stdout=pipe, stderr=pipe)
        out, error = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, error.decode()
    told = json.loads(out)
    assert whole(told['ai']) == whole(TEXT)
    assert whole(told['agUi']) == whole(TEXT)
