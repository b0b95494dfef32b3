"""What cannot be meant is refused where it is written, and not where a run stumbles over it later."""

# What type checkers would stop is what is tested here.
# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent

from pydantic_ai_streaming import (
    Chat,
    Recovery,
    RunStream,
    StreamUsageError,
    json_patch,
    merge,
    partial_outputs,
    run_stream_sync,
)
from pydantic_ai_streaming.capabilities import PartialOutputs, SmoothText, StreamGuard, ToolTimeline
from pydantic_ai_streaming.display import print_stream
from pydantic_ai_streaming.integrations.telemetry import Telemetry, instrument_streams
from pydantic_ai_streaming.serve import Frames, LiveStreams, SSEResponse, StreamRunner, serve_websocket, stream_router
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Stall, Text, ToolCall


class Card(BaseModel):
    title: str


class Deck(BaseModel):
    name: str
    cards: list[Card] = []


def agent(**settings: Any) -> Agent[None, Any]:
    return Agent(ScriptedModel(['One ', 'two.'], loop=True), **settings)


def run() -> Any:
    return agent().run_stream_events('Go')


anything: Any = object()

CASES: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    'a stream of a stream': (lambda: RunStream(RunStream(run())), TypeError, 'not a RunStream.*run_stream_events'),
    'a stream of a turn': (lambda: run_stream_sync(Chat(agent()).send('Go')), TypeError, 'not a Turn'),
    'a chat of a model': (lambda: Chat(ScriptedModel('One')), TypeError, r'the agent.*not a ScriptedModel'),
    'a limit of a chat': (
        lambda: Chat(agent(), history_limit='20'),
        TypeError,
        "history_limit='20' is not a number",
    ),
    'the id of a conversation': (lambda: Chat(agent(), None, 7), TypeError, 'conversation_id=7: use text'),
    'half of a character': (lambda: Chat(agent(), None, 'a\ud800'), ValueError, 'conversation_id=.*UTF-8'),
    'half of a character in a scope': (lambda: Chat(agent(), scope='\ud800'), ValueError, 'scope=.*UTF-8'),
    'requests': (lambda: Recovery(requests='3'), TypeError, "requests='3' is not a number"),
    'telemetry': (lambda: instrument_streams(False), TypeError, r'instrument_streams\(False\): use Telemetry'),
    'stalls': (lambda: Telemetry(stall_after='5'), TypeError, "stall_after='5' is not a number"),
    'how often': (lambda: PartialOutputs(every='0.1'), TypeError, "every='0.1' is not a number"),
    'linger': (lambda: LiveStreams(linger='30'), TypeError, "linger='30' is not a number"),
    'the class of streams': (
        lambda: SSEResponse(anything, streams=LiveStreams),
        TypeError,
        r'one LiveStreams\(\.\.\.\)',
    ),
    'keep-alive': (lambda: SSEResponse(anything, keep_alive='15'), TypeError, "keep_alive='15' is not a number"),
    'names of formats': (lambda: StreamRunner(formats=['frames']), TypeError, r'list of formats, such as \[Frames'),
    'one format': (lambda: StreamRunner(formats=Frames()), TypeError, r'list of formats, such as \[Frames'),
    'ttl': (lambda: StreamRunner(ttl='3600'), TypeError, "ttl='3600' is not a number"),
    'at once': (lambda: StreamRunner(at_once='10'), TypeError, "at_once='10' is not a number"),
    'an owner': (
        lambda: stream_router(StreamRunner(), agent(), authorize='ann'),
        TypeError,
        "authorize='ann': use a function",
    ),
    'viewers': (lambda: stream_router(StreamRunner(), agent(), viewers='9'), TypeError, "viewers='9' is not a num"),
    'a patch of a value': (lambda: json_patch(Card(title='One')), TypeError, 'snapshot.*not a Card'),
    'a way to patch': (
        lambda: [json_patch(partial, text='append') for partial in partial_outputs(['{}'], dict[str, str])],
        ValueError,
        "text='append': use 'replace' or 'str_ins'",
    ),
    'a gap': (lambda: ScriptedModel('One', gap='0.1'), TypeError, "gap='0.1' is not a number"),
    'a wait': (lambda: Text('One', wait='1'), TypeError, "wait='1' is not a number"),
    'a class to raise': (lambda: Fail(ValueError), TypeError, r"as in Fail\(ValueError\('Oh\.'\)\)"),
    'the class of a step': (lambda: ScriptedModel([Stall]), TypeError, r'Stall\(\) or another Step'),
}


@pytest.mark.parametrize('case', CASES)
def test_it_is_refused_at_once(case: str) -> None:
    mistake, error, message = CASES[case]
    with pytest.raises(error, match=message):
        mistake()


@pytest.mark.parametrize(
    ('capability', 'written'),
    [
        (SmoothText, r'SmoothText\(\)'),
        (PartialOutputs, r'PartialOutputs\(\)'),
        (ToolTimeline, r'ToolTimeline\(\)'),
        (StreamGuard, r'StreamGuard\(Deadlines\(\.\.\.\)\)'),
    ],
)
async def test_the_class_of_a_capability_is_none(capability: Any, written: str) -> None:
    with pytest.raises(TypeError, match=rf'not as its class: capabilities=\[{written}'):
        await agent(capabilities=[capability]).run('Go')


@pytest.mark.parametrize(
    ('make', 'advice'), [(lambda: Chat(agent()), r'chat\.send\(prompt\)'), (lambda: run_stream_sync(run()), 'await')]
)
async def test_what_cannot_be_served_starts_nothing(make: Callable[[], Any], advice: str) -> None:
    async with LiveStreams() as streams:
        with pytest.raises(StreamUsageError, match=advice):
            streams.start(make())
        assert not streams.ids


async def test_a_websocket_needs_a_function_before_it_is_accepted() -> None:
    with pytest.raises(TypeError, match=r'not an Agent: chat\.send, or lambda prompt'):
        await serve_websocket(anything, agent())


async def test_runs_side_by_side_are_no_view_and_tell_their_names() -> None:
    async with merge({'one': RunStream(run()), 'two': RunStream(run())}) as runs:
        with pytest.raises(StreamUsageError, match=r'async for name, piece in runs\.text\(\)'):
            async for _ in runs:  # pyright: ignore[reportUnknownVariableType] - it is no view
                pass
        with pytest.raises(KeyError, match="No run is named 'three': there are 'one', 'two'"):
            await runs.stop('three')


@pytest.mark.parametrize(
    ('output_type', 'path', 'message'),
    [
        (Deck, (), r"is no list\. There may be one at 'cards': items\('cards'\)"),
        (Deck, 'card', r"has no list at 'card'\. There may be one at 'cards'"),
        (list[Card], 'cards', r'It is a list itself: items\(\)'),
        (Card, 'cards', r"A path is the keys .* items\('orders'\)"),
    ],
)
async def test_items_name_the_list_that_there_is(output_type: Any, path: Any, message: str) -> None:
    document: dict[str, object] = {'name': 'Verbs', 'title': 'x', 'response': []}
    model = ScriptedModel([ToolCall('final_result', document)])
    async with RunStream(Agent(model, output_type=output_type).run_stream_events('Go')) as stream:
        with pytest.raises(StreamUsageError, match=message):
            stream.items(path)


async def test_the_type_of_the_items_is_no_path() -> None:
    async with RunStream(agent(output_type=Deck).run_stream_events('Go')) as stream:
        with pytest.raises(TypeError, match=r'Card.*is no path: use a name'):
            stream.items(Card)
        await stream.stop()


async def test_what_is_no_stream_is_not_printed() -> None:
    with pytest.raises(TypeError, match=r'async with RunStream\(agent\.run_stream_events'):
        await print_stream(run())


def test_a_synchronous_stream_is_not_told_to_await() -> None:
    model = ScriptedModel(['One', Stall()])
    with run_stream_sync(Agent(model).run_stream_events('Go')) as stream:
        with pytest.raises(StreamUsageError, match='without `await`'):
            _ = stream.output
        stream.stop()
