"""A provider's real client, over a real socket, in virtual time: the scripted model must behave as it does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelTimeoutError
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from pydantic_ai_streaming.testing import (
    EndEarly,
    KeepAlive,
    RecordingModel,
    ReplayModel,
    ScriptedModel,
    Stall,
    Step,
    Text,
)

pytestmark = [pytest.mark.virtual_time(io_patience=0.02), pytest.mark.no_task_left]

HEAD = b'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n'


def wire(step: Step | str) -> bytes:
    """What a step looks like on OpenAI's wire."""
    if isinstance(step, KeepAlive):
        return b': ping\n\n'
    text = step.text if isinstance(step, Text) else step
    return sse({'content': text}) if isinstance(text, str) else b''


def sse(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {'index': 0, 'delta': delta, 'finish_reason': finish_reason}
    body = {'id': 'x', 'object': 'chat.completion.chunk', 'created': 1, 'model': 'gpt-x', 'choices': [choice]}
    return b'data: ' + json.dumps(body).encode() + b'\n\n'


@asynccontextmanager
async def openai_that_sends(script: list[Step | str], *, gap: float) -> AsyncGenerator[Model]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b'\r\n\r\n')
        writer.write(HEAD)
        for step in script:
            if isinstance(step, Stall):
                await reader.read()  # until the client hangs up
            if isinstance(step, Stall | EndEarly):
                break
            await asyncio.sleep(gap)
            writer.write(wire(step))
        else:
            writer.write(sse({}, 'stop') + b'data: [DONE]\n\n')
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, '127.0.0.1', 0) as server:
        port = server.sockets[0].getsockname()[1]
        provider = OpenAIProvider(base_url=f'http://127.0.0.1:{port}/v1', api_key='none')
        async with OpenAIChatModel('gpt-x', provider=provider) as model:
            yield model
        await asyncio.sleep(0.1)


async def timeline(model: Model) -> list[tuple[float, str]]:
    """Kinds of events, or of the error, with the seconds since the request."""
    now = asyncio.get_running_loop().time
    began, seen = now(), list[tuple[float, str]]()
    try:
        async with Agent(model).run_stream_events('Hello?', model_settings={'timeout': 10}) as events:
            async for event in events:
                seen.append((round(now() - began, 6), event.event_kind))  # what came before an error counts
            last = events.all_messages()[-1]
            assert isinstance(last, ModelResponse)
            seen.append((round(now() - began, 6), str((last.provider_details or {}).get('finish_reason'))))
    except ModelTimeoutError as error:
        seen.append((round(now() - began, 6), type(error).__name__))
    return seen


@pytest.mark.parametrize(
    'script',
    [
        ['Hello ', 'world'],
        ['Hello ', KeepAlive(), KeepAlive(), 'world'],
        ['Hello ', Stall()],
        ['Hello ', EndEarly()],
    ],
    ids=['plain', 'pings', 'stall', 'truncated'],
)
async def test_the_scripted_model_shows_what_a_real_client_shows(script: list[Step | str]) -> None:
    async with openai_that_sends(script, gap=6) as model:
        real = await timeline(model)
    scripted = await timeline(ScriptedModel(script, gap=6))
    assert scripted == real


async def test_a_real_clients_stream_is_recorded_and_plays_again_with_its_gaps(tmp_path: Path) -> None:
    async with openai_that_sends(['Hello ', 'world'], gap=3) as model:
        live = await timeline(RecordingModel(model, tmp_path / 'run.jsonl'))
    assert await timeline(ReplayModel(tmp_path / 'run.jsonl')) == live
    assert live == snapshot(
        [
            (3.0, 'part_start'),
            (3.0, 'final_result'),
            (6.0, 'part_delta'),
            (6.0, 'part_end'),
            (6.0, 'agent_run_result'),
            (6.0, 'stop'),
        ]
    )
