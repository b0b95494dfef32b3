"""Several runs side by side: in order of arrival, so many at once, ended together, and nothing of them left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, TypeVar, assert_type, cast

import anyio
import pytest
from inline_snapshot import snapshot
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.conversation_store import InMemoryConversationStore
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import PartStartEvent

from pydantic_ai_streaming import (
    Chat,
    ConversationChanged,
    Deadlines,
    Merged,
    Retraction,
    RunStream,
    Smoothing,
    StreamTimeout,
    StreamUsageError,
    TurnInProgress,
    merge,
    run_stream_sync,
)
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Stall, Thinking, ToolCall

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

T = TypeVar('T')
BROKEN = ModelHTTPError(500, 'scripted')


class Movie(BaseModel):
    title: str
    year: int


def now() -> float:
    return asyncio.get_running_loop().time()


def stream_of(*steps: Any, gap: float = 1.0, deadlines: Deadlines | None = None) -> RunStream[str]:
    return RunStream(Agent(ScriptedModel(steps, gap=gap)).run_stream_events('Go'), deadlines=deadlines)


def closings(*models: ScriptedModel) -> list[str | None]:
    return [request.closed for model in models for request in model.requests]


async def timed(view: AsyncIterator[tuple[str, T]]) -> list[tuple[float, str, T]]:
    return [(now(), name, item) async for name, item in view]


async def read_into(
    seen: dict[str, str], runs: Merged[str, str], *, smoothing: Smoothing | None = None, after: float = 0
) -> None:
    async with runs:
        await asyncio.sleep(after)
        async for name, piece in runs.text(smoothing=smoothing):
            seen[name] = seen.get(name, '') + piece


# Order


async def test_pieces_come_in_order_of_arrival_with_the_name_of_their_run() -> None:
    streams = {'slow': stream_of('a', 'b', gap=3.5), 'quick': stream_of('1', '2', '3', gap=2)}
    async with merge(streams) as runs:
        seen = await timed(runs.text())
    assert seen == snapshot(
        [(2.0, 'quick', '1'), (3.5, 'slow', 'a'), (4.0, 'quick', '2'), (6.0, 'quick', '3'), (7.0, 'slow', 'b')]
    )


async def test_every_view_has_the_same_order_even_where_the_clock_cannot_tell() -> None:
    names = 'abcdefgh'
    async with merge({name: stream_of(*'12345', gap=1) for name in names}) as runs:
        first, early = asyncio.create_task(timed(runs.text())), runs.text()
        await asyncio.sleep(2.5)
        middle = asyncio.create_task(timed(runs.text()))
        seen = [(name, piece) for _, name, piece in await first]
        assert [(name, piece) for _, name, piece in await middle] == seen
        assert [one async for one in early] == seen
    assert [one async for one in runs.text()] == seen
    assert len(seen) == 40


async def test_a_view_that_was_left_goes_on_where_it_was() -> None:
    async with merge({'a': stream_of('1', '2'), 'b': stream_of('3', '4')}) as runs:
        view = runs.text()
        async for _ in view:
            break
        assert len([one async for one in view]) == 3


async def test_a_consumer_that_takes_its_time_holds_up_no_model() -> None:
    streams = {'a': stream_of('1', '2', '3'), 'b': stream_of('4', '5', '6')}
    async with merge(streams) as runs:
        async for _ in runs.text():
            await asyncio.sleep(100)
    assert [stream.timeline.duration for stream in runs.streams.values()] == [3, 3]


async def test_results_are_in_the_order_given_whoever_is_first() -> None:
    streams = {'last': stream_of('x', gap=9), 'first': stream_of('y', gap=1), 'second': stream_of('z', gap=5)}
    async with merge(streams) as runs:
        await asyncio.sleep(6)
        assert list(runs.outputs.items()) == [('first', 'y'), ('second', 'z')]
        outputs = await runs.get_outputs()
    assert list(outputs.items()) == [('last', 'x'), ('first', 'y'), ('second', 'z')]
    assert list(runs.streams) == ['last', 'first', 'second']


@pytest.mark.parametrize('seed', range(40))
async def test_joined_the_pieces_are_the_text_of_each_model_and_all_views_have_one_order(seed: int) -> None:
    draw = random.Random(seed)
    texts = [[f'{draw.choice("abc ")}{k} ' for k in range(draw.randint(1, 12))] for _ in range(5)]
    gaps = [draw.choice([0, 0.01, 0.3, 1]) for _ in texts]
    streams = {n: stream_of(*pieces, gap=gap) for n, (pieces, gap) in enumerate(zip(texts, gaps, strict=True))}
    at_once = draw.choice([None, 1, 2, 4])

    async def read(view: AsyncIterator[tuple[int, str]], pause: float) -> list[tuple[int, str]]:
        order: list[tuple[int, str]] = []
        async for one in view:
            order.append(one)
            await asyncio.sleep(pause)
        return order

    async with merge(streams, at_once=at_once) as runs:
        readers: list[asyncio.Task[list[tuple[int, str]]]] = []
        for _ in range(4):
            smoothing = draw.choice([None, Smoothing(), Smoothing(by='grapheme', max_lag=0.1)])
            readers.append(asyncio.create_task(read(runs.text(smoothing=smoothing), draw.choice([0, 0.05, 2]))))
            await asyncio.sleep(draw.choice([0, 0.4, 3]))
        order = await read(runs.text(), 0)
        for reader in readers:
            seen = await reader
            for n, pieces in enumerate(texts):
                assert ''.join(piece for name, piece in seen if name == n) == ''.join(pieces)
    assert await read(runs.text(), 0) == order
    assert runs.outputs == {n: ''.join(pieces) for n, pieces in enumerate(texts)}
    if at_once is None:
        counts = [0] * len(texts)
        instants: list[float] = []
        for name, piece in order:
            assert piece == texts[name][counts[name]]
            counts[name] += 1
            instants.append(round(counts[name] * gaps[name], 6))
        assert instants == sorted(instants)


# Views


async def test_each_run_has_a_pace_of_its_own() -> None:
    burst = 'One two three four five six seven eight nine ten. '
    streams = {'even': stream_of(*['word '] * 30, gap=0.1), 'bursts': stream_of(*[burst] * 6, gap=0.5)}
    alone: dict[str, list[tuple[float, str]]] = {}
    for name, pieces, gap in (('even', ['word '] * 30, 0.1), ('bursts', [burst] * 6, 0.5)):
        begin = now()
        async with stream_of(*pieces, gap=gap) as stream:
            alone[name] = [(round(now() - begin, 6), piece) async for piece in stream.text(smoothing=Smoothing())]
    begin = now()
    async with merge(streams) as runs:
        seen = await timed(runs.text(smoothing=Smoothing()))
    for name, pieces in alone.items():
        mine = [(at - begin, piece) for at, other, piece in seen if other == name]
        assert ''.join(piece for _, piece in mine) == ''.join(piece for _, piece in pieces)
        # The other run may wake the view in between, and then a piece comes a little earlier or with less of it.
        assert abs(len(mine) - len(pieces)) <= 0.2 * len(pieces), name
        assert abs(mine[-1][0] - pieces[-1][0]) < 0.05, name
        assert max(b[0] - a[0] for a, b in pairwise(mine)) <= 0.3, name


async def test_paced_text_of_all_runs_is_shown_to_its_end_before_the_failure() -> None:
    whole = {'fails': 'All of this is shown', 'other': 'and this, although it came at once. ' * 5}
    streams = {
        'fails': stream_of('All of this ', 'is shown', Fail(BROKEN), gap=0.1),
        'other': stream_of(whole['other'], Stall(), gap=0.19),
    }
    seen: dict[str, str] = {}
    runs = merge(streams)
    with pytest.raises(ModelHTTPError):
        await read_into(seen, runs, smoothing=Smoothing(max_lag=5))
    assert (seen, now()) == (whole, 0.2)
    view = runs.text(smoothing=Smoothing())
    assert dict([await anext(view), await anext(view)]) == whole
    with pytest.raises(ModelHTTPError):
        await anext(view)


async def test_a_rejected_attempt_is_announced_in_the_text_of_its_run() -> None:
    agent = Agent(ScriptedModel(['It is 4.'], ['It is 5.'], gap=1))

    @agent.output_validator
    def odd(text: str) -> str:
        if '4' in text:
            raise ModelRetry('even')
        return text

    async with merge({'a': RunStream(agent.run_stream_events('Go')), 'b': stream_of('So', gap=5)}) as runs:
        plain = [one async for one in runs.text()]
        paced = [one async for one in runs.text(smoothing=Smoothing())]
    assert plain == [('a', 'It is 4.'), ('a', ''), ('a', 'It is 5.'), ('b', 'So')]
    assert [name for name, piece in paced if isinstance(piece, Retraction)] == ['a']


async def test_all_events_of_all_runs_are_there_and_in_order() -> None:
    async with merge({'a': stream_of('1', '2', gap=2), 'b': stream_of('3', '4', gap=3)}) as runs:
        seen = await timed(runs.events())
        for name, stream in runs.streams.items():
            assert [event for _, other, event in seen if other == name] == [event async for event in stream.events()]
    assert [(at, name) for at, name, event in seen if isinstance(event, PartStartEvent)] == [(2.0, 'a'), (3.0, 'b')]


async def test_structured_outputs_fill_in_side_by_side() -> None:
    def movie(title: str, gap: float) -> RunStream[Movie]:
        call = ToolCall('final_result', f'{{"title": "{title}", "year": 1965}}', pieces=12)
        return RunStream(Agent(ScriptedModel([call], gap=gap), output_type=Movie).run_stream_events('Go'))

    async with merge({'a': movie('Dune', 2), 'b': movie('Alphaville', 3.5)}) as runs:
        seen = [
            (at, name, partial.value.title if partial.value else None, partial.is_final)
            for at, name, partial in await timed(runs.partial_outputs())
        ]
    assert seen == snapshot(
        [
            (4.0, 'a', 'D', False),
            (6.0, 'a', 'Dune', False),
            (7.0, 'b', 'A', False),
            (8.0, 'a', 'Dune', False),
            (8.0, 'a', 'Dune', True),
            (10.5, 'b', 'Alphaville', False),
            (17.5, 'b', 'Alphaville', False),
            (17.5, 'b', 'Alphaville', True),
        ]
    )
    assert runs.outputs == {'a': Movie(title='Dune', year=1965), 'b': Movie(title='Alphaville', year=1965)}


async def test_a_plain_text_among_structured_outputs_is_a_mistake_that_is_told() -> None:
    async with merge({'a': stream_of('Text')}) as runs:
        with pytest.raises(StreamUsageError, match='plain text'):
            [_ async for _ in runs.partial_outputs()]


async def test_tool_calls_of_all_runs_show_to_their_ends() -> None:
    def calling(tool: str, seconds: float) -> RunStream[str]:
        agent = Agent(ScriptedModel([ToolCall(tool)], ['Done.'], gap=1))

        async def work() -> str:
            await asyncio.sleep(seconds)
            return 'fine'

        agent.tool_plain(name=tool)(work)
        return RunStream(agent.run_stream_events('Go'), deadlines=Deadlines(total=10))

    async with merge({'a': calling('dig', 2), 'b': calling('wait', 60)}, on_error='isolate') as runs:
        seen = [(at, name, call.name, call.state) for at, name, call in await timed(runs.tool_calls())]
    assert seen == snapshot(
        [
            (1.0, 'a', 'dig', 'calling'),
            (1.0, 'b', 'wait', 'calling'),
            (1.0, 'a', 'dig', 'called'),
            (1.0, 'b', 'wait', 'called'),
            (1.0, 'a', 'dig', 'running'),
            (1.0, 'b', 'wait', 'running'),
            (3.0, 'a', 'dig', 'returned'),
            (10.0, 'b', 'wait', 'unfinished'),
        ]
    )


async def test_thinking_has_a_view_too() -> None:
    async with merge({'a': stream_of(Thinking('Hm'), 'So.'), 'b': stream_of('No.')}) as runs:
        assert [one async for one in runs.thinking()] == [('a', 'Hm')]


# How many at once


async def test_no_more_run_at_once_than_allowed_and_the_next_one_follows_at_once() -> None:
    streams = {name: stream_of('x', gap=gap) for name, gap in {'a': 4, 'b': 1, 'c': 2, 'd': 3}.items()}
    async with merge(streams, at_once=2) as runs:
        begun: list[tuple[float, list[str]]] = []
        await asyncio.sleep(0.25)
        while len(runs.outputs) < 4:
            await asyncio.sleep(0.5)
            if not begun or begun[-1][1] != list(runs.streams):
                begun.append((now(), list(runs.streams)))
        seen = await timed(runs.text())
    assert begun == [(0.75, ['a', 'b']), (1.25, ['a', 'b', 'c']), (3.25, ['a', 'b', 'c', 'd'])]
    assert [name for _, name, _ in seen] == ['b', 'c', 'a', 'd']


async def test_who_waits_for_a_turn_is_not_late() -> None:
    deadlines = Deadlines(first=2, total=3)
    streams = {name: stream_of('x', 'y', gap=1, deadlines=deadlines) for name in 'abcd'}
    async with merge(streams, at_once=1) as runs:
        assert await runs.get_outputs() == dict.fromkeys('abcd', 'xy')
    assert now() == 8


# Failures


async def test_the_first_failure_ends_all_and_is_raised_after_what_came_before() -> None:
    models = [ScriptedModel(['1', '2', '3'], gap=3), ScriptedModel(['x', Fail(BROKEN)], gap=2)]
    waiting = stream_of('never')
    streams = {str(n): RunStream(Agent(model).run_stream_events('Go')) for n, model in enumerate(models)}
    seen: dict[str, str] = {}
    runs = merge({**streams, 'waiting': waiting}, at_once=2)
    with pytest.raises(ModelHTTPError) as caught:
        await read_into(seen, runs, after=2.5)
    assert caught.value is BROKEN
    assert now() == 2.5
    assert seen == {'1': 'x'}
    assert [stream.finish for stream in runs.streams.values()] == ['stopped', 'failed']
    assert closings(*models) == ['cancelled', 'failed']
    assert (list(runs.errors), runs.outputs, waiting.started) == (['1'], {}, False)


async def test_a_failure_that_nobody_saw_is_raised_when_leaving() -> None:
    with pytest.raises(ModelHTTPError):
        async with merge({'a': stream_of(Fail(BROKEN)), 'b': stream_of('x', gap=5)}):
            await asyncio.sleep(1)
    assert now() == 1


async def test_a_failure_that_was_seen_is_not_raised_again() -> None:
    async with merge({'a': stream_of(Fail(BROKEN)), 'b': stream_of('x', gap=5)}) as runs:
        with pytest.raises(ModelHTTPError):
            await runs.get_outputs()
    async with merge({'a': stream_of(Fail(BROKEN)), 'b': stream_of('x', gap=5)}) as runs:
        with pytest.raises(ModelHTTPError):
            await anext(runs.text())


async def test_an_error_of_the_program_comes_before_those_of_the_runs() -> None:
    async def fail_later() -> None:
        async with merge({'a': stream_of(Fail(BROKEN))}):
            await asyncio.sleep(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_later()


async def test_of_failures_at_the_same_instant_one_is_raised_and_all_are_told() -> None:
    first, second = ModelHTTPError(501, 'first'), ModelHTTPError(502, 'second')
    runs = merge({'a': stream_of('x', Fail(first)), 'b': stream_of('y', Fail(second))})
    with pytest.raises(ModelHTTPError) as caught:
        async with runs:
            await runs.get_outputs()
    assert caught.value is first
    assert runs.errors == {'a': first, 'b': second}


async def test_isolated_failures_let_the_others_go_on_and_are_never_raised() -> None:
    streams = {
        'broken': stream_of('half', Fail(BROKEN)),
        'silent': stream_of('some', Stall(), deadlines=Deadlines(idle=2)),
        'fine': stream_of(*'12345'),
    }
    async with merge(streams, on_error='isolate') as runs:
        seen = await timed(runs.text())
        assert await runs.get_outputs() == {'fine': '12345'}
    assert [(at, name) for at, name, _ in seen][-1] == (5.0, 'fine')
    assert {name for _, name, _ in seen} == set(streams)
    assert list(runs.errors) == ['broken', 'silent']
    assert isinstance(runs.errors['silent'], StreamTimeout)
    assert runs.streams['broken'].text_so_far == 'half'


async def test_isolated_failures_may_be_all_there_is() -> None:
    async with merge({'a': stream_of(Fail(BROKEN)), 'b': stream_of(Fail(BROKEN))}, on_error='isolate') as runs:
        assert [one async for one in runs.text(smoothing=Smoothing())] == []
    assert (runs.outputs, list(runs.errors)) == ({}, ['a', 'b'])


async def test_a_failure_gives_its_place_to_the_next() -> None:
    streams = {'a': stream_of(Fail(BROKEN)), 'b': stream_of('x'), 'c': stream_of('y')}
    async with merge(streams, at_once=1, on_error='isolate') as runs:
        assert await runs.get_outputs() == {'b': 'x', 'c': 'y'}


async def test_a_run_that_does_not_unwind_holds_back_neither_the_failure_nor_the_end_of_the_others() -> None:
    agent = Agent(ScriptedModel([ToolCall('stubborn')], gap=0.5))

    @agent.tool_plain
    async def stubborn() -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(50)

    late = RunStream(agent.run_stream_events('Go'), deadlines=Deadlines(total=1))
    runs = merge({'late': late, 'other': stream_of(*'123', gap=0.4)})
    async with runs:
        with pytest.raises(StreamTimeout):
            [_ async for _ in runs.text()]
        assert now() == pytest.approx(1.025)
        await asyncio.sleep(0.1)
        assert runs.streams['other'].finish == 'stopped'
    assert now() == pytest.approx(51)


# Ways out


async def leave_at_the_end(runs: Merged[str, str]) -> None:
    async for _ in runs.text():
        pass


async def leave_with_a_break(runs: Merged[str, str]) -> None:
    async for _ in runs.text():
        break


async def leave_with_an_error(runs: Merged[str, str]) -> None:
    async for _ in runs.text(smoothing=Smoothing()):
        raise ZeroDivisionError


async def leave_at_once(runs: Merged[str, str]) -> None:
    pass


async def leave_cancelled(runs: Merged[str, str]) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().call_later(2.5, task.cancel)
    async for _ in runs.tool_calls():
        pass


WAYS: list[Callable[[Merged[str, str]], Any]] = [
    leave_at_the_end,
    leave_with_a_break,
    leave_with_an_error,
    leave_at_once,
    leave_cancelled,
]


@pytest.mark.parametrize('at_once', [None, 1])
@pytest.mark.parametrize('leave', WAYS)
async def test_every_way_out_closes_all_connections(
    leave: Callable[[Merged[str, str]], Any], at_once: int | None
) -> None:
    models = [ScriptedModel(['1', '2', '3'], gap=1), ScriptedModel(['x', 'y'], gap=3)]
    streams = {str(n): RunStream(Agent(model).run_stream_events('Go')) for n, model in enumerate(models)}

    async def use() -> Merged[str, str]:
        runs = merge(streams, at_once=at_once)
        async with runs:
            await leave(runs)
        return runs

    done = (await asyncio.gather(use(), return_exceptions=True))[0]
    assert isinstance(done, Merged | ZeroDivisionError | asyncio.CancelledError)
    assert None not in closings(*models)
    if leave is leave_at_the_end:
        assert closings(*models) == ['complete', 'complete']
    else:
        assert set(closings(*models)) <= {'left', 'cancelled'}
    for stream in streams.values():
        assert not stream.started or stream.finish in ('complete', 'stopped')


async def test_a_scope_of_anyio_around_it_ends_it_as_any_other_cancellation_does() -> None:
    models = [ScriptedModel([*'123456'], gap=1) for _ in range(3)]
    streams = {n: RunStream(Agent(model).run_stream_events('Go')) for n, model in enumerate(models)}
    with anyio.move_on_after(2.5) as scope:
        async with merge(streams, at_once=2) as runs:
            async for _ in runs.text(smoothing=Smoothing()):
                pass
    assert scope.cancelled_caught
    assert now() == 2.5
    assert [streams[n].text_so_far for n in (0, 1)] == ['12', '12']
    assert (set(closings(*models)), streams[2].started) == ({'cancelled'}, False)


async def test_one_run_can_be_stopped_and_one_called_off_while_the_others_go_on() -> None:
    streams = {'long': stream_of(*'123456789'), 'short': stream_of('x', gap=4), 'off': stream_of('y')}
    async with merge(streams, at_once=2) as runs:
        await asyncio.sleep(2.5)
        await runs.stop('long', 'off')
        assert await runs.get_outputs() == {'short': 'x'}
        await runs.stop('long')
    assert now() == 4
    assert (runs.streams['long'].finish, runs.streams['long'].text_so_far) == ('stopped', '12')
    assert (runs.errors, streams['off'].started) == ({}, False)


async def test_a_stream_that_somebody_else_stops_is_no_failure() -> None:
    streams = {'a': stream_of(*'12345'), 'b': stream_of('x', gap=3)}
    async with merge(streams) as runs:
        await asyncio.sleep(1.5)
        await runs.streams['a'].stop()
        assert await runs.get_outputs() == {'b': 'x'}
    assert runs.errors == {}


async def test_views_end_when_everything_is_stopped_before_it_began() -> None:
    async with merge({'a': stream_of('1'), 'b': stream_of('2')}) as runs:
        await runs.stop()
        assert [one async for one in runs.text(smoothing=Smoothing())] == []
        assert [one async for one in runs.events()] == []
    assert runs.streams == {}


async def test_a_tool_can_stop_all_runs_its_own_too() -> None:
    agent = Agent(ScriptedModel([ToolCall('enough')], gap=1))
    merged: list[Merged[str, str]] = []

    @agent.tool_plain
    async def enough() -> str:
        await merged[0].stop()
        return 'never told'

    async with merge({'a': RunStream(agent.run_stream_events('Go')), 'b': stream_of('x', gap=5)}) as runs:
        merged.append(runs)
        assert await runs.get_outputs() == {}
    assert now() == 1
    assert [stream.finish for stream in runs.streams.values()] == ['stopped', 'stopped']


async def test_runs_begin_in_order_with_eager_tasks_too() -> None:
    factory = getattr(asyncio, 'eager_task_factory', None)
    if factory is None:
        pytest.skip('Python 3.12 has eager tasks')
    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    try:
        streams = {'a': stream_of(Fail(BROKEN), gap=0), 'b': stream_of('x', gap=0), 'c': stream_of('y', gap=1)}
        async with merge(streams, at_once=2, on_error='isolate') as runs:
            assert [one async for one in runs.text()] == [('b', 'x'), ('c', 'y')]
        assert list(runs.errors) == ['a']
    finally:
        loop.set_task_factory(None)


# Turns of chats


async def test_turns_of_forks_answer_the_same_prompt_side_by_side() -> None:
    agent = Agent(ScriptedModel(['Hello.'], ['Sun', 'ny.'], ['Rai', 'ny.'], gap=1))
    chat = Chat(agent)
    async with chat.send('Hi') as stream:
        await stream.get_output()
    forks = {'a': await chat.fork(), 'b': await chat.fork()}
    async with merge({name: fork.send('How is it?') for name, fork in forks.items()}) as runs:
        assert len([one async for one in runs.text()]) == 4
    assert runs.outputs == {'a': 'Sunny.', 'b': 'Rainy.'}
    assert [fork.exchanges[-1].text for fork in forks.values()] == ['Sunny.', 'Rainy.']
    assert [len(fork.conversation.messages) for fork in forks.values()] == [4, 4]


async def test_turns_of_one_chat_fail_side_by_side_and_work_one_by_one() -> None:
    chat = Chat(Agent(ScriptedModel(['One.'], ['Two.'], gap=1, loop=True)))
    async with merge({'a': chat.send('1'), 'b': chat.send('2')}, on_error='isolate') as runs:
        assert await runs.get_outputs() == {'a': 'One.'}
    assert isinstance(runs.errors['b'], TurnInProgress)
    async with merge({'a': chat.send('1'), 'b': chat.send('2')}, at_once=1) as runs:
        await runs.get_outputs()
    assert [exchange.prompt for exchange in chat.exchanges] == ['1', '1', '2']


@pytest.mark.parametrize('stopped', [False, True])
async def test_a_turn_that_could_not_be_saved_is_told(stopped: bool) -> None:
    store = InMemoryConversationStore()
    chat, other = (Chat(Agent(ScriptedModel(['Hi.'], gap=gap)), store, 'c') for gap in (5, 1))
    runs = merge({'a': chat.send('1')})

    async def use() -> None:
        async with runs:
            async with other.send('2') as stream:
                await stream.get_output()
            if not stopped:
                await runs.get_outputs()

    with pytest.raises(ConversationChanged):
        await use()
    assert list(runs.errors) == ['a']


# Mistakes


@pytest.mark.parametrize(
    ('streams', 'options', 'message'),
    [
        (dict, {}, 'at least one stream'),
        (lambda: [stream_of('x')], {}, 'merge needs names'),
        (lambda: {'a': stream_of('x')}, {'at_once': 0}, 'at_once=0'),
        (lambda: {'a': stream_of('x')}, {'at_once': -1}, 'at_once=-1'),
        (lambda: {'a': stream_of('x')}, {'at_once': 1.5}, 'at_once=1.5'),
        (lambda: {'a': stream_of('x')}, {'at_once': True}, 'at_once=True'),
        (lambda: {'a': stream_of('x')}, {'on_error': 'ignore'}, "use 'raise' or 'isolate'"),
        (lambda: {'a': 'x'}, {}, "'a' is a str: merge needs RunStream"),
        (lambda: {'a': Agent(ScriptedModel('x')).run_stream_events('Go')}, {}, 'merge needs RunStream'),
        (lambda: {'a': Agent(ScriptedModel('x')).run_stream('Go')}, {}, 'merge needs RunStream'),
        (lambda: {'a': run_stream_sync(Agent(ScriptedModel('x')).run_stream_events('Go'))}, {}, 'needs RunStream'),
        (lambda: dict.fromkeys('ab', stream_of('x')), {}, "'b' is there twice"),
    ],
)
async def test_what_cannot_be_merged_says_what_to_do(
    streams: Callable[[], Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError, StreamUsageError), match=message):
        merge(streams(), **options)


async def test_a_stream_that_was_entered_already_is_refused() -> None:
    async with stream_of('x') as stream:
        with pytest.raises(StreamUsageError, match="'a' was entered already"):
            merge({'a': stream})


async def test_a_context_that_gives_something_else_fails_when_it_is_entered() -> None:
    @asynccontextmanager
    async def text() -> AsyncGenerator[str]:
        yield 'text'

    with pytest.raises(TypeError, match="'a' gave a str, no RunStream"):
        async with merge(cast('Any', {'a': text()})) as runs:
            await runs.get_outputs()


async def test_runs_are_entered_once_and_before_they_are_read() -> None:
    runs = merge({'a': stream_of('x')})
    for early in (runs.text, runs.events):
        with pytest.raises(StreamUsageError, match='enter them first'):
            early()
    for early in (runs.stop, runs.get_outputs):
        with pytest.raises(StreamUsageError, match='enter them first'):
            await early()
    async with runs:
        await runs.get_outputs()
    with pytest.raises(StreamUsageError, match='entered before'):
        async with runs:
            pass


async def test_a_smoothing_that_is_none_is_refused() -> None:
    async with merge({'a': stream_of('x')}) as runs:
        with pytest.raises(TypeError, match='use Smoothing'):
            runs.text(smoothing=0.2)  # pyright: ignore[reportArgumentType]


# Types


async def test_names_and_outputs_keep_their_types() -> None:
    call = ToolCall('final_result', {'title': 'Dune', 'year': 1965})
    movies = Agent(ScriptedModel([call], loop=True), output_type=Movie)
    one = RunStream(movies.run_stream_events('Go'))
    async with merge({1: one}) as runs:
        assert_type(runs, Merged[int, Movie])
        assert_type(await runs.get_outputs(), dict[int, Movie])
        async for name, piece in runs.text():
            assert_type((name, piece), tuple[int, str])
        assert_type(runs.streams[1], RunStream[Movie])
    async with merge({'a': RunStream(movies.run_stream_events('Go')), 'b': stream_of('x')}) as both:
        assert_type(both, Merged[str, Movie | str])
        assert await both.get_outputs() == {'a': Movie(title='Dune', year=1965), 'b': 'x'}
    turn = Chat(movies).send('Go')
    async with merge({'a': turn}) as turns:
        assert_type(turns, Merged[str, Movie])
