"""A synchronous stream that is used in the thread that its run lives in: by an asynchronous tool, say."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic_ai import Agent

from pydantic_ai_streaming import Smoothing, StreamUsageError, SyncRunStream, run_stream_sync
from pydantic_ai_streaming.run import worker
from pydantic_ai_streaming.testing import ScriptedModel, Stall, ToolCall

Use = Callable[[SyncRunStream[str]], object]


@pytest.fixture(autouse=True)
def worker_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that waits for itself is left behind, and not shared with other tests."""
    monkeypatch.setattr(worker, '_workers', [])
    yield
    for left in worker._workers:  # pyright: ignore[reportPrivateUsage] - to end it
        worker._stop(left)  # pyright: ignore[reportPrivateUsage]


def in_time(work: Callable[[], object]) -> None:
    """Do it in a thread: what waits for ever fails after 10 s."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), 'waits for itself'
    if raised:
        raise raised[0]


def used_by_a_tool(use: Use) -> SyncRunStream[str]:
    """A run whose tool uses its stream, read to its end."""
    agent: Agent[None, str] = Agent(ScriptedModel(['Let me look. ', ToolCall('look')], ['Done.']))
    stream = run_stream_sync(agent.run_stream_events('Go'))

    @agent.tool_plain
    async def look() -> str:
        return str(use(stream))

    def read() -> None:
        with stream:
            list(stream.text())

    in_time(read)
    return stream


def words(*script: str | Stall) -> Agent[None, str]:
    return Agent(ScriptedModel(script))


def result(stream: SyncRunStream[str]) -> str | None:
    calls = [event.part for event in stream.events() if event.event_kind == 'function_tool_result']
    return str(calls[0].content) if calls else None


ANSWERED: dict[str, tuple[Use, str]] = {
    'text_so_far': (lambda stream: stream.text_so_far, 'Let me look. '),
    'messages': (lambda stream: len(stream.messages), '3'),
    'new_messages': (lambda stream: len(stream.new_messages), '3'),
    'stats': (lambda stream: stream.stats.pieces, '2'),
    'timeline': (lambda stream: [call.name for call in stream.timeline.calls], "['look']"),
    'usage': (lambda stream: stream.usage.requests, '1'),
    'finish': (lambda stream: stream.finish, 'None'),
    'text': (lambda stream: next(stream.text()), 'Let me look. '),
}


@pytest.mark.parametrize('what', ANSWERED)
def test_a_tool_is_told_at_once_what_has_come(what: str) -> None:
    use, answer = ANSWERED[what]
    stream = used_by_a_tool(use)
    assert (result(stream), stream.finish) == (answer, 'complete')


def test_an_output_validator_is_told_too() -> None:
    agent: Agent[None, str] = Agent(ScriptedModel(['Done.']))
    stream, told = run_stream_sync(agent.run_stream_events('Go')), list[object]()

    @agent.output_validator
    async def check(output: str) -> str:
        told.append((stream.text_so_far, stream.stats.pieces))
        return output

    def read() -> None:
        with stream:
            stream.get_output()

    in_time(read)
    assert told == [('Done.', 1)]


def test_a_tool_that_stops_its_run_does_not_wait_for_it() -> None:
    stream = used_by_a_tool(lambda stream: stream.stop())
    assert (stream.finish, stream.text_so_far) == ('stopped', 'Let me look. ')


AWAITED: dict[str, Use] = {
    'text': lambda stream: list(stream.text()),
    'smoothed': lambda stream: list(stream.text(smoothing=Smoothing())),
    'thinking': lambda stream: list(stream.thinking()),
    'events': lambda stream: list(stream.events()),
    'tool_calls': lambda stream: list(stream.tool_calls()),
    'get_output': lambda stream: stream.get_output(),
}


@pytest.mark.parametrize('what', AWAITED)
def test_a_tool_that_would_wait_for_its_own_end_is_told_so(what: str) -> None:
    with pytest.raises(StreamUsageError, match='text_so_far'):
        used_by_a_tool(AWAITED[what])


def test_a_tool_reads_on_with_await() -> None:
    """As the message says: what is there with `await` does not block the thread."""
    agent: Agent[None, str] = Agent(ScriptedModel([ToolCall('look')], ['Done.']))
    stream, seen = run_stream_sync(agent.run_stream_events('Go')), list[str]()

    async def follow() -> None:
        seen.extend([piece async for piece in stream.stream.text()])

    tasks: list[asyncio.Task[None]] = []

    @agent.tool_plain
    async def look() -> str:
        tasks.append(asyncio.create_task(follow()))
        return 'x'

    def read() -> None:
        with stream:
            stream.get_output()

    in_time(read)
    assert seen == ['Done.']


FROM_WITHIN: dict[str, tuple[Use, object]] = {
    'text_so_far': (lambda stream: stream.text_so_far, 'Let me look. '),
    'messages': (lambda stream: len(stream.messages), 3),
    'text': (lambda stream: next(stream.text()), 'Let me look. '),
    'stop': (lambda stream: stream.stop(), None),
}


WAITING: dict[Any, Any] = vars(worker)['_waiting']


@pytest.mark.parametrize('what', [*FROM_WITHIN, 'get_output'])
def test_a_tool_of_a_stream_within_the_stream_asks_the_outer_one(what: str) -> None:
    """The thread of the outer run waits for the inner one, and the tool of that would wait for it."""
    inner: Agent[None, str] = Agent(ScriptedModel([ToolCall('look')], ['Inside.']))
    told: list[object] = []
    has_begun = threading.Event()

    def use(stream: SyncRunStream[str]) -> str:
        @inner.tool_plain
        async def look() -> str:
            while not (has_begun.is_set() and WAITING):  # noqa: ASYNC110 - until the outer one's thread waits
                await asyncio.sleep(0.005)
            if what == 'get_output':
                with pytest.raises(StreamUsageError, match='for ever'):
                    stream.get_output()
                told.append('an error')
            else:
                told.append(FROM_WITHIN[what][0](stream))
            return 'x'

        with run_stream_sync(inner.run_stream_events('Go')) as within:
            has_begun.set()
            return within.get_output()

    stream = used_by_a_tool(use)
    assert told == ['an error' if what == 'get_output' else FROM_WITHIN[what][1]]
    assert stream.finish == ('stopped' if what == 'stop' else 'complete')


def test_a_tool_of_another_run_is_told_all_about_one_that_is_over_and_stops_one_that_goes_on() -> None:
    over = run_stream_sync(words('One ', 'two.').run_stream_events('Go'))
    going_on = run_stream_sync(words('Kept', Stall()).run_stream_events('Go'))
    agent: Agent[None, str] = Agent(ScriptedModel([ToolCall('look')], ['Done.']))
    told: list[object] = []

    @agent.tool_plain
    async def look() -> str:
        told.extend([over.get_output(), list(over.text()), over.stop()])
        going_on.stop()
        return 'x'

    def read() -> None:
        with over, going_on:
            over.get_output()
            next(going_on.text())
            with run_stream_sync(agent.run_stream_events('Go')) as stream:
                stream.get_output()
            assert ''.join(going_on.text()) == 'Kept'

    in_time(read)
    assert told == ['One two.', ['One ', 'two.'], None]
    assert going_on.finish == 'stopped'
