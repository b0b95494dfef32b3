"""A program that uses a stream in a way that it is not made for is told what to do."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.agent import AgentRunEvents

from pydantic_ai_streaming import RunStream, Smoothing, StreamUsageError, merge, run_stream_sync
from pydantic_ai_streaming.testing import ScriptedModel, Stall

pytestmark = pytest.mark.no_task_left

DRIVERS = ['run_stream_events', 'run_stream']


def said() -> Agent[None, str]:
    return Agent(ScriptedModel(['Said.'], ['Said again.']))


@pytest.mark.parametrize('driver', DRIVERS)
@pytest.mark.parametrize('entered', [True, False])
async def test_a_run_is_taken_by_one_stream_only(driver: str, entered: bool) -> None:
    run = getattr(said(), driver)('Go')
    first = RunStream(run)
    if entered:
        async with first:
            assert await first.get_output() == 'Said.'
    for again in (RunStream, run_stream_sync):
        with pytest.raises(StreamUsageError, match=r'runs once: call agent\.run_stream_events'):
            again(run)
    if not entered:
        async with first:
            assert await first.get_output() == 'Said.'


@pytest.mark.parametrize('driver', DRIVERS)
async def test_a_stream_that_was_refused_has_not_taken_the_run(driver: str) -> None:
    run = getattr(said(), driver)('Go')
    with pytest.raises(ValueError, match='on_truncation'):
        RunStream(run, on_truncation='ignore')  # pyright: ignore[reportCallIssue, reportArgumentType] - the mistake
    async with RunStream(run) as stream:
        assert await stream.get_output() == 'Said.'


class Again(AbstractAsyncContextManager[AgentRunEvents[str]]):
    """A context manager of somebody's own, which describes a new run each time it is entered."""

    def __init__(self, agent: Agent[None, str]) -> None:
        self._agent = agent

    async def __aenter__(self) -> AgentRunEvents[str]:
        self._run = self._agent.run_stream_events('Go')
        return await self._run.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._run.__aexit__(kind, error, traceback)


async def test_what_can_be_entered_again_can_be_taken_again() -> None:
    runs = Again(said())
    for text in ('Said.', 'Said again.'):
        async with RunStream(runs) as stream:
            assert await stream.get_output() == text


async def test_a_stream_itself_is_not_iterated() -> None:
    whole: Any = RunStream(said().run_stream_events('Go'))
    async with whole as stream:
        with pytest.raises(StreamUsageError, match=r'async for piece in stream\.text\(\)'):
            async for _ in stream:
                pass
        with pytest.raises(StreamUsageError, match=r'stream\.events\(\)'):
            list(stream)


async def test_with_needs_its_async() -> None:
    stream: Any = RunStream(said().run_stream_events('Go'))
    with pytest.raises(StreamUsageError, match=r'async with RunStream.*run_stream_sync'), stream:
        pass


def test_a_synchronous_stream_is_not_iterated_itself_and_not_entered_with_async() -> None:
    stream: Any = run_stream_sync(said().run_stream_events('Go'))

    async def enter() -> None:
        async with stream:
            pass

    with pytest.raises(StreamUsageError, match=r'with run_stream_sync.*async with RunStream'):
        asyncio.run(enter())
    with stream, pytest.raises(StreamUsageError, match=r'for piece in stream\.text\(\)'):
        list(stream)


async def test_an_agent_is_no_run() -> None:
    agent: Any = said()
    with pytest.raises(TypeError, match=r'not the agent: RunStream\(agent\.run_stream_events\(prompt\)\)'):
        RunStream(agent)


@pytest.mark.parametrize('way', ['run_stream_events', 'run_stream'])
async def test_a_run_that_was_entered_by_hand_says_that_it_was(way: str) -> None:
    run = getattr(Agent(ScriptedModel(['one'])), way)('Go')
    async with run as entered:
        if way == 'run_stream':
            await entered.get_output()
    with pytest.raises(StreamUsageError, match='entered before'):
        RunStream(run)


def test_an_error_about_a_type_has_the_right_article() -> None:
    with pytest.raises(TypeError, match=r'not an int\.'):
        RunStream(5)  # pyright: ignore[reportCallIssue, reportArgumentType] - what it is about


@pytest.mark.parametrize('way', ['text', 'paced', 'get_output', 'tool_calls', 'stop', 'merged', 'stop merged'])
def test_a_stream_that_is_used_in_another_event_loop_says_so_and_does_not_wait_for_ever(way: str) -> None:
    async def read(stream: Any) -> None:
        if way == 'get_output':
            await stream.get_output()
        elif way == 'tool_calls':
            await anext(stream.tool_calls())
        elif 'stop' in way:
            await stream.stop()
        else:
            async for _ in stream.text(smoothing=Smoothing() if way == 'paced' else None):
                pass

    async def main() -> None:
        stream: Any = RunStream(Agent(ScriptedModel(['Said', Stall()])).run_stream_events('Go'))
        async with merge({'one': stream}) if 'merged' in way else stream as stream:
            await anext(stream.text())
            with pytest.raises(StreamUsageError, match=r'another event loop.*run_coroutine_threadsafe'):
                await asyncio.to_thread(asyncio.run, asyncio.wait_for(read(stream), 5))

    asyncio.run(main())


def test_what_a_stream_has_told_can_be_read_in_another_event_loop() -> None:
    stream = RunStream(said().run_stream_events('Go'))

    async def run() -> None:
        async with stream:
            await stream.get_output()

    async def read() -> tuple[list[str], str]:
        return [piece async for piece in stream.text()], await stream.get_output()

    asyncio.run(run())
    assert asyncio.run(read()) == (['Said.'], 'Said.')


async def test_a_stream_that_is_printed_says_how_far_it_is_and_no_address() -> None:
    stream = RunStream(said().run_stream_events('Go'))
    assert repr(stream) == '<RunStream: not started>'
    async with stream:
        assert repr(stream) == '<RunStream: running>'
        await stream.get_output()
    assert repr(stream) == '<RunStream: complete>'


def test_a_synchronous_stream_that_is_printed_says_the_same() -> None:
    with run_stream_sync(said().run_stream_events('Go')) as stream:
        stream.get_output()
    assert repr(stream) == '<SyncRunStream: complete>'
