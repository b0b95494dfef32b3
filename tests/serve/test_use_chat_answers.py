"""Answers that `useChat` of the AI SDK sends by itself: its real client sends each once, and the message goes on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import ExternalToolset
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from pydantic_ai_streaming import Chat
from pydantic_ai_streaming.serve import AISDK, Asked, Source, StreamRunner, stream_router
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall
from tests.npm import NODE, needs_npm, packages_in
from tests.serve.serving import serving_app

CLIENTS = Path(__file__).parent.parent.parent / 'examples' / 'ui_adapters'
SCRIPT = """
import * as sdk from 'ai'

class State {
  status = 'ready'
  messages = []
  pushMessage = (message) => (this.messages = [...this.messages, message])
  popMessage = () => (this.messages = this.messages.slice(0, -1))
  replaceMessage = (index, message) => (this.messages = this.messages.with(index, message))
  snapshot = (value) => structuredClone(value)
}
class Chat extends sdk.AbstractChat {}

const chat = new Chat({
  state: new State(),
  transport: new sdk.DefaultChatTransport({ api: ADDRESS + '/runs/ai-sdk' }),
  sendAutomaticallyWhen: sdk.WHEN,
})
await chat.sendMessage({ text: 'Go' })
const part = chat.messages.at(-1).parts.find(({ toolCallId }) => toolCallId)
await chat.ANSWER
const isOver = () => chat.messages.at(-1).parts.at(-1).state === 'done'
for (let tries = 0; tries < 500 && !isOver(); tries++) await new Promise((go) => setTimeout(go, 20))
await new Promise((go) => setTimeout(go, 300)) // what is sent again is sent at once
if (chat.error) throw chat.error
console.log(JSON.stringify(chat.messages))
"""
APPROVED = (
    'lastAssistantMessageIsCompleteWithApprovalResponses',
    'addToolApprovalResponse({ id: part.approval.id, approved: true })',
)
RUN_THERE = (
    'lastAssistantMessageIsCompleteWithToolCalls',
    "addToolOutput({ tool: 'book', toolCallId: part.toolCallId, output: 'done' })",
)


class Site:
    """An agent that books seats behind a router that counts what it is asked."""

    def __init__(self, agent: Agent[None, Any], *, kept: bool) -> None:
        chat = Chat(agent)

        def start(asked: Asked) -> Source:
            results = asked.options.get('deferred_tool_results')
            return chat.send(asked.prompt) if results is None else chat.send(deferred_tool_results=results)

        runner = StreamRunner(formats=[AISDK()], grace=0)
        router = stream_router(runner, agent, start=start if kept else None)
        self.requests = 0
        self.app = Starlette(routes=[Mount('/runs', router)], lifespan=runner.lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += scope['type'] == 'http'
        await self.app(scope, receive, send)

    async def messages_after(self, when: str, answer: str) -> list[dict[str, Any]]:
        """What `useChat` shows when it has answered a call."""
        served: Any = self
        async with serving_app(served) as address:
            script = SCRIPT.replace('ADDRESS', json.dumps(f'http://{address}'))
            command = [NODE, '--input-type=module', '-e', script.replace('WHEN', when).replace('ANSWER', answer)]
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(*command, cwd=CLIENTS, stdout=pipe, stderr=pipe)
            out, error = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, error.decode()
        return json.loads(out)


def booking_model() -> ScriptedModel:
    return ScriptedModel([ToolCall('book', {'seats': 2})], ['Booked.'], ['And again.'], loop=True)


def check(site: Site, messages: list[dict[str, Any]]) -> None:
    """One question and one answer, in which the call and the text stand once."""
    assert [message['role'] for message in messages] == ['user', 'assistant']
    parts = [part for part in messages[1]['parts'] if part['type'] != 'step-start']
    assert [(part.get('output'), part.get('text')) for part in parts] == [('done', None), (None, 'Booked.')]
    assert site.requests == 2


@needs_npm
@pytest.mark.parametrize('kept', [False, True])
async def test_an_approval_is_sent_once_and_its_tool_runs_once(kept: bool) -> None:
    await asyncio.to_thread(packages_in, CLIENTS)
    booked: list[int] = []
    agent = Agent(booking_model(), output_type=[str, DeferredToolRequests])

    @agent.tool_plain(requires_approval=True)
    def book(seats: int) -> str:
        booked.append(seats)
        return 'done'

    site = Site(agent, kept=kept)
    check(site, await site.messages_after(*APPROVED))
    assert booked == [2]


@needs_npm
async def test_what_a_tool_of_the_browser_has_found_is_sent_once() -> None:
    await asyncio.to_thread(packages_in, CLIENTS)
    schema = {'type': 'object', 'properties': {'seats': {'type': 'integer'}}}
    tools = ExternalToolset([ToolDefinition(name='book', parameters_json_schema=schema)])
    agent = Agent(booking_model(), output_type=[str, DeferredToolRequests], toolsets=[tools])
    site = Site(agent, kept=False)
    check(site, await site.messages_after(*RUN_THERE))
