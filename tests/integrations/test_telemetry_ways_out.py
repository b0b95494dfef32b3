"""On every way out, the span of a stream ends once, with its outcome and with how much had come, and without texts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from logfire.testing import CaptureLogfire
from opentelemetry.trace import StatusCode
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError

from pydantic_ai_streaming import Deadlines, RunStream
from pydantic_ai_streaming.integrations.telemetry import Telemetry
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Stall, ToolCall

from .spans import own, streams

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

SECRET = 'the treasure '
HALF = (SECRET, 'is here ')


class Place(BaseModel):
    x: int


class ConsumerError(Exception):
    pass


async def reads(stream: RunStream[Any]) -> None:
    await stream.get_output()


async def breaks(stream: RunStream[Any]) -> None:
    async for piece in stream.text():
        if piece == HALF[1]:
            break


async def raises(stream: RunStream[Any]) -> None:
    await breaks(stream)
    raise ConsumerError(SECRET)


async def is_cancelled(stream: RunStream[Any]) -> None:
    await breaks(stream)
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(1)


async def stops(stream: RunStream[Any]) -> None:
    await breaks(stream)
    await stream.stop()


async def leaves_at_once(stream: RunStream[Any]) -> None:
    pass


async def stays(stream: RunStream[Any]) -> None:
    await asyncio.sleep(60)


async def stops_at_invalid(stream: RunStream[Any]) -> None:
    async for _ in stream.partial_outputs(on_invalid='stop'):
        pass


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way out: the script, what the consumer does, and what the span has to say."""

    steps: tuple[Any, ...]
    outcome: str
    consumer: Callable[[RunStream[Any]], Awaitable[None]] = reads
    deadlines: Deadlines | None = None
    on_truncation: Any = 'raise'
    output_type: Any = str
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    error: str | None = None
    phase: str | None = None
    characters: int = len(''.join(HALF))


FOUND = ToolCall('final_result', {'x': SECRET})
INVALID_CHARACTERS = len('final_result' + '{"x": "the treasure "}')

WAYS = {
    'end': Way(steps=HALF, outcome='complete'),
    'break': Way(steps=(*HALF, Stall()), consumer=breaks, outcome='stopped'),
    'stop()': Way(steps=(*HALF, Stall()), consumer=stops, outcome='stopped'),
    'exception in the consumer': Way(steps=(*HALF, Stall()), consumer=raises, outcome='stopped'),
    'outer cancellation': Way(steps=(*HALF, Stall()), consumer=is_cancelled, outcome='stopped'),
    'left before it has begun': Way(steps=HALF, consumer=leaves_at_once, outcome='stopped', characters=0),
    'first': Way(
        steps=(Stall(),),
        deadlines=Deadlines(first=9),
        outcome='timed_out',
        error='StreamTimeout',
        phase='first',
        characters=0,
    ),
    'idle': Way(
        steps=(*HALF, Stall()), deadlines=Deadlines(idle=9), outcome='timed_out', error='StreamTimeout', phase='idle'
    ),
    'total': Way(
        steps=(*HALF, Stall()), deadlines=Deadlines(total=9), outcome='timed_out', error='StreamTimeout', phase='total'
    ),
    'rate': Way(
        steps=(*HALF, Stall()),
        deadlines=Deadlines(min_rate=9, rate_window=5),
        outcome='timed_out',
        error='StreamTimeout',
        phase='rate',
    ),
    "pydantic-ai's timeout": Way(
        steps=(*HALF, Stall()), options={'timeout': 9}, outcome='timed_out', error='RunTimedOut', phase='run'
    ),
    'nobody reads, and it is late': Way(
        steps=(*HALF, Stall()),
        consumer=stays,
        deadlines=Deadlines(idle=9),
        outcome='timed_out',
        error='StreamTimeout',
        phase='idle',
    ),
    'connection cut': Way(
        steps=(*HALF, Fail(ModelAPIError('scripted', SECRET))), outcome='failed', error='ModelAPIError'
    ),
    'refused': Way(
        steps=(Fail(ModelHTTPError(429, 'scripted', SECRET)),), outcome='failed', error='ModelHTTPError', characters=0
    ),
    'error event': Way(
        steps=(*HALF, Fail(ModelHTTPError(500, 'scripted', SECRET))), outcome='failed', error='ModelHTTPError'
    ),
    'truncation': Way(steps=(*HALF, EndEarly()), outcome='truncated', error='StreamTruncated'),
    'truncation, marked': Way(steps=(*HALF, EndEarly()), on_truncation='mark', outcome='truncated'),
    'invalid output, stopped': Way(
        steps=(FOUND,),
        consumer=stops_at_invalid,
        output_type=Place,
        outcome='invalid',
        error='InvalidOutput',
        characters=INVALID_CHARACTERS,
    ),
    'output validation exhausted': Way(
        steps=(FOUND,),
        output_type=Place,
        options={'retries': 0},
        outcome='failed',
        error='UnexpectedModelBehavior',
        characters=INVALID_CHARACTERS,
    ),
    'a tool raises': Way(
        steps=(*HALF, ToolCall('dig', {})),
        outcome='failed',
        error='LookupError',
        characters=len(''.join(HALF)) + len('dig{}'),
    ),
}


async def play(way: Way, telemetry: Telemetry) -> None:
    agent = Agent(ScriptedModel(way.steps, gap=1.0), output_type=way.output_type, name='digger')

    @agent.tool_plain
    async def dig() -> None:
        raise LookupError(SECRET)

    run = agent.run_stream_events('Where?', **way.options)
    stream = RunStream(run, deadlines=way.deadlines, on_truncation=way.on_truncation)
    with telemetry.active():
        try:
            async with stream:
                await way.consumer(stream)
        except (asyncio.CancelledError, Exception) as error:
            if isinstance(error, asyncio.CancelledError):
                task = asyncio.current_task()
                assert task is not None
                task.uncancel()
    assert stream.finish == way.outcome


@pytest.mark.parametrize('name', WAYS)
async def test_the_span_ends_once_and_says_how(name: str, capfire: CaptureLogfire) -> None:
    way = WAYS[name]
    await play(way, Telemetry())
    [span] = streams(capfire)
    said = own(span)
    assert span.name == 'stream digger'
    assert (said['outcome'], said.get('error.type'), said.get('timeout.phase')) == (way.outcome, way.error, way.phase)
    assert said['characters'] == way.characters
    assert said['text_characters'] == (0 if way.output_type is Place else min(way.characters, len(''.join(HALF))))
    assert span.status.status_code is (StatusCode.UNSET if way.error is None else StatusCode.ERROR)
    assert span.end_time is not None


@pytest.mark.parametrize('name', WAYS)
async def test_no_text_leaves_the_process(name: str, capfire: CaptureLogfire) -> None:
    await play(WAYS[name], Telemetry())
    [span] = streams(capfire)
    assert SECRET.strip() not in span.to_json()
    assert SECRET.strip() not in str(capfire.get_collected_metrics())


@pytest.mark.parametrize('name', [name for name, way in WAYS.items() if way.characters and way.output_type is str])
async def test_the_text_is_there_when_it_is_asked_for(name: str, capfire: CaptureLogfire) -> None:
    way = WAYS[name]
    await play(way, Telemetry(include_content=True))
    [span] = streams(capfire)
    assert own(span)['text'] == ''.join(HALF)
    if way.error in ('ModelAPIError', 'ModelHTTPError', 'LookupError'):
        assert SECRET in str(span.status.description)


async def test_rejected_attempts_are_told_without_their_text(capfire: CaptureLogfire) -> None:
    agent = Agent(ScriptedModel(HALF, ['better'], gap=1.0), name='digger')

    @agent.output_validator
    def accept(output: str) -> str:
        if output != 'better':
            raise ModelRetry(f'not {output}')
        return output

    for include_content in (False, True):
        with Telemetry(include_content=include_content).active():
            async with RunStream(agent.run_stream_events('Where?')) as stream:
                await stream.get_output()
        span = streams(capfire)[-1]
        [event] = [event for event in span.events if event.name == 'attempt rejected']
        assert own(span)['attempts_rejected'] == 1
        assert dict(event.attributes or {}).get('characters') == len(''.join(HALF))
        assert (SECRET in str(event.attributes)) is include_content
        agent.model = ScriptedModel(HALF, ['better'], gap=1.0)


async def test_a_run_that_does_not_let_go_has_its_span_all_the_same(capfire: CaptureLogfire) -> None:
    agent = Agent(ScriptedModel([*HALF, ToolCall('wait', {})], gap=1.0), name='digger')
    released = asyncio.Event()

    @agent.tool_plain
    async def wait() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await released.wait()

    with Telemetry().active():
        async with RunStream(agent.run_stream_events('Where?'), deadlines=Deadlines(total=9)) as stream:
            with pytest.raises(TimeoutError):
                await stream.get_output()
            [span] = streams(capfire)
            assert stream.finish is None
            assert own(span)['outcome'] == 'timed_out'
            released.set()
    assert len(streams(capfire)) == 1
