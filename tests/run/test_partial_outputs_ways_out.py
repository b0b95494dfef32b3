"""Leaving a run in the middle of its output: what came stays, and nothing is left open."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError

from pydantic_ai_streaming import (
    Deadlines,
    PartialOutput,
    RunStream,
    StreamTimeout,
    StreamTruncated,
    StreamUsageError,
    run_stream_sync,
)
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Stall, Step, ToolCall

pytestmark = pytest.mark.no_task_left


class Movie(BaseModel):
    title: str
    year: int


HALF = '{"title": "Dune", "ye'
WHOLE = '{"title": "Dune", "year": 1965}'


def agent(*steps: Step | str, document: str = HALF) -> Agent[None, Movie]:
    return Agent(ScriptedModel([ToolCall('final_result', document, pieces=4), *steps]), output_type=Movie)


async def seen_in(view: AsyncIterator[PartialOutput[Any]]) -> tuple[list[PartialOutput[Any]], Exception | None]:
    seen: list[PartialOutput[Any]] = []
    try:
        async for partial in view:
            seen.append(partial)  # noqa: PERF401 - what came before an error counts
    except Exception as error:
        return seen, error
    return seen, None


async def check_kept(stream: RunStream[Movie], error: Exception | None = None) -> None:
    """The last snapshot is there for whoever looks afterwards, and no final one."""
    seen, raised = await seen_in(stream.partial_outputs())
    assert raised is error
    assert seen[-1].value == Movie.model_construct(title='Dune', year=None)
    assert (seen[-1].is_final, seen[-1].state('title'), seen[-1].state('year')) == (False, 'complete', 'missing')
    assert seen[-1].state() == 'streaming'


async def test_break_keeps_the_partial_output() -> None:
    async with RunStream(agent(Stall()).run_stream_events('Go')) as stream:
        async for partial in stream.partial_outputs():
            if partial.state('title') == 'complete':
                break
    assert stream.finish == 'stopped'
    await check_kept(stream)
    with pytest.raises(StreamUsageError):
        _ = stream.output


async def test_a_view_that_is_dropped_leaves_the_run_alone() -> None:
    async with RunStream(agent(document=WHOLE).run_stream_events('Go')) as stream:
        async for _ in stream.partial_outputs():
            break
        assert await stream.get_output() == Movie(title='Dune', year=1965)


async def test_stop_ends_the_view_without_an_error_and_without_an_output() -> None:
    async with RunStream(agent(Stall()).run_stream_events('Go')) as stream:
        view = stream.partial_outputs()
        while (await anext(view)).state('title') != 'complete':
            pass
        await stream.stop()
        seen, error = await seen_in(view)
    assert error is None
    assert not any(partial.is_final for partial in seen)
    await check_kept(stream)


async def test_cancellation_in_the_middle_keeps_the_partial_output() -> None:
    streams: list[RunStream[Movie]] = []

    async def watch() -> None:
        async with RunStream(agent(Stall()).run_stream_events('Go')) as stream:
            streams.append(stream)
            async for partial in stream.partial_outputs():
                if partial.state('title') == 'complete':
                    ready.set()

    ready = asyncio.Event()
    task = asyncio.create_task(watch())
    await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert streams[0].finish == 'stopped'
    await check_kept(streams[0])


@pytest.mark.virtual_time
@pytest.mark.parametrize('on_invalid', ['report', 'stop', 'retry'])
async def test_a_deadline_passes_after_what_came(on_invalid: Any) -> None:
    async with RunStream(agent(Stall()).run_stream_events('Go'), deadlines=Deadlines(idle=5)) as stream:
        seen, error = await seen_in(stream.partial_outputs(on_invalid=on_invalid))
    assert isinstance(error, StreamTimeout)
    assert (stream.finish, seen[-1].value.title) == ('timed_out', 'Dune')
    await check_kept(stream, error)


async def test_a_cut_connection_is_told_after_what_came() -> None:
    cut = Fail(ModelConnectionError('scripted', 'cut'))
    async with RunStream(agent(cut).run_stream_events('Go')) as stream:
        seen, error = await seen_in(stream.partial_outputs())
    assert isinstance(error, ModelConnectionError)
    assert (stream.finish, seen[-1].value.title) == ('failed', 'Dune')
    await check_kept(stream, error)


async def test_a_truncated_output_is_no_final_one() -> None:
    async with RunStream(agent(EndEarly()).run_stream_events('Go')) as stream:
        _, error = await seen_in(stream.partial_outputs())
    assert isinstance(error, StreamTruncated)
    assert stream.finish == 'truncated'
    await check_kept(stream, error)


async def test_a_truncated_output_that_is_whole_may_be_kept() -> None:
    run = agent(EndEarly(), document=WHOLE).run_stream_events('Go')
    async with RunStream(run, on_truncation='mark') as stream:
        seen, error = await seen_in(stream.partial_outputs())
    assert (error, stream.finish, seen[-1].is_final) == (None, 'truncated', True)


async def test_items_keep_what_was_complete() -> None:
    steps = [ToolCall('final_result', '{"response": [1, 2, 3', pieces=4), Stall()]
    async with RunStream(Agent(ScriptedModel(steps), output_type=list[int]).run_stream_events('Go')) as stream:
        async for item in stream.items():
            if item == 2:
                break
    assert [item async for item in stream.items()] == [1, 2]


# Without await


def test_the_synchronous_view_yields_the_same() -> None:
    with run_stream_sync(agent(document=WHOLE).run_stream_events('Go')) as stream:
        seen = list(stream.partial_outputs())
        assert [partial.value.title for partial in seen][-3:] == ['Dune'] * 3
    assert seen[-1].is_final
    assert seen[-1].value == stream.output
    assert [repr(partial) for partial in stream.partial_outputs()] == [repr(partial) for partial in seen]


def test_the_synchronous_items_are_those_of_the_list() -> None:
    steps = [ToolCall('final_result', '{"response": [1, 2, 3]}', pieces=4)]
    with run_stream_sync(Agent(ScriptedModel(steps), output_type=list[int]).run_stream_events('Go')) as stream:
        assert list(stream.items()) == [1, 2, 3]


def test_a_synchronous_break_keeps_the_partial_output() -> None:
    with run_stream_sync(agent(Stall()).run_stream_events('Go')) as stream:
        for partial in stream.partial_outputs(on_invalid='stop'):
            if partial.state('title') == 'complete':
                break
    assert stream.finish == 'stopped'
    assert [partial.value.title for partial in stream.partial_outputs()][-1] == 'Dune'


def test_a_synchronous_view_of_plain_text_says_so_at_the_call() -> None:
    with run_stream_sync(Agent(ScriptedModel(['Hi'])).run_stream_events('Go')) as stream:
        with pytest.raises(StreamUsageError, match=re.escape('use stream.text()')):
            stream.partial_outputs()
        with pytest.raises(StreamUsageError, match=re.escape('use stream.text()')):
            stream.items('tasks')
        stream.get_output()


def test_a_synchronous_view_before_the_context_says_so() -> None:
    stream = run_stream_sync(agent().run_stream_events('Go'))
    with pytest.raises(StreamUsageError, match='has not started'):
        stream.partial_outputs()
