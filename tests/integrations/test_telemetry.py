"""What telemetry tells of streams: exact figures, spans where a trace shows them, and nothing when it is off."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import logfire
import pytest
from inline_snapshot import snapshot
from logfire.testing import CaptureLogfire
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import NativeToolCallPart, NativeToolReturnPart
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.test import TestModel

from pydantic_ai_streaming import Chat, Deadlines, RunStream, StreamTimeout, merge, run_stream_sync
from pydantic_ai_streaming.integrations.telemetry import Telemetry, instrument_streams
from pydantic_ai_streaming.testing import Fail, Hang, Part, ScriptedModel, Stall, Text, ToolCall

from .spans import figures, own, points, spans, streams

CHUNKS = 'gen_ai.client.operation.time_per_output_chunk'


def asking_the_tide() -> Agent[None, str]:
    script = ScriptedModel(
        [Text('Let me look. ', wait=0.5), ToolCall('tide', {})],
        [Text('At ', wait=0.5), Text('noon.', wait=0.25), Text(' Or', wait=6.0), ' later.'],
        gap=0.125,
    )
    agent = Agent(script, name='pilot')

    @agent.tool_plain
    async def tide() -> str:
        await asyncio.sleep(2)
        return 'noon'

    return agent


def nothing() -> None: ...


class Named(ScriptedModel):
    name = ''

    @property
    def model_name(self) -> str:
        return self.name


async def run(agent: Agent[None, Any], **settings: Any) -> RunStream[Any]:
    async with RunStream(agent.run_stream_events('Go'), **settings) as stream:
        await stream.get_output()
    return stream


@pytest.mark.virtual_time
async def test_a_run_is_told_in_exact_figures(capfire: CaptureLogfire) -> None:
    with Telemetry().active():
        await run(asking_the_tide())
    [span] = streams(capfire)
    assert own(span) == snapshot(
        {
            'outcome': 'complete',
            'characters': 37,
            'text_characters': 31,
            'pieces': 6,
            'responses': 2,
            'tool_calls': 1,
            'attempts_rejected': 0,
            'stalls': 1,
            'duration': 9.5,
            'time_to_first_content': 0.5,
            'time_to_first_text': 0.5,
            'longest_gap': 6.0,
            'writing': 6.5,
            'tool_seconds': 2.0,
        }
    )
    assert [(event.name, dict(event.attributes or {})) for event in span.events] == snapshot(
        [('stall', {'seconds': 6.0, 'since': 3.375})]
    )
    assert (span.attributes or {})['logfire.msg'] == snapshot(
        'stream of pilot complete: first content 0.50 s · 6 tokens · 1/s · 1 tool call · 9.5 s in all'
    )
    assert figures(capfire) == snapshot(
        {
            'gen_ai.client.operation.time_per_output_chunk': [
                {
                    'gen_ai.operation.name': 'chat',
                    'gen_ai.provider.name': 'scripted',
                    'gen_ai.request.model': 'scripted',
                    'gen_ai.response.model': 'scripted',
                    '': (4, 6.5),
                }
            ],
            'pydantic_ai_streaming.stalls': [
                {
                    'gen_ai.operation.name': 'chat',
                    'gen_ai.provider.name': 'scripted',
                    'gen_ai.request.model': 'scripted',
                    'gen_ai.response.model': 'scripted',
                    '': 1,
                }
            ],
            'gen_ai.execute_tool.duration': [
                {
                    'gen_ai.agent.name': 'pilot',
                    'gen_ai.operation.name': 'execute_tool',
                    'gen_ai.tool.name': 'tide',
                    'gen_ai.tool.type': 'function',
                    '': (1, 2.0),
                }
            ],
            'gen_ai.invoke_agent.duration': [
                {'gen_ai.agent.name': 'pilot', 'pydantic_ai_streaming.outcome': 'complete', '': (1, 9.5)}
            ],
            'pydantic_ai_streaming.time_to_first_text': [
                {'gen_ai.agent.name': 'pilot', 'pydantic_ai_streaming.outcome': 'complete', '': (1, 0.5)}
            ],
            'pydantic_ai_streaming.longest_gap': [
                {'gen_ai.agent.name': 'pilot', 'pydantic_ai_streaming.outcome': 'complete', '': (1, 6.0)}
            ],
        }
    )


@pytest.mark.virtual_time
async def test_the_figures_fall_into_the_buckets_of_the_convention() -> None:
    reader = InMemoryMetricReader()
    with Telemetry(meter_provider=MeterProvider([reader])).active():
        await run(asking_the_tide())
    [point] = points(reader, CHUNKS)
    counts = dict(zip([*point.explicit_bounds, None], point.bucket_counts, strict=True))
    assert counts == snapshot(
        {
            0.01: 0,
            0.02: 0,
            0.04: 0,
            0.08: 0,
            0.16: 2,
            0.32: 1,
            0.64: 0,
            1.28: 0,
            2.56: 0,
            5.12: 0,
            10.24: 1,
            20.48: 0,
            40.96: 0,
            81.92: 0,
            None: 0,
        }
    )
    for name, bounds in {
        'gen_ai.invoke_agent.duration': snapshot(
            (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
        ),
        'gen_ai.execute_tool.duration': snapshot(
            (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
        ),
        'pydantic_ai_streaming.time_to_first_text': snapshot(
            (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
        ),
    }.items():
        with Telemetry(meter_provider=MeterProvider([reader := InMemoryMetricReader()])).active():
            await run(asking_the_tide())
        [point] = points(reader, name)
        assert point.explicit_bounds == bounds


@pytest.mark.virtual_time
async def test_every_chunk_after_the_first_of_each_response_counts_however_long_the_run() -> None:
    reader = InMemoryMetricReader()
    pieces = ['piece '] * 1000
    agent = Agent(ScriptedModel([*pieces, ToolCall('nothing', {})], pieces, gap=0.03125))
    agent.tool_plain(nothing)
    with Telemetry(meter_provider=MeterProvider([reader])).active():
        async with RunStream(agent.run_stream_events('Go')) as stream:
            async for piece in stream.text():
                if len(stream.text_so_far) == 600 * len(piece):
                    [point] = points(reader, CHUNKS)
                    assert point.count == 509, 'told while the run goes on'
    [point] = points(reader, CHUNKS)
    assert (point.count, point.sum) == (1000 + 999, 1999 * 0.03125)


@pytest.mark.virtual_time
async def test_figures_have_the_model_that_wrote_them(capfire: CaptureLogfire) -> None:
    first = Named(['a', 'b', ToolCall('nothing', {})], [Fail(ModelAPIError('one', 'no'))], gap=1.0)
    second = Named(['c', 'd', 'e'], gap=1.0)
    first.name, second.name = 'one', 'two'
    agent = Agent(FallbackModel(first, second))
    agent.tool_plain(nothing)
    with Telemetry().active():
        await run(agent)
    assert figures(capfire)[CHUNKS] == snapshot(
        [
            {
                'gen_ai.operation.name': 'chat',
                'gen_ai.provider.name': 'scripted',
                'gen_ai.request.model': 'fallback:one,two',
                'gen_ai.response.model': 'one',
                '': (2, 2.0),
            },
            {
                'gen_ai.operation.name': 'chat',
                'gen_ai.provider.name': 'scripted',
                'gen_ai.request.model': 'fallback:one,two',
                'gen_ai.response.model': 'two',
                '': (2, 2.0),
            },
        ]
    )


# Stalls


@pytest.mark.virtual_time
async def test_the_silence_that_a_run_was_stopped_for_is_a_stall(capfire: CaptureLogfire) -> None:
    for steps, deadlines in (((Stall(),), Deadlines(first=20)), (('a', Stall()), Deadlines(idle=10))):
        with Telemetry().active(), pytest.raises(StreamTimeout):
            await run(Agent(ScriptedModel(steps, gap=1.0)), deadlines=deadlines)
    events = [(e.name, dict(e.attributes or {})) for s in streams(capfire) for e in s.events if e.name == 'stall']
    assert events == snapshot([('stall', {'seconds': 20.0, 'since': 0.0}), ('stall', {'seconds': 10.0, 'since': 1.0})])
    assert figures(capfire)['pydantic_ai_streaming.stalls'] == snapshot(
        [
            {
                'gen_ai.operation.name': 'chat',
                'gen_ai.provider.name': 'scripted',
                'gen_ai.request.model': 'scripted',
                '': 1,
            },
            {
                'gen_ai.operation.name': 'chat',
                'gen_ai.provider.name': 'scripted',
                'gen_ai.request.model': 'scripted',
                'gen_ai.response.model': 'scripted',
                '': 1,
            },
        ]
    )


@pytest.mark.virtual_time
async def test_a_tool_that_the_provider_runs_is_no_stall(capfire: CaptureLogfire) -> None:
    search = NativeToolCallPart('web_search', {'query': 'tide'}, tool_call_id='s')
    found = NativeToolReturnPart('web_search', 'noon', tool_call_id='s')
    script = ScriptedModel([Part(search), Part(found, wait=30.0), Text('Noon.', wait=2.0)], gap=1.0)
    with Telemetry().active():
        await run(Agent(script))
    [span] = streams(capfire)
    assert own(span)['stalls'] == 0
    assert [event.name for event in span.events] == []
    assert figures(capfire)['gen_ai.execute_tool.duration'] == snapshot(
        [
            {
                'gen_ai.agent.name': 'agent',
                'gen_ai.operation.name': 'execute_tool',
                'gen_ai.tool.name': 'web_search',
                'gen_ai.tool.type': 'extension',
                '': (1, 30.0),
            }
        ]
    )


@pytest.mark.virtual_time
async def test_a_connection_held_open_and_a_whole_response_are_told(capfire: CaptureLogfire) -> None:
    with Telemetry().active():
        await run(Agent(ScriptedModel(['a', Hang()], gap=1.0)))
        await run(Agent(ScriptedModel(['a'], can_stream=False)))
    [[held], [whole]] = [span.events for span in streams(capfire)]
    assert (held.name, whole.name) == ('connection held open', 'whole response')
    assert (held.attributes or {})['seconds'] == pytest.approx(1.0, abs=0.1)


# Where it stands in the trace


def tree(capture: CaptureLogfire) -> list[tuple[str, str | None]]:
    """The spans with the names of those that they stand in."""
    by_id = {span.context.span_id: span.name for span in spans(capture) if span.context is not None}
    return [(s.name, None if s.parent is None else by_id.get(s.parent.span_id, '?')) for s in spans(capture)]


@pytest.fixture
def upstream(capfire: CaptureLogfire) -> Any:
    """pydantic-ai tells of its agents too."""
    logfire.instrument_pydantic_ai()
    yield
    Agent.instrument_all(False)


@pytest.mark.virtual_time
async def test_the_span_stands_around_that_of_the_run_and_nested_runs_nest(
    capfire: CaptureLogfire, upstream: None
) -> None:
    inner, outer = asking_the_tide(), Agent(ScriptedModel([ToolCall('ask', {})], ['Noon.']), name='captain')

    @outer.tool_plain
    async def ask() -> str:
        return (await run(inner)).text_so_far

    with Telemetry().active(), logfire.span('request'):
        await run(outer)
    assert tree(capfire) == snapshot(
        [
            ('chat scripted', 'invoke_agent captain'),
            ('chat scripted', 'invoke_agent pilot'),
            ('execute_tool tide', 'invoke_agent pilot'),
            ('chat scripted', 'invoke_agent pilot'),
            ('invoke_agent pilot', 'stream pilot'),
            ('stream pilot', 'execute_tool ask'),
            ('execute_tool ask', 'invoke_agent captain'),
            ('chat scripted', 'invoke_agent captain'),
            ('invoke_agent captain', 'stream captain'),
            ('stream captain', 'request'),
            ('request', None),
        ]
    )


@pytest.mark.virtual_time
async def test_what_the_caller_traces_beside_the_run_is_not_inside_it(capfire: CaptureLogfire) -> None:
    with Telemetry().active(), logfire.span('request'):
        async with RunStream(asking_the_tide().run_stream_events('Go')) as stream:
            async for _ in stream.text():
                with logfire.span('show'):
                    pass
    assert {parent for name, parent in tree(capfire) if name == 'show'} == {'request'}


# Every kind of stream


@pytest.mark.virtual_time
async def test_turns_of_a_chat_and_runs_side_by_side_are_told(capfire: CaptureLogfire) -> None:
    with Telemetry().active():
        async with Chat(asking_the_tide()) as chat, chat.send('Go') as stream:
            await stream.get_output()
        runs = {n: RunStream(Agent(ScriptedModel([n]), name=n).run_stream_events('Go')) for n in ('a', 'b')}
        async with merge(runs) as merged:
            async for _ in merged.text():
                pass
    assert [span.name for span in streams(capfire)] == ['stream pilot', 'stream a', 'stream b']
    assert {own(span)['outcome'] for span in streams(capfire)} == {'complete'}


def test_streams_without_await_are_told_where_they_are_called(capfire: CaptureLogfire) -> None:
    agent = Agent(ScriptedModel(['a', 'b']), name='writer')
    with Telemetry().active(), logfire.span('request'), run_stream_sync(agent.run_stream_events('Go')) as stream:
        assert ''.join(stream.text()) == 'ab'
    assert tree(capfire) == [('stream writer', 'request'), ('request', None)]


@pytest.mark.virtual_time
async def test_run_stream_is_told_too(capfire: CaptureLogfire) -> None:
    agent = Agent(ScriptedModel(['a', 'b', 'c'], gap=1.0), name='writer')
    with Telemetry().active():
        async with RunStream(agent.run_stream('Go')) as stream:
            await stream.get_output()
    [span] = streams(capfire)
    assert (span.name, own(span)['outcome'], own(span)['characters']) == ('stream writer', 'complete', 3)
    assert figures(capfire)[CHUNKS] == snapshot(
        [
            {
                'gen_ai.operation.name': 'chat',
                'gen_ai.provider.name': 'scripted',
                'gen_ai.request.model': 'scripted',
                'gen_ai.response.model': 'scripted',
                '': (2, 2.0),
            }
        ]
    )


# On and off


@pytest.mark.virtual_time
async def test_it_is_on_from_one_call_to_the_other(capfire: CaptureLogfire) -> None:
    await run(asking_the_tide())
    turn_off = instrument_streams()
    await run(asking_the_tide())
    turn_off()
    turn_off()
    await run(asking_the_tide())
    assert len(streams(capfire)) == 1


@pytest.mark.virtual_time
async def test_the_last_one_counts_and_a_block_has_its_own(capfire: CaptureLogfire) -> None:
    def texts() -> list[bool]:
        return ['text' in own(span) for span in streams(capfire)]

    first, second = instrument_streams(), instrument_streams(Telemetry(include_content=True))
    try:
        await run(asking_the_tide())
        assert texts() == [True]
        second()
        await run(asking_the_tide())
        with Telemetry(include_content=True).active():
            await run(asking_the_tide())
        assert texts() == [True, False, True]
    finally:
        second()
        first()


@pytest.mark.virtual_time
async def test_without_a_provider_nothing_is_watched_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*_: object) -> None:
        pytest.fail('looked at a run that nobody is told of')

    monkeypatch.setattr('pydantic_ai_streaming.integrations.telemetry.Observation', told)
    nobody = Telemetry(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    with nobody.active():
        assert (await run(asking_the_tide())).finish == 'complete'


@pytest.mark.virtual_time
async def test_runs_whose_span_is_not_sampled_count_in_the_figures() -> None:
    reader = InMemoryMetricReader()
    telemetry = Telemetry(
        tracer_provider=TracerProvider(sampler=ALWAYS_OFF), meter_provider=MeterProvider([reader]), include_content=True
    )
    with telemetry.active():
        await run(asking_the_tide())
    [point] = points(reader, CHUNKS)
    assert point.count == 4


@pytest.mark.virtual_time
async def test_telemetry_that_fails_does_not_end_the_run(
    capfire: CaptureLogfire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(_: object) -> bool:
        raise RuntimeError('broken')

    monkeypatch.setattr('pydantic_ai_streaming.integrations.observation.content_in', breaks)
    with Telemetry().active(), caplog.at_level(logging.ERROR):
        assert (await run(asking_the_tide())).finish == 'complete'
    assert 'the run goes on without' in caplog.text
    assert len(streams(capfire)) == 1


def test_a_stall_takes_time() -> None:
    for seconds in (0.0, -1.0, float('inf'), float('nan')):
        with pytest.raises(ValueError, match='positive number of seconds'):
            Telemetry(stall_after=seconds)


def test_a_model_of_pydantic_ai_works_too(capfire: CaptureLogfire) -> None:
    with Telemetry().active(), run_stream_sync(Agent(TestModel()).run_stream_events('Go')) as stream:
        stream.get_output()
    assert [own(span)['outcome'] for span in streams(capfire)] == ['complete']
