"""Recorded provider streams: the tool calls are those that `expected.json` tells, and no instant is left out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import pytest
from pydantic_ai.exceptions import ModelRequestRejectedError
from pydantic_ai.messages import ModelMessage, ToolReturnPart

from pydantic_ai_streaming import RunEvent, RunStream, Timeline, ToolCall
from pydantic_ai_streaming.partials.shapes import Shape
from pydantic_ai_streaming.reduce.tool_watch import ToolWatch
from tests.material import ReplayServer, needs_recordings, provider_agent, replaying
from tests.run.test_recordings import FINISH_REASON

pytestmark = [
    needs_recordings,
    pytest.mark.no_task_left,
    # Anthropic's client warns of the end of life of the models that the recordings were made with.
    pytest.mark.filterwarnings("ignore:The model 'claude-[a-z0-9-]+' is deprecated:DeprecationWarning"),
]

every_recording = pytest.mark.parametrize('name', FINISH_REASON)


@every_recording
async def test_calls_arguments_outcomes_and_order_are_those_of_the_recording(replay: ReplayServer, name: str) -> None:
    session = replay.session(name, pacing=replaying().Pacing.none(cut='event'))
    turns: list[dict[str, Any]] = session.recording.meta['replay']['turns']
    history: list[ModelMessage] = []
    async with provider_agent(session) as agent:
        for turn, expected in zip(turns, session.recording.expected()['turns'], strict=True):
            fails = pytest.raises(ModelRequestRejectedError) if expected['error'] else nullcontext()
            stream = RunStream(agent.run_stream_events(turn['prompt'], message_history=history or None))
            seen: list[ToolCall] = []
            with fails:
                await read_into(seen, stream)
            check_calls(list({call.number: call for call in seen}.values()), expected)
            check_outcomes(stream.timeline.calls, stream.messages[len(history) :])
            check_timeline(stream.timeline, expected)
            history = stream.messages


async def read_into(seen: list[ToolCall], stream: RunStream[Any]) -> None:
    async with stream:
        async for call in stream.tool_calls():
            seen.append(call)  # noqa: PERF401 - what came before an error counts


def check_calls(calls: Sequence[ToolCall], expected: dict[str, Any]) -> None:
    made = [
        (request, part['kind'] == 'builtin-tool-call', part['tool_name'], part['args'])
        for request, response in enumerate(expected.get('responses', ()), 1)
        for part in response['parts']
        if part['kind'] in ('tool-call', 'builtin-tool-call')
    ]
    told = [(call.request, call.kind == 'native', call.name, json.loads(call.arguments or '{}')) for call in calls]
    assert told == [(request, native, name, args or {}) for request, native, name, args in made]
    functions = [(call.name, json.loads(call.arguments or '{}')) for call in calls if call.kind == 'function']
    assert functions == [(call['tool_name'], call['args']) for call in expected['tool_calls']]
    counts: dict[str, int] = expected['event_counts']
    assert sum(call.kind == 'output' for call in calls) == counts.get('OutputToolCall', 0)
    returned = sum(call.kind == 'native' and call.state == 'returned' for call in calls)
    assert returned == counts.get('PartStart:builtin-tool-return', 0)
    # A retry is a return with an outcome of its own, which `expected.json` counts among the returns.
    results = sum(count for event, count in counts.items() if event.startswith('FunctionToolResult:'))
    assert sum(call.kind == 'function' for call in calls) == results
    assert all(call.ended for call in calls)


def check_outcomes(calls: Sequence[ToolCall], messages: Sequence[ModelMessage]) -> None:
    """Outcomes are those that the history has."""
    states = {'success': 'returned', 'retried': 'retried'}
    returns = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
    kept = {(part.tool_call_id, states[part.outcome], str(part.content)) for part in returns}
    assert {(call.tool_call_id, call.state, str(call.result)) for call in calls if call.kind != 'native'} == kept


def check_timeline(timeline: Timeline, expected: dict[str, Any]) -> None:
    spans = timeline.spans
    assert (spans[0].start, spans[-1].end) == (0.0, timeline.duration)
    assert all(before.end == after.start for before, after in pairwise(spans))
    kinds = {span.activity for span in spans}
    counts: dict[str, int] = expected['event_counts']
    assert ('thinking' in kinds) == bool(counts.get('PartStart:thinking'))
    assert ('tool' in kinds) or not expected['tool_calls']
    rows = len(timeline.text().splitlines())
    assert rows == len(timeline.calls) + 2


async def test_the_view_costs_little_per_event(replay: ReplayServer) -> None:
    """The figure is 3 µs per event; this only sees an accident."""
    spent, count = 0.0, 0
    for name in FINISH_REASON:
        session = replay.session(name, pacing=replaying().Pacing.none(cut='event'))
        async with provider_agent(session) as agent:
            stream = RunStream(agent.run_stream_events(session.recording.meta['replay']['turns'][0]['prompt']))
            events: list[RunEvent] = []
            fails = pytest.raises(ModelRequestRejectedError) if name == 'openrouter-error-in-stream' else nullcontext()
            with fails:
                await _all(events, stream)
        types = stream._tool_types  # pyright: ignore[reportPrivateUsage] - the types that the view has
        spent += min(_seconds(events, types.get) for _ in range(5))
        count += len(events)
    print(f'{count} events, {spent / count * 1e6:.2f} µs per event')
    assert spent / count * 1e6 < 30


def _seconds(events: Sequence[RunEvent], shape_of: Callable[[str], Shape | None]) -> float:
    watch = ToolWatch(shape_of)
    began = time.perf_counter()
    for event in events:
        watch.add(event, 0.0)
    return time.perf_counter() - began


async def _all(events: list[RunEvent], stream: RunStream[Any]) -> None:
    async with stream:
        async for event in stream.events():
            events.append(event)  # noqa: PERF401 - what came before an error counts
