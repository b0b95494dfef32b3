"""Runs that do not end when they are told to, and what starts while a runner closes: streams and `close` end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from pydantic_ai import Agent

from pydantic_ai_streaming import Chat, Deadlines, RunnerClosed, RunStream, Smoothing, TooManyRuns, TurnInProgress
from pydantic_ai_streaming.errors import StoreUnavailable
from pydantic_ai_streaming.logs import MemoryBackend, StreamLog, Write
from pydantic_ai_streaming.serve import AGUI, AISDK, Frames, LiveStreams, StreamRunner, WireFormat
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

pytestmark = pytest.mark.virtual_time

PATIENCE = 5.0
BUSY = 100.0
"""Seconds that a tool takes, whatever it is told."""


def now() -> float:
    return asyncio.get_running_loop().time()


async def never_minding(seconds: float) -> None:
    """Swallow each cancellation."""
    until = now() + seconds
    while now() < until:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(until - now())


def stubborn(seconds: float = BUSY) -> Agent:
    agent = Agent(ScriptedModel(['One ', ToolCall('stay')], ['two.']))

    @agent.tool_plain
    async def stay() -> str:
        await never_minding(seconds)
        return 'stayed'

    return agent


def run(agent: Agent | None = None, **settings: Any) -> RunStream[Any]:
    return RunStream((agent or stubborn()).run_stream_events('Go'), **settings)


async def entries(runner: StreamRunner, stream_id: str) -> tuple[list[dict[str, Any]], float]:
    """The payloads of a stream, and when it ended."""
    found = [entry async for part in await runner.log.follow(stream_id) for entry in part.entries]
    payloads = [one.payload(entry) for entry in found for one in runner.formats.values()]
    return [json.loads(one) for one in payloads if one not in (None, b'[DONE]')], now()


@pytest.mark.parametrize('formats', [[Frames()], [Frames(smoothing=Smoothing())], [AISDK()], [AGUI()]])
async def test_a_tool_that_swallows_its_cancellation_holds_up_no_stream_that_was_stopped(
    formats: list[WireFormat], caplog: pytest.LogCaptureFixture
) -> None:
    runner = StreamRunner(formats=formats, patience=PATIENCE, grace=0)
    async with runner:
        stream_id = await runner.start(run())
        await asyncio.sleep(1)
        assert await runner.stop(stream_id)
        told, ended = await entries(runner, stream_id)
        assert ended == 1 + PATIENCE
        assert any(one.get('finish') == 'stopped' or one['type'] in ('abort', 'RUN_FINISHED') for one in told[-3:])
        assert ([], [stream_id]) == (runner.ids, runner.left_behind)
        assert f'Stream {stream_id} ends although its run goes on' in caplog.text
        assert "tools ['stay'] run" in caplog.text
        assert not await runner.stop(stream_id)
        before = (await runner.log.head(stream_id)).version
        await asyncio.sleep(BUSY)
        assert (await runner.log.head(stream_id)).version == before, 'what comes of it later is in no stream'
        assert runner.left_behind == []
        assert 'has ended after all' in caplog.text


async def test_a_call_that_goes_on_is_told_as_unfinished_before_the_end() -> None:
    async with StreamRunner(patience=PATIENCE, grace=0) as runner:
        stream_id = await runner.start(run())
        await asyncio.sleep(1)
        await runner.stop(stream_id)
        told, _ = await entries(runner, stream_id)
        assert [one.get('state') for one in told if one['type'] == 'tool_call'][-1] == 'unfinished'
        assert [one['type'] for one in told[-2:]] == ['stats', 'end']
        await asyncio.sleep(BUSY)


async def test_a_run_that_is_left_behind_keeps_its_place_and_its_chat_until_it_has_ended() -> None:
    chat = Chat(stubborn())
    async with StreamRunner(at_once=2, patience=PATIENCE, grace=0) as runner:
        stream_id = await runner.start(chat.send('Go'))
        await asyncio.sleep(1)
        await runner.stop(stream_id)
        await entries(runner, stream_id)
        with pytest.raises(TurnInProgress):
            await runner.start(chat.send('Go on'))
        await runner.start(run())
        with pytest.raises(TooManyRuns):
            await runner.start(run())
        await asyncio.sleep(BUSY)
        assert len(chat.messages) > 1, 'the turn is saved when its run has ended'
        await entries(runner, await runner.start(run(Agent(ScriptedModel(['One'])))))


@pytest.mark.parametrize('smoothing', [None, Smoothing()])
async def test_a_deadline_that_passes_while_a_tool_does_not_end_is_told_as_one(smoothing: Smoothing | None) -> None:
    async with StreamRunner(formats=[Frames(smoothing=smoothing)], patience=PATIENCE, grace=0) as runner:
        stream_id = await runner.start(run(deadlines=Deadlines(total=10)))
        told, ended = await entries(runner, stream_id)
        assert (told[-1]['type'], told[-1]['finish']) == ('error', 'timed_out')
        assert 10 + PATIENCE <= ended < 10 + PATIENCE + 1
        await asyncio.sleep(BUSY)


async def test_a_run_that_lets_go_within_the_patience_is_waited_for() -> None:
    async with StreamRunner(patience=PATIENCE, grace=0) as runner:
        stream_id = await runner.start(run(stubborn(PATIENCE - 1)))
        await asyncio.sleep(1)
        await runner.stop(stream_id)
        told, ended = await entries(runner, stream_id)
        assert (told[-1]['finish'], ended) == ('stopped', PATIENCE - 1)
        assert not runner.left_behind


async def test_a_tool_that_does_not_end_holds_up_no_closing(caplog: pytest.LogCaptureFixture) -> None:
    backend = MemoryBackend()
    runner = StreamRunner(StreamLog(backend), grace=10, patience=PATIENCE)
    async with runner:
        stream_id = await runner.start(run())
    assert now() == pytest.approx(10 + PATIENCE)
    assert f'Closed, although the runs of these streams go on: {stream_id}' in caplog.text
    async with StreamRunner(StreamLog(backend)) as other:
        told, _ = await entries(other, stream_id)
        assert told[-1] == {'type': 'end', 'finish': 'stopped'}
    await asyncio.sleep(BUSY)


class Away(MemoryBackend):
    """Does not answer while it is away, or says that it is."""

    def __init__(self) -> None:
        super().__init__()
        self.there = asyncio.Event()
        self.there.set()
        self.says_so = False

    async def commit(self, writes: Sequence[Write]) -> Any:
        if self.says_so:
            raise StoreUnavailable('away')
        await self.there.wait()
        return await super().commit(writes)


async def test_a_log_that_does_not_answer_and_a_tool_that_does_not_end_hold_up_a_closing_for_a_while_only() -> None:
    backend = Away()
    runner = StreamRunner(StreamLog(backend), grace=10, patience=PATIENCE)
    await runner.start(run())
    backend.there.clear()
    asyncio.get_running_loop().call_later(10 + PATIENCE + 5, backend.there.set)  # for what is in flight
    await runner.close()
    assert now() == pytest.approx(10 + PATIENCE + 5)
    await asyncio.sleep(BUSY)


async def test_a_tool_that_swallows_its_cancellation_holds_up_no_live_stream_and_no_end_of_its_application() -> None:
    async with LiveStreams() as streams:
        live = streams.start(run())
        other = streams.start(run())
        await asyncio.sleep(1)
        assert await streams.stop(live.id)
        assert now() == 1 + PATIENCE
        assert live.frames.items[-1] == '{"type":"end","finish":"stopped"}'
    assert now() == 1 + 2 * PATIENCE
    assert other.over
    await asyncio.sleep(BUSY)


@pytest.mark.parametrize(('after', 'ends'), [(0.05, 4), (1, 2)])
async def test_who_waits_long_for_a_stop_and_is_cancelled_cuts_short_what_clears_up(after: float, ends: float) -> None:
    agent = Agent(ScriptedModel([ToolCall('stay')]))
    cleared: list[float] = []

    @agent.tool_plain
    async def stay() -> str:
        try:
            await asyncio.sleep(BUSY)
        finally:
            try:
                await asyncio.sleep(3)
            finally:
                cleared.append(now())
        return 'stayed'

    live = LiveStreams().start(RunStream(agent.run_stream_events('Go')))
    await asyncio.sleep(1)
    stopping = asyncio.create_task(live.stop())
    await asyncio.sleep(after)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert cleared == [ends]
    assert live.frames.items[-1] == '{"type":"end","finish":"stopped"}'


class Endless(Frames):
    """Does not come to its end, or stays there."""

    where = 'after'

    async def encode(self, *args: Any, **options: Any) -> AsyncIterator[str]:
        async for text in super().encode(*args, **options):
            if self.where == 'before' and '"end"' in text:
                await asyncio.sleep(BUSY)
            yield text
        await asyncio.sleep(BUSY)


class EndlessBefore(Endless):
    where = 'before'


async def test_a_format_that_does_not_come_to_its_end_holds_up_no_closing() -> None:
    async with StreamRunner(formats=[Endless()], grace=1, patience=PATIENCE) as runner:
        await runner.start(run(Agent(ScriptedModel(['One']))))
    assert now() == pytest.approx(1 + PATIENCE + 5)


@pytest.mark.parametrize(('format', 'last'), [(Endless, 'end'), (EndlessBefore, 'error')])
async def test_what_takes_longer_than_anybody_waits_for_is_cut_short_and_has_one_end(
    monkeypatch: pytest.MonkeyPatch,
    format: type[Frames],  # noqa: A002 - as elsewhere
    last: str,
) -> None:
    monkeypatch.setattr('pydantic_ai_streaming.serve.live.Frames', format)
    live = LiveStreams().start(run(Agent(ScriptedModel(['One']))), include=('text',))
    await asyncio.sleep(1)
    stopping = asyncio.create_task(live.stop())
    await asyncio.sleep(1)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert [json.loads(one)['type'] for one in live.frames.items] == ['start', 'text', last]


class SlowToBegin:
    """A run that is entered late, whatever it is told."""

    def __init__(self) -> None:
        self.stream = run(Agent(ScriptedModel(['One'])))

    async def __aenter__(self) -> RunStream[Any]:
        await never_minding(BUSY)
        return await self.stream.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self.stream.__aexit__(None, None, None)


async def test_a_run_that_is_left_behind_before_it_has_begun_is_left_as_soon_as_it_begins(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = SlowToBegin()
    async with StreamRunner(patience=PATIENCE, grace=1) as runner:
        starting = asyncio.create_task(runner.start(source))
        await asyncio.sleep(1)
        await runner.stop(runner.ids[0])
        told, ended = await entries(runner, await starting)
        assert ([one['type'] for one in told], ended) == (['start', 'end'], 1 + PATIENCE)
        await asyncio.sleep(BUSY)
        assert source.stream.finish == 'stopped'
    assert not [one for one in caplog.records if one.exc_info]


async def test_a_log_that_cannot_be_reached_is_tried_until_the_closing_is_over_and_no_longer() -> None:
    backend = Away()
    runner = StreamRunner(StreamLog(backend), grace=10.25, patience=PATIENCE)
    await runner.start(run(Agent(ScriptedModel(['One']))))
    backend.says_so = True
    await runner.close()
    assert now() == pytest.approx(10.25 + PATIENCE + 5)


class TestStartAndClose:
    async def test_a_start_that_is_in_flight_begins_nothing_after_the_closing(self) -> None:
        backend = Away()
        runner = StreamRunner(StreamLog(backend), grace=10)
        await runner.open()
        backend.there.clear()
        stream = run()
        starting = asyncio.create_task(runner.start(stream, stream_id='a', owner='ann'))
        await asyncio.sleep(1)
        closing = asyncio.create_task(runner.close())
        await asyncio.sleep(1)
        backend.there.set()
        with pytest.raises(RunnerClosed):
            await starting
        await closing
        assert (now(), stream.started, runner.ids) == (2, False, [])
        assert not await backend.owned('ann'), 'no stream is left without an end'

    async def test_a_start_whose_log_never_answers_is_given_up_when_the_runner_closes(self) -> None:
        backend = Away()
        runner = StreamRunner(StreamLog(backend), grace=1, patience=1, at_once=1)
        await runner.open()
        backend.there.clear()
        starting = asyncio.create_task(runner.start(run()))
        await asyncio.sleep(1)
        asyncio.get_running_loop().call_later(30, backend.there.set)
        closing = asyncio.create_task(runner.close())
        with pytest.raises(RunnerClosed):
            await starting
        assert now() == 1 + 1 + 1 + 5
        await closing
        await runner.open()
        await entries(runner, await runner.start(run(Agent(ScriptedModel(['One'])))))  # it has left its place
        await runner.close()

    async def test_who_is_cancelled_while_it_starts_ends_no_run_and_uses_up_no_place(self) -> None:
        backend = Away()
        async with StreamRunner(StreamLog(backend), at_once=1) as runner:
            for turns in range(1, 8):
                backend.there.clear()
                stream_id = f's{turns}'
                starting = asyncio.create_task(runner.start(run(Agent(ScriptedModel(['One']))), stream_id=stream_id))
                for _ in range(turns):
                    await asyncio.sleep(0)
                starting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await starting
                backend.there.set()
                await asyncio.sleep(1)
                told, _ = await entries(runner, stream_id)
                assert [one['type'] for one in told] == ['start', 'text', 'stats', 'end']
                assert runner.ids == []

    async def test_nothing_is_started_by_a_runner_that_was_closed_until_it_is_opened_again(self) -> None:
        backend = Away()
        runner = StreamRunner(StreamLog(backend))
        async with runner:
            await entries(runner, await runner.start(run(Agent(ScriptedModel(['One'])))))
        stream = run(Agent(ScriptedModel(['One'])))
        backend.there.clear()
        with pytest.raises(RunnerClosed):
            await runner.start(stream)  # at once: the log is not asked
        backend.there.set()
        async with runner:
            told, _ = await entries(runner, await runner.start(stream))
            assert told[-1] == {'type': 'end', 'finish': 'complete'}

    async def test_a_runner_is_not_opened_while_it_closes(self) -> None:
        runner = StreamRunner(grace=10)
        await runner.start(run())
        closing = asyncio.create_task(runner.close())
        await asyncio.sleep(1)
        for again in (runner.open(), runner.start(run())):
            with pytest.raises(RunnerClosed):
                await again
        await closing
        await asyncio.sleep(BUSY)


async def test_an_owner_has_no_more_runs_at_once_than_may_be_and_others_have_theirs() -> None:
    async with StreamRunner(at_once=4, at_once_each=2, grace=0) as runner:
        run_of = lambda: run(Agent(ScriptedModel(['One'], gap=1)))  # noqa: E731
        first = await runner.start(run_of(), owner='ann')
        await runner.start(run_of(), owner='ann')
        with pytest.raises(TooManyRuns, match=r"2 runs of 'ann' go on.*at_once_each=2") as refused:
            await runner.start(run_of(), owner='ann')
        assert (refused.value.owner, refused.value.limit) == ('ann', 2)
        await runner.start(run_of())
        await runner.start(run_of(), owner='bob')
        with pytest.raises(TooManyRuns, match=r'4 runs go on.*\(at_once=4') as refused:
            await runner.start(run_of(), owner='bob')
        assert (refused.value.owner, refused.value.limit) == (None, 4)
        await entries(runner, first)
        await asyncio.sleep(0.1)
        await runner.start(run_of(), owner='ann')


async def test_starts_in_flight_count_for_their_owner() -> None:
    async with StreamRunner(at_once_each=1, grace=0) as runner:
        run_of = lambda: run(Agent(ScriptedModel(['One'], gap=1)))  # noqa: E731
        some = await asyncio.gather(*(runner.start(run_of(), owner='ann') for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in some] == [str, TooManyRuns, TooManyRuns]
        for _ in range(3):
            await runner.start(run_of())  # nobody's


@pytest.mark.parametrize(
    'setting', [{'patience': -1}, {'patience': float('nan')}, {'grace': -1}, {'at_once': 0}, {'at_once_each': 0}]
)
def test_settings_of_a_runner_that_cannot_be(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        StreamRunner(**setting)


async def test_a_second_turn_is_no_error_of_the_program(caplog: pytest.LogCaptureFixture) -> None:
    chat = Chat(Agent(ScriptedModel(['One'], ['Two'], gap=1)))
    async with StreamRunner() as runner:
        with caplog.at_level(logging.INFO):
            first = await runner.start(chat.send('Go'))
            with pytest.raises(TurnInProgress):
                await runner.start(chat.send('Go'))
            await entries(runner, first)
    (told,) = [one for one in caplog.records if 'was not begun' in one.message]
    assert (told.levelno, told.exc_info) == (logging.WARNING, None)
    assert not [one for one in caplog.records if one.levelno > logging.WARNING]


@asynccontextmanager
async def late() -> AsyncGenerator[RunStream[Any]]:
    """Waits for something with a timeout of its own, after which it goes on."""
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            try:
                await asyncio.sleep(BUSY)
            finally:
                await asyncio.sleep(1)  # it clears up
    async with run(Agent(ScriptedModel(['One'], gap=BUSY))) as stream:
        yield stream


async def test_a_stop_is_heard_while_a_timeout_of_the_program_ends_something_in_the_run() -> None:
    async with StreamRunner(patience=PATIENCE, grace=0) as runner:
        starting = asyncio.create_task(runner.start(late(), stream_id='s'))
        await asyncio.sleep(1.5)
        assert await runner.stop('s')
        told, ended = await entries(runner, await starting)
    assert told[-1] == {'type': 'end', 'finish': 'stopped'}
    assert ended <= 1.5 + PATIENCE
