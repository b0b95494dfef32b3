"""Every way to run an agent, seen alike: what it shows, and what comes out of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ag_ui.core import RunAgentInput, UserMessage
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage
from pydantic_ai.ui.ag_ui import AGUIAdapter
from pydantic_ai.ui.vercel_ai import VercelAIAdapter
from pydantic_ai.ui.vercel_ai.request_types import SubmitMessage, TextUIPart, UIMessage

from pydantic_ai_streaming import Retraction, RunStream, StreamRecoveredEvent
from pydantic_ai_streaming.reduce.content import text_in

__all__ = ['DRIVERS', 'ENDING', 'Outcome']


@dataclass
class Outcome:
    """What a run has shown: text as it stands on a screen that takes back what is taken back, and every piece."""

    screen: str = ''
    pieces: list[str] = field(default_factory=list[str])
    steps: list[str] = field(default_factory=list[str])
    output: Any = None
    messages: Sequence[ModelMessage] | None = None
    protocol: list[str] = field(default_factory=list[str])

    def show(self, text: str) -> None:
        if text:
            self.pieces.append(text)
            self.screen += text

    def take_back(self, step: str, text: str) -> None:
        self.steps.append(step)
        assert self.screen.endswith(text)
        self.screen = self.screen[: len(self.screen) - len(text)]

    def end(self, result: Any) -> None:
        self.output, self.messages = result.output, result.all_messages()


async def by_run(agent: Agent[None, Any], prompt: str, seen: Outcome, **options: Any) -> None:
    seen.end(await agent.run(prompt, **options))


async def by_events(agent: Agent[None, Any], prompt: str, seen: Outcome, **options: Any) -> None:
    async with agent.run_stream_events(prompt, **options) as events:
        async for event in events:
            if isinstance(event, StreamRecoveredEvent):
                seen.take_back(event.step, event.text)
            seen.show(text_in(event))
    seen.end(events.result)


async def by_iter(agent: Agent[None, Any], prompt: str, seen: Outcome, **options: Any) -> None:
    async with agent.iter(prompt, **options) as run:
        async for _ in run:
            pass
    seen.end(run.result)


async def by_run_stream(agent: Agent[None, Any], prompt: str, seen: Outcome, **options: Any) -> None:
    async with agent.run_stream(prompt, **options) as result:
        if agent.output_type is str:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                seen.show(piece)
        seen.output, seen.messages = await result.get_output(), result.all_messages()


async def by_a_run_stream_over_events(agent: Agent[None, Any], prompt: str, seen: Outcome, **options: Any) -> None:
    await _watched(RunStream(agent.run_stream_events(prompt, **options)), seen)


async def by_a_run_stream_over_text(agent: Agent[None, Any], prompt: str, seen: Outcome, **options: Any) -> None:
    await _watched(RunStream(agent.run_stream(prompt, **options)), seen)


async def _watched(stream: RunStream[Any], seen: Outcome) -> None:
    async with stream:
        async for piece in stream.text():
            if isinstance(piece, Retraction):
                seen.take_back('restart', piece.event.text)
            seen.show(piece)
        seen.output, seen.messages = stream.output, stream.messages


async def by_vercel(agent: Agent[None, Any], prompt: str, seen: Outcome, **options: Any) -> None:
    message = UIMessage(id='m', role='user', parts=[TextUIPart(text=prompt)])
    adapter: VercelAIAdapter[None, Any] = VercelAIAdapter(
        agent=agent, run_input=SubmitMessage(id='r', trigger='submit-message', messages=[message])
    )
    async for part in adapter.run_stream(on_complete=seen.end, **options):
        chunk: Any = part
        seen.protocol.append(chunk.type)
        if chunk.type == 'text-delta':
            seen.show(chunk.delta)
        elif chunk.type == 'data-stream_recovered':
            seen.take_back(chunk.data['step'], chunk.data['text'])


async def by_ag_ui(agent: Agent[None, Any], prompt: str, seen: Outcome, **options: Any) -> None:
    adapter: AGUIAdapter[None, Any] = AGUIAdapter(
        agent=agent,
        run_input=RunAgentInput(
            thread_id='t',
            run_id='r',
            messages=[UserMessage(id='m', role='user', content=prompt)],
            state={},
            context=[],
            tools=[],
            forwarded_props=None,
        ),
    )
    async for event in adapter.run_stream(on_complete=seen.end, **options):
        data: Any = event
        seen.protocol.append(data.type.value)
        if data.type.value == 'TEXT_MESSAGE_CONTENT':
            seen.show(data.delta)
        elif data.type.value == 'CUSTOM' and data.name == 'stream_recovered':
            seen.take_back(data.value['step'], data.value['text'])


DRIVERS: dict[str, Callable[..., Awaitable[None]]] = {
    'run': by_run,
    'run_stream_events': by_events,
    'iter': by_iter,
    'run_stream': by_run_stream,
    'RunStream': by_a_run_stream_over_events,
    'RunStream over run_stream': by_a_run_stream_over_text,
    'VercelAIAdapter': by_vercel,
    'AGUIAdapter': by_ag_ui,
}

ENDING = {'VercelAIAdapter': 'error', 'AGUIAdapter': 'RUN_ERROR'}
"""How the drivers that never raise tell of an error."""
