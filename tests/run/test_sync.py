"""Streams without `await`: in a script, inside a running loop, with Ctrl-C, and over real connections."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
from collections.abc import AsyncGenerator

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo, FunctionModel

from pydantic_ai_streaming import (
    Deadlines,
    RunStream,
    Smoothing,
    StreamTimeout,
    StreamUsageError,
    SyncRunStream,
    run_stream_sync,
)
from pydantic_ai_streaming.testing import ScriptedModel, Stall, ToolCall

WORDS = ('One ', 'two ', 'three.')


def agent() -> Agent[None, str]:
    return Agent(ScriptedModel(WORDS, loop=True, gap=0.01))


def test_a_script_reads_views_as_iterators() -> None:
    with run_stream_sync(agent().run_stream_events('Go')) as stream:
        assert ''.join(stream.text(smoothing=Smoothing())) == 'One two three.'
        assert [type(event).__name__ for event in stream.events()][-1] == 'AgentRunResultEvent'
        assert list(stream.thinking()) == []
    assert (stream.output, stream.finish, stream.text_so_far) == ('One two three.', 'complete', 'One two three.')
    assert stream.get_output() == 'One two three.'
    assert stream.result is not None
    assert stream.messages == stream.result.all_messages()
    assert (stream.stats.pieces, stream.usage.requests) == (3, 1)


def test_views_can_be_read_after_the_context() -> None:
    with run_stream_sync(agent().run_stream_events('Go')) as stream:
        stream.get_output()
    assert ''.join(stream.text()) == 'One two three.'


async def test_it_works_inside_a_loop_that_runs_already() -> None:
    """As in Jupyter, where `agent.run_stream_sync` raises."""
    with run_stream_sync(agent().run_stream_events('Go')) as stream:
        assert ''.join(stream.text()) == 'One two three.'


def test_a_break_stops_the_run() -> None:
    with run_stream_sync(agent().run_stream_events('Go')) as stream:
        for _ in stream.text():
            break
    assert (stream.finish, stream.text_so_far) == ('stopped', 'One ')
    assert stream.messages[-2].parts[0].part_kind == 'text'


def test_stop_ends_it_too() -> None:
    with run_stream_sync(agent().run_stream_events('Go')) as stream:
        stream.stop()
        assert stream.finish == 'stopped'


def test_errors_come_through_with_what_they_carry() -> None:
    stalling = Agent(ScriptedModel(['One', Stall()]))
    stream = run_stream_sync(stalling.run_stream_events('Go'), deadlines=Deadlines(idle=0.05))
    with stream, pytest.raises(StreamTimeout) as raised:
        list(stream.text())
    assert (raised.value.phase, raised.value.text, stream.finish) == ('idle', 'One', 'timed_out')


def test_ctrl_c_while_a_view_waits_keeps_what_came() -> None:
    stalling = Agent(ScriptedModel(['One', Stall()]))
    stream, seen = run_stream_sync(stalling.run_stream_events('Go')), list[str]()

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), stream:  # noqa: PT012 - what came before counts too
        for piece in stream.text():
            seen.append(piece)
            threading.Timer(0.1, interrupt).start()
    assert (seen, stream.text_so_far, stream.finish) == (['One'], 'One', 'stopped')


def test_what_the_caller_has_set_holds_in_the_worker() -> None:
    who = contextvars.ContextVar('who', default='nobody')

    async def says(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
        yield who.get()

    asking = Agent(FunctionModel(stream_function=says))
    who.set('the caller')
    with run_stream_sync(asking.run_stream_events('Go')) as stream:
        assert stream.get_output() == 'the caller'


def test_an_override_of_the_agent_holds_in_the_worker() -> None:
    same = agent()
    with same.override(model=ScriptedModel(['Another.'])), run_stream_sync(same.run_stream_events('Go')) as stream:
        assert stream.get_output() == 'Another.'


def test_streams_share_one_thread() -> None:
    def threads() -> int:
        return sum(thread.name == 'pydantic-ai-streaming' for thread in threading.enumerate())

    for _ in range(3):
        with run_stream_sync(agent().run_stream_events('Go')) as stream:
            stream.get_output()
            assert threads() == 1


def test_several_streams_at_once() -> None:
    with run_stream_sync(agent().run_stream_events('Go')) as one, run_stream_sync(agent().run_stream('Go')) as two:
        assert (two.get_output(), one.get_output()) == ('One two three.', 'One two three.')


def test_a_stream_that_was_not_entered_says_so() -> None:
    stream = run_stream_sync(agent().run_stream_events('Go'))
    with pytest.raises(StreamUsageError, match='with'):
        list(stream.text())
    with pytest.raises(StreamUsageError, match='with run_stream_sync'):
        stream.get_output()


def test_a_stream_runs_once() -> None:
    with run_stream_sync(agent().run_stream_events('Go')) as stream:
        stream.get_output()
    with pytest.raises(StreamUsageError, match='runs once'), stream:
        pass


def test_connections_of_another_loop_are_explained() -> None:
    async def bound(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
        yield ''
        raise RuntimeError('<asyncio.locks.Event object> is bound to a different event loop')

    stream = run_stream_sync(Agent(FunctionModel(stream_function=bound)).run_stream_events('Go'))
    with stream, pytest.raises(StreamUsageError, match='a model of its own'):
        stream.get_output()


def test_the_worker_survives_a_failed_stream() -> None:
    with pytest.raises(TypeError):
        run_stream_sync('Go')  # pyright: ignore[reportCallIssue, reportArgumentType]
    wrapped = SyncRunStream(RunStream(agent().run_stream_events('Go')))
    with wrapped:
        assert wrapped.get_output() == 'One two three.'
    assert asyncio.run(agent().run('Go')).output == 'One two three.'


@pytest.mark.parametrize('depth', [1, 2, 3])
def test_a_tool_of_a_synchronous_stream_may_use_one_itself(depth: int) -> None:
    def at(depth: int) -> Agent[None, str]:
        outer = Agent(ScriptedModel([ToolCall('inside')], [f'Level {depth}.']))

        @outer.tool_plain
        async def inside() -> str:
            if depth == 0:
                return 'the bottom'
            with run_stream_sync(at(depth - 1).run_stream_events('Go')) as stream:
                return stream.get_output()

        return outer

    with run_stream_sync(at(depth).run_stream_events('Go')) as stream:
        assert stream.get_output() == f'Level {depth}.'


def test_tool_calls_and_the_timeline_are_there_without_await() -> None:
    agent: Agent[None, str] = Agent(ScriptedModel([ToolCall('clock')], ['Done.']))

    @agent.tool_plain
    def clock() -> str:
        return 'noon'

    with run_stream_sync(agent.run_stream_events('Go')) as stream:
        calls = list(stream.tool_calls())
    assert [(call.state, call.result) for call in calls][-1] == ('returned', 'noon')
    assert [call.name for call in stream.timeline.calls] == ['clock']
