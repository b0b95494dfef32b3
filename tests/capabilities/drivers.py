"""Every way in which pydantic-ai runs an agent, each telling the same of it: output, text shown, events, history."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from pydantic_ai import Agent
from pydantic_ai.messages import (
    CustomEvent,
    ModelMessage,
    ModelMessagesTypeAdapter,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.run import AgentRunResult, AgentRunResultEvent
from pydantic_ai.tools import RunContext
from pydantic_ai.ui import UIAdapter
from pydantic_ai.ui.ag_ui import AGUIAdapter
from pydantic_ai.ui.vercel_ai import VercelAIAdapter

__all__ = ['DRIVERS', 'Driver', 'Seen', 'comparable']


@dataclass
class Seen:
    """What one run has shown."""

    shown: str = ''
    output: Any = None
    messages: list[ModelMessage] = field(default_factory=list[ModelMessage])
    custom: list[Any] = field(default_factory=list[Any])
    """Custom events, or for an adapter what the browser gets of them: a dict with type, id and data."""

    def take(self, event: object) -> None:
        if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
            self.shown += event.part.content
        elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
            self.shown += event.delta.content_delta or ''
        elif isinstance(event, CustomEvent):
            self.custom.append(event)

    def end(self, result: AgentRunResult[Any]) -> None:
        self.output, self.messages = result.output, result.all_messages()


async def run(agent: Agent[None, Any], prompt: str, history: list[ModelMessage] | None) -> Seen:
    seen = Seen()

    async def handler(ctx: RunContext[Any], events: AsyncIterable[Any]) -> None:
        async for event in events:
            seen.take(event)

    seen.end(await agent.run(prompt, message_history=history, event_stream_handler=handler))
    return seen


async def run_stream(agent: Agent[None, Any], prompt: str, history: list[ModelMessage] | None) -> Seen:
    seen = Seen()
    async with agent.run_stream(prompt, message_history=history) as result:
        if agent.output_type is str:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                seen.shown += piece
        seen.output = await result.get_output()
        seen.messages = result.all_messages()
    return seen


async def run_stream_events(agent: Agent[None, Any], prompt: str, history: list[ModelMessage] | None) -> Seen:
    seen = Seen()
    async with agent.run_stream_events(prompt, message_history=history) as events:
        async for event in events:
            seen.take(event)
            if isinstance(event, AgentRunResultEvent):
                seen.end(event.result)
    return seen


async def iterate(agent: Agent[None, Any], prompt: str, history: list[ModelMessage] | None) -> Seen:
    seen = Seen()
    async with agent.iter(prompt, message_history=history) as going:
        async for node in going:
            if Agent.is_model_request_node(node) or Agent.is_call_tools_node(node):
                async with node.stream(going.ctx) as events:
                    async for event in events:
                        seen.take(event)
    assert going.result is not None
    seen.end(going.result)
    return seen


async def vercel(agent: Agent[None, Any], prompt: str, history: list[ModelMessage] | None) -> Seen:
    message = {'id': uuid4().hex, 'role': 'user', 'parts': [{'type': 'text', 'text': prompt}]}
    body = {'id': 'c', 'trigger': 'submit-message', 'messages': [message]}
    asked = VercelAIAdapter.build_run_input(json.dumps(body).encode())
    return await _adapted(VercelAIAdapter(agent=agent, run_input=asked, sdk_version=6), history)


async def ag_ui(agent: Agent[None, Any], prompt: str, history: list[ModelMessage] | None) -> Seen:
    body: dict[str, Any] = {
        'threadId': 't',
        'runId': 'r',
        'state': {},
        'tools': [],
        'context': [],
        'forwardedProps': {},
    }
    body['messages'] = [{'id': uuid4().hex, 'role': 'user', 'content': prompt}]
    asked = AGUIAdapter.build_run_input(json.dumps(body).encode())
    return await _adapted(AGUIAdapter(agent=agent, run_input=asked), history)


async def _adapted(adapter: UIAdapter[Any, Any, Any, Any, Any], history: list[ModelMessage] | None) -> Seen:
    seen = Seen()
    failed: list[str] = []
    stream = adapter.run_stream(message_history=history, on_complete=seen.end)
    async for frame in adapter.encode_stream(stream):
        for line in frame.splitlines():
            if line.startswith('data: {'):
                _take_frame(json.loads(line.removeprefix('data: ')), seen, failed)
    if failed:
        raise RuntimeError(failed[0])
    return seen


def _take_frame(frame: dict[str, Any], seen: Seen, failed: list[str]) -> None:
    kind: str = frame['type']
    if kind in ('text-delta', 'TEXT_MESSAGE_CONTENT'):
        seen.shown += frame['delta']
    elif kind == 'CUSTOM' and frame['name'].startswith('streaming.'):
        seen.custom.append(frame['value'])
    elif kind.startswith('data-streaming.'):
        seen.custom.append(frame)
    elif kind in ('error', 'RUN_ERROR'):
        failed.append(json.dumps(frame))


Driver = Callable[[Agent[None, Any], str, 'list[ModelMessage] | None'], Awaitable[Seen]]

DRIVERS: dict[str, Driver] = {
    'run': run,
    'run_stream': run_stream,
    'run_stream_events': run_stream_events,
    'iter': iterate,
    'vercel': vercel,
    'ag_ui': ag_ui,
}

OF_ONE_RUN = {'timestamp', 'run_id', 'conversation_id', 'provider_url', 'ui_message_id'}


def comparable(messages: list[ModelMessage]) -> Any:
    """A history without what differs from run to run."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(part) for key, part in value.items() if key not in OF_ONE_RUN}  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, str) and value.startswith('pyd_ai_'):
            return 'an id that pydantic-ai gave'
        return [bare(part) for part in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]

    return bare(ModelMessagesTypeAdapter.dump_python(messages, mode='json'))
