"""A recording plays as it was, whichever way it was made or ended, and a bad file says what is wrong."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryImage, FilePart, PartStartEvent, TextPart
from pydantic_ai.exceptions import ModelConnectionError, ModelHTTPError, UserError
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext

from pydantic_ai_streaming.testing import (
    EndEarly,
    Fail,
    Finish,
    Hang,
    Part,
    RecordingError,
    RecordingModel,
    ReplayModel,
    ScriptedModel,
    ScriptEndedError,
    Stall,
    Text,
    Thinking,
    ToolCall,
    Usage,
    record,
)

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'run.jsonl'


def text_of(path: Path) -> str:
    return path.read_text('utf-8')


class City(BaseModel):
    name: str


def agent_of(model: Model) -> Agent[None, City]:
    agent = Agent(model, output_type=City)

    @agent.tool_plain
    def weather(city: str) -> str:
        return f'sunny in {city}'

    return agent


async def run(model: Model) -> tuple[list[tuple[float, object]], list[ModelResponse]]:
    """All events of a run with their times since its start, and its responses."""
    now = asyncio.get_running_loop().time
    began = now()
    async with agent_of(model).run_stream_events('Where?') as events:
        seen = [(round(now() - began, 6), event) async for event in events]
        responses = [message for message in events.all_messages() if isinstance(message, ModelResponse)]
    # Results of tools carry times of their own.
    return [(at, event) for at, event in seen if event.event_kind.startswith('part_')], responses


IMAGE = FilePart(BinaryImage(b'\x00\xffpng', media_type='image/png'))
SCRIPT = [
    [Thinking('hm', wait=1.5), Thinking(signature='s'), 'Let me ', 'lo\u00f6k. \U0001f44d', Part(IMAGE)],
    [
        Usage(5, 1),
        ToolCall('weather', {'city': 'Paris'}, pieces=4),
        ToolCall('weather', {'city': 'Rome'}, pieces='mapping'),
    ],
    [ToolCall('final_result', '{"name": "Rome"}', pieces=5), Usage(9, 7), Finish('tool_call', raw='tool_calls')],
]


async def test_a_replay_has_the_same_events_times_usage_and_finish_reason(path: Path) -> None:
    script = [[*SCRIPT[0], *SCRIPT[1]], SCRIPT[2]]
    events, responses = await run(RecordingModel(ScriptedModel(*script, gap=0.25), path))
    again, replayed = await run(ReplayModel(path))
    assert again == events
    assert events[-1][0] == snapshot(5.5)
    for old, new in zip(responses, replayed, strict=True):
        # The signature stays the provider's own.
        assert new.parts == old.parts
        assert (new.usage, new.finish_reason, new.provider_details) == (
            old.usage,
            old.finish_reason,
            old.provider_details,
        )
    assert [response.provider_name for response in replayed] == ['replay', 'replay']
    assert [response.model_name for response in replayed] == ['scripted', 'scripted']


@pytest.mark.parametrize(('speed', 'last'), [(2.0, 1.0), (0.5, 4.0), (math.inf, 0.0)])
async def test_speed_divides_the_gaps(path: Path, speed: float, last: float) -> None:
    script = [ToolCall('final_result', '{"name": "Rome"}', pieces=8)]
    events, _ = await run(RecordingModel(ScriptedModel(script, gap=2 / 3), path))
    assert events[-1][0] == 2.0
    events, _ = await run(ReplayModel(path, speed=speed))
    assert events[-1][0] == pytest.approx(last, abs=1e-5)


async def test_a_run_without_streaming_can_be_recorded_and_streamed_later(path: Path) -> None:
    live = await agent_of(RecordingModel(ScriptedModel(*SCRIPT[1:], gap=0.5), path)).run('Where?')
    events, _ = await run(ReplayModel(path))
    assert live.output == City(name='Rome')
    assert events[-1][0] == asyncio.get_running_loop().time() - events[-1][0]
    assert (await agent_of(ReplayModel(path)).run('Where?')).output == City(name='Rome')


async def test_record_takes_whatever_the_agent_does_in_its_block(path: Path) -> None:
    agent = Agent(ScriptedModel(['Hello ', 'world'], 'again', loop=True))
    with record(agent, path):
        await agent.run('one')
        async with agent.run_stream('two') as result:
            await result.get_output()
    await agent.run('not recorded')
    replay = Agent(ReplayModel(path))
    assert [(await replay.run('Hello?')).output for _ in range(2)] == ['Hello world', 'again']
    with pytest.raises(ScriptEndedError):
        await replay.run('Hello?')


def test_an_agent_without_a_model_cannot_be_recorded(path: Path) -> None:
    with pytest.raises(UserError, match='no model to record'), record(Agent(), path):
        pass
    assert not path.exists()


async def test_a_truncated_reply_replays_as_truncated(path: Path) -> None:
    await Agent(RecordingModel(ScriptedModel(['Once ', EndEarly()]), path)).run('A story')
    model = ReplayModel(path)
    result = await Agent(model).run('A story')
    assert (result.output, result.response.finish_reason, model.requests[0].closed) == ('Once ', None, 'truncated')


@pytest.mark.parametrize(
    ('raised', 'replayed'),
    [
        (ModelHTTPError(503, 'scripted', body='busy'), ModelHTTPError),
        (ModelConnectionError('scripted', 'reset'), ModelConnectionError),
        (LookupError('odd'), ModelConnectionError),
    ],
)
@pytest.mark.parametrize('first', [[], ['Hello']])
async def test_a_failure_is_raised_again_at_its_time(
    path: Path, raised: Exception, replayed: type[Exception], first: list[str]
) -> None:
    now = asyncio.get_running_loop().time
    recording = Agent(RecordingModel(ScriptedModel([*first, Fail(raised, wait=3)]), path))
    with pytest.raises(type(raised)):
        async with recording.run_stream('Hello?') as result:
            await result.get_output()
    assert now() == 3
    replay = ReplayModel(path)
    with pytest.raises(replayed, match=str(raised).split(':', maxsplit=1)[0]):
        async with Agent(replay).run_stream('Hello?') as result:
            await result.get_output()
    assert (now(), replay.requests[0].closed) == (6, 'failed')


async def test_a_reader_that_left_after_the_finish_reason_keeps_it(path: Path) -> None:
    agent = Agent(RecordingModel(ScriptedModel(['Hello', Hang()]), path))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60), agent.run_stream('Hello?') as result:
            await result.get_output()
    model = ReplayModel(path)
    result = await Agent(model).run('Hello?')
    assert (result.response.finish_reason, model.requests[0].closed) == ('stop', 'complete')
    assert asyncio.get_running_loop().time() == 60  # the reader's minute is not the provider's


class Completed(WrapperModel):
    """A model behind a cache: its streams play what is complete already."""

    events: bool | list[ModelResponseStreamEvent] = False

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        response = await self.wrapped.request(messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(
            response, model_request_parameters=model_request_parameters, replay_events=self.events
        )


@pytest.mark.parametrize('events', [False, True, [PartStartEvent(index=0, part=TextPart('Hello'))]])
async def test_a_stream_that_never_pulls_from_a_client_is_recorded_as_a_whole(path: Path, events: Any) -> None:
    model = Completed(ScriptedModel('Hello'))
    model.events = events
    async with Agent(RecordingModel(model, path)).run_stream_events('Hello?') as stream:
        async for _ in stream:
            pass
    result = await Agent(ReplayModel(path)).run('Hello?')
    assert (result.output, result.response.finish_reason) == ('Hello', 'stop')


async def test_what_a_reader_does_to_an_event_is_not_played_again(path: Path) -> None:
    await Agent(RecordingModel(ScriptedModel('Hello'), path)).run('Hello?')
    agent = Agent(ReplayModel(path, loop=True))
    for _ in range(2):
        async with agent.run_stream_events('Hello?') as events:
            async for event in events:
                if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                    assert event.part.content == 'Hello'
                    event.part.content = 'changed'


@pytest.mark.parametrize('how', ['break', 'cancel', 'error'])
async def test_a_stream_that_its_reader_left_is_readable_and_truncated(path: Path, how: str) -> None:
    agent = Agent(RecordingModel(ScriptedModel(['Hello', Stall()]), path))

    async def leave() -> None:
        async with agent.run_stream('Hello?') as result:
            async for _ in result.stream_text(debounce_by=None):
                if how == 'break':
                    break
                if how == 'error':
                    raise LookupError("the reader's own")

    reading = asyncio.create_task(leave())
    await asyncio.sleep(1)
    reading.cancel()
    await asyncio.wait([reading])
    end = json.loads(text_of(path).splitlines()[-1])
    assert (end['kind'], end['error']) == ('end', None)
    assert end['closed'] == ('cancelled' if how == 'cancel' else 'left')
    model = ReplayModel(path)
    assert ((await Agent(model).run('Hello?')).output, model.requests[0].closed) == ('Hello', 'truncated')


KILLED = """
import asyncio, os, sys
from pydantic_ai import Agent
from pydantic_ai_streaming.testing import RecordingModel, ScriptedModel

async def main():
    model = RecordingModel(ScriptedModel(['Hello ', 'world', ' never']), sys.argv[1])
    async with Agent(model).run_stream('Hello?') as result:
        async for text in result.stream_text(debounce_by=None):
            if text.endswith('world'):
                os.kill(os.getpid(), 9)

asyncio.run(main())
"""


def replayed(path: Path) -> str:
    return asyncio.run(Agent(ReplayModel(path)).run('Hello?')).output


def test_a_killed_process_leaves_a_readable_file(path: Path) -> None:
    done = subprocess.run([sys.executable, '-c', KILLED, str(path)], check=False)
    assert done.returncode == -9
    assert replayed(path) == 'Hello world'
    with path.open('ab') as file:
        file.write(b'{"kind": "event", "requ')  # and so does a disk that filled up in the middle of a line
    assert replayed(path) == 'Hello world'


def test_a_recording_is_never_overwritten(path: Path) -> None:
    path.write_text('precious')
    with pytest.raises(FileExistsError):
        RecordingModel(ScriptedModel('a'), path)
    assert path.read_text() == 'precious'


HEADER = '{"kind": "recording", "version": 1}\n'


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', 'is not a recording: its first line is missing'),
        ('hello\n', "is not a recording: its first line is b'hello'"),
        ('{"kind": "recording", "version": 2}\n', 'of version 2, and this .* reads up to version 1: update it'),
        (HEADER, 'holds no request'),
        (HEADER + '{"kind": "event"}\n', r'line 2 is damaged: event.request Field required'),
        (HEADER + 'broken\n', r'line 2 is damaged: .*Invalid JSON'),
        (
            HEADER + '{"kind": "end", "request": 3, "at": 0, "closed": "left"}\n',
            'line 2: request 3 has no line of its own',
        ),
    ],
)
def test_a_file_that_cannot_be_played_says_why(path: Path, content: str, message: str) -> None:
    path.write_text(content)
    with pytest.raises(RecordingError, match=message) as caught:
        ReplayModel(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_says_how_to_make_one(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'There is no recording .*; RecordingModel'):
        ReplayModel(path)


@pytest.mark.parametrize('speed', [0, -1, math.nan])
def test_an_impossible_speed_is_refused(path: Path, speed: Any) -> None:
    with pytest.raises(ValueError, match='speed is'):
        ReplayModel(path, speed=speed)


async def test_what_was_asked_is_not_written(path: Path) -> None:
    model = RecordingModel(ScriptedModel([Text('answer')]), path)
    await Agent(model, instructions='secret instructions').run('secret question')
    text = text_of(path)
    assert 'answer' in text
    assert 'secret' not in text
