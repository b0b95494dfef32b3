"""What google-genai leaves open: a response left between two events, or one that tells of an error."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import anyio
import httpx2
import pytest
from google.genai.errors import ServerError
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelOverloadedError
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.testing import Fail, ScriptedModel
from tests.lag import Lag
from tests.material import ReplayServer, add_recording, needs_recordings, provider_agent, replaying
from tests.run.stages import PROVIDERS

CLOSES_WITHIN = 0.1
"""Seconds from the event that tells of the error to the end of its connection, as the provider sees it."""


@pytest.fixture
def no_garbage_collector() -> Iterator[None]:
    """A connection that only it closes is one that is left open."""
    gc.disable()
    yield
    gc.enable()


@needs_recordings
@pytest.mark.parametrize('method', ['run_stream_events', 'run_stream'])
async def test_an_error_instead_of_the_first_event_leaves_no_connection_open(
    replay: ReplayServer, no_garbage_collector: None, tmp_path: Path, method: str
) -> None:
    google = PROVIDERS['google']
    source = replay.recordings[google.recording]
    body = google.error_event + source.body(1)
    recording = add_recording(replay, source, tmp_path / f'{method}--error-first', body)
    session = replay.session(recording.name, faults=[replaying().Stall(1)])
    async with provider_agent(session) as agent:
        with Lag() as lag:
            started = time.monotonic()
            with pytest.raises(ModelOverloadedError) as raised:
                async with RunStream(getattr(agent, method)('Go')) as stream:
                    await stream.get_output()
            left = time.monotonic()
        # Somebody keeps the error, and with it all that the error keeps.
        assert raised.value is not None
        assert await asyncio.to_thread(session.wait_for, 'client_disconnect'), session.log
        closed = session.started + session.entries('client_disconnect')[0]['t']
        assert closed - left <= lag.allow(CLOSES_WITHIN, since=started)


class Body(httpx2.AsyncByteStream):
    """Three pieces of a reply of Gemini, one by one, and then silence. As for httpcore, closing takes a lock first."""

    def __init__(self) -> None:
        self.closed = False
        self._lock = anyio.Lock()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for text in ('One ', 'two ', 'three'):
            await asyncio.sleep(0)
            part = f'{{"text": "{text}"}}'
            yield f'data: {{"candidates": [{{"content": {{"parts": [{part}], "role": "model"}}}}]}}\r\n\r\n'.encode()
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        async with self._lock:
            self.closed = True


class Gemini(httpx2.AsyncBaseTransport):
    def __init__(self) -> None:
        self.bodies: list[Body] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        self.bodies.append(Body())
        return httpx2.Response(200, headers={'content-type': 'text/event-stream'}, stream=self.bodies[-1])


@asynccontextmanager
async def gemini() -> AsyncGenerator[tuple[Agent[None, str], Gemini]]:
    transport = Gemini()
    async with httpx2.AsyncClient(transport=transport, timeout=600) as client:
        yield Agent(GoogleModel('gemini', provider=GoogleProvider(api_key='none', http_client=client))), transport


@pytest.mark.virtual_time
@pytest.mark.parametrize('method', ['run_stream_events', 'run_stream'])
async def test_googles_connection_is_closed_at_whatever_turn_of_the_loop_the_run_is_left(
    no_garbage_collector: None, method: str
) -> None:
    async with gemini() as (agent, transport):
        texts: set[str] = set()
        for turns in range(150):
            async with RunStream(getattr(agent, method)('Go')) as stream:
                for _ in range(turns):
                    await asyncio.sleep(0)
            texts.add(stream.text_so_far)
            assert all(body.closed for body in transport.bodies), turns
    assert len(transport.bodies) > 50
    assert texts == {'', 'One ', 'One two ', 'One two three'}


class Response:
    """Of aiohttp: it closes without waiting. Here it fails at that, too."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1
        raise OSError('gone already')


async def test_a_response_of_aiohttp_is_closed_and_what_goes_wrong_with_that_hides_no_error() -> None:
    response = Response()
    error = ServerError(503, {'error': {}}, SimpleNamespace(headers={}, response_stream=response))
    agent = Agent(ScriptedModel(['Half ', Fail(error)]))
    with pytest.raises(ServerError) as raised:
        async with RunStream(agent.run_stream_events('Go')) as stream:
            await stream.get_output()
    assert raised.value is error
    assert response.closed == 1


@pytest.mark.parametrize('response', [None, SimpleNamespace(headers={}), SimpleNamespace(response_stream=[b''])])
async def test_an_error_without_a_response_to_close_is_told_as_it_is(response: object) -> None:
    error = ServerError(503, {'error': {}}, response)
    agent = Agent(ScriptedModel(['Half ', Fail(error)]))
    with pytest.raises(ServerError) as raised:
        async with RunStream(agent.run_stream_events('Go')) as stream:
            await stream.get_output()
    assert raised.value is error
