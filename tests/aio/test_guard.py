"""`guard`: deadlines for any async iterator, and every way out closes the source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydantic_ai_streaming import Deadlines, StreamTimeout, guard, smooth
from pydantic_ai_streaming.aio.interruption import Interruption
from pydantic_ai_streaming.core.deadlines import Watchdog
from pydantic_ai_streaming.testing.virtual_time import run

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


class Source:
    """Yields pieces after the gaps it is given, and knows when it was closed."""

    def __init__(self, *steps: tuple[float, str | None]) -> None:
        self.steps = steps
        self.closed_at: float | None = None

    async def __aiter__(self) -> AsyncGenerator[str | None]:
        try:
            for gap, piece in self.steps:
                await asyncio.sleep(gap)
                yield piece
        finally:
            self.closed_at = now()


async def test_a_stream_in_time_passes_unchanged() -> None:
    source = Source((0.9, 'a'), (0.9, ''), (0.9, None), (0.09, 'b'))
    deadlines = Deadlines(first=1, idle=2, total=3)
    assert [piece async for piece in guard(source, deadlines)] == ['a', '', None, 'b']
    assert source.closed_at == pytest.approx(2.79)


@pytest.mark.parametrize(
    ('steps', 'deadlines', 'phase', 'at', 'text'),
    [
        ([(5.0, 'a')], Deadlines(first=2, idle=1), 'first', 2, ''),
        ([(1.0, 'a'), (5.0, 'b')], Deadlines(first=2, idle=1), 'idle', 2, 'a'),
        ([(1.0, 'a'), (0.5, ''), (0.5, None), (0.5, 'b')], Deadlines(idle=1.2), 'idle', 2.2, 'a'),
        ([(1.0, 'a')] * 9, Deadlines(idle=2, total=3.5), 'total', 3.5, 'aaa'),
        ([(0.6, 'a')] * 99, Deadlines(idle=1, min_rate=10, rate_window=2), 'rate', 2.6, 'aaaa'),
    ],
)
async def test_a_late_stream_ends_at_the_instant_of_its_deadline(
    steps: list[tuple[float, str]], deadlines: Deadlines, phase: str, at: float, text: str
) -> None:
    source, seen = Source(*steps), list[str | None]()
    with pytest.raises(StreamTimeout) as raised:  # noqa: PT012 - what came before counts too
        async for piece in guard(source, deadlines):
            seen.append(piece)
    assert (raised.value.phase, raised.value.text, now()) == (phase, text, at)
    assert ''.join(piece or '' for piece in seen) == text
    assert source.closed_at == at


async def test_what_the_consumer_takes_its_time_for_is_no_stall() -> None:
    source = Source((0.5, 'a'), (0.5, 'b'), (0.5, 'c'))
    seen: list[str | None] = []
    async for piece in guard(source, Deadlines(first=1, idle=1, min_rate=1, rate_window=1)):
        await asyncio.sleep(60)
        seen.append(piece)
    assert seen == ['a', 'b', 'c']


async def test_an_error_of_the_source_comes_through_as_it_is() -> None:
    async def broken() -> AsyncGenerator[str]:
        yield 'a'
        raise TimeoutError('mine')

    with pytest.raises(TimeoutError, match='mine'):
        async for _ in guard(broken(), Deadlines(idle=1)):
            pass


async def test_closing_or_leaving_closes_the_source() -> None:
    source = Source((1, 'a'), (1, 'b'))
    async with aclosing(guard(source, Deadlines(idle=5))) as guarded:
        async for _ in guarded:
            break
    assert source.closed_at == 1
    source = Source((1, 'a'), (1, 'b'))
    async for _ in guard(source, Deadlines(idle=5)):
        break
    await asyncio.sleep(0.5)  # the generator is collected, and the loop closes it
    assert source.closed_at == 2


async def test_cancelling_the_consumer_closes_the_source() -> None:
    source = Source((1, 'a'), (100, 'b'))

    async def consume() -> None:
        async for _ in guard(source, Deadlines(idle=500)):
            pass

    task = asyncio.ensure_future(consume())
    await asyncio.sleep(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closed_at == 3


async def test_no_cancellation_leaks_into_the_consumer() -> None:
    """Yielding inside a timeout would charge the consumer's time to it, and throw its cancellation at the consumer."""
    async for _ in guard(Source((0.5, 'a')), Deadlines(first=1, idle=1)):
        await asyncio.sleep(5)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_the_caller_says_what_counts_as_content() -> None:
    async def numbers() -> AsyncGenerator[int]:
        for number in (1, 0, 0, 0):
            await asyncio.sleep(1)
            yield number

    with pytest.raises(StreamTimeout, match='no content for 2 s') as raised:
        async for _ in guard(numbers(), Deadlines(idle=2), content=lambda number: number):
            pass
    assert (raised.value.text, now()) == ('', 3)


async def test_a_source_that_takes_no_notice_is_late_with_what_it_brings_next() -> None:
    async def deaf() -> AsyncGenerator[str]:
        for piece in 'abc':
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1 if piece == 'a' else 9)
            yield piece

    task, seen = asyncio.current_task(), list[str]()
    assert task is not None
    with pytest.raises(StreamTimeout, match='no content for 2 s') as raised:  # noqa: PT012 - what comes before counts
        async for piece in guard(deaf(), Deadlines(idle=2)):
            seen.append(piece)
    assert (seen, raised.value.text, now(), task.cancelling()) == (['a', 'b'], 'a', 3, 0)


async def deaf() -> AsyncGenerator[str]:
    yield 'a'
    for piece in 'bc':
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        yield piece


async def test_whoever_has_what_a_late_source_brings_all_the_same_is_not_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(TimeoutError) as raised:  # noqa: PT012 - what comes before counts too
        async with asyncio.timeout(5), aclosing(guard(deaf(), Deadlines(idle=2))) as stream:
            async for piece in stream:
                if piece == 'b':
                    assert task.cancelling() == 0
                    await asyncio.sleep(60)
    assert (type(raised.value), task.cancelling(), now()) == (TimeoutError, 0, 5)


async def test_a_failure_to_tell_what_counts_leaves_no_cancellation_behind() -> None:
    def content(piece: str) -> int:
        return {'a': 1}[piece]

    with pytest.raises(KeyError):
        async for _ in guard(deaf(), Deadlines(idle=2), content=content):
            pass
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize('at', [1, 1.9, 2, 2.5])
async def test_a_deadline_that_meets_what_a_cancelled_source_still_does_leaves_it_cancelled(at: float) -> None:
    async def slow() -> AsyncGenerator[str]:
        yield 'a'
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(5)

    async def consume() -> None:
        with suppress(StreamTimeout):
            async for _ in guard(slow(), Deadlines(idle=2)):
                pass
        await asyncio.sleep(60)

    task = asyncio.ensure_future(consume())
    await asyncio.sleep(at)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_what_a_cancelled_task_still_reads_has_its_deadlines() -> None:
    async def consume() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            async for _ in guard(Source((1, 'a'), (60, 'b')), Deadlines(idle=2)):
                pass

    task = asyncio.ensure_future(consume())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(StreamTimeout):
        await task
    assert now() == 4


@pytest.mark.parametrize('first', [True, False])
async def test_a_cancellation_at_the_very_instant_of_a_deadline_goes_on(
    monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    async def consume() -> None:
        async for _ in guard(Source((100, 'a')), Deadlines(first=2)):
            pass

    task = asyncio.ensure_future(consume())
    begin = Interruption.begin

    def at_the_same_time(self: Interruption, task: asyncio.Task[Any], reason: Exception) -> None:
        if first:
            task.cancel()
        begin(self, task, reason)
        if not first:
            task.cancel()

    monkeypatch.setattr(Interruption, 'begin', at_the_same_time)
    await asyncio.wait({task})
    assert (task.cancelled(), task.cancelling(), now()) == (True, 1, 2)


@pytest.mark.parametrize('ending', [None, ConnectionError('mine')])
async def test_a_source_that_ends_in_its_own_way_when_it_is_cancelled_is_late_all_the_same(
    ending: Exception | None,
) -> None:
    async def stubborn() -> AsyncGenerator[str]:
        yield 'a'
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            if ending is not None:
                raise ending from None

    with pytest.raises(StreamTimeout):
        async for _ in guard(stubborn(), Deadlines(idle=1)):
            pass


async def test_each_item_may_be_asked_for_by_another_task() -> None:
    stream = guard(Source((1, 'a'), (1, 'b'), (9, 'c')), Deadlines(idle=2))
    assert await asyncio.create_task(anext(stream)) == 'a'
    assert await asyncio.create_task(anext(stream)) == 'b'
    with pytest.raises(StreamTimeout):
        await asyncio.create_task(anext(stream))
    assert now() == 4


async def test_what_waits_while_the_program_keeps_the_loop_busy_is_no_silence() -> None:
    arrived = asyncio.Queue[str]()

    async def source() -> AsyncGenerator[str]:
        while True:
            yield await arrived.get()

    stream = guard(source(), Deadlines(idle=1))
    arrived.put_nowait('a')
    assert await anext(stream) == 'a'
    waiting = asyncio.ensure_future(anext(stream))
    loop = asyncio.get_running_loop()
    loop.call_later(1, lambda: loop.call_soon(arrived.put_nowait, 'b'))
    assert await waiting == 'b'
    await stream.aclose()


@pytest.mark.parametrize(
    ('deadlines', 'ping'), [(Deadlines(idle=2), ''), (Deadlines(min_rate=10, rate_window=2), 'x')], ids=['idle', 'rate']
)
async def test_what_waits_behind_a_ping_while_the_program_keeps_the_loop_busy_is_no_silence(
    deadlines: Deadlines, ping: str
) -> None:
    arrived, seen = asyncio.Queue[str](), list[str]()

    async def source() -> AsyncGenerator[str]:
        while True:
            yield await arrived.get()

    async def consume() -> None:
        async for piece in guard(source(), deadlines):
            seen.append(piece)

    loop: Any = asyncio.get_running_loop()
    reading = asyncio.ensure_future(consume())
    arrived.put_nowait('a' * 20)
    await asyncio.sleep(1)
    loop._jump(5)
    arrived.put_nowait(ping)
    loop.call_soon(lambda: loop.call_soon(arrived.put_nowait, 'b' * 20))
    await asyncio.sleep(1)
    reading.cancel()
    await asyncio.wait({reading})
    assert (reading.cancelled(), seen) == (True, ['a' * 20, ping, 'b' * 20])


async def test_a_source_that_never_waits_is_late_with_its_pings() -> None:
    async def computes() -> AsyncGenerator[str]:
        loop: Any = asyncio.get_running_loop()
        yield 'a'
        while True:
            loop._jump(0.1)
            yield ''

    with pytest.raises(StreamTimeout, match='no content for 2 s'):
        async for _ in guard(computes(), Deadlines(idle=2)):
            pass


async def test_a_stream_in_full_flow_sets_no_timer_for_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    async def source() -> AsyncGenerator[str]:
        for _ in range(1000):
            await asyncio.sleep(0)
            yield 'a'

    loop, timers = asyncio.get_running_loop(), list[float]()
    call_at = loop.call_at

    def counted(when: float, *arguments: Any, **settings: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, *arguments, **settings)

    monkeypatch.setattr(loop, 'call_at', counted)
    assert len([_ async for _ in guard(source(), Deadlines(first=5, idle=5, total=50))]) == 1000
    assert len(timers) < 5


@pytest.mark.parametrize('busy', [False, True])
async def test_a_consumer_that_takes_longer_than_everything_may_is_no_silence_of_the_source(busy: bool) -> None:
    loop: Any = asyncio.get_running_loop()
    seen: list[str | None] = []
    with pytest.raises(StreamTimeout, match='total'):  # noqa: PT012 - the consumer takes its time
        async for piece in guard(Source(*[(0.5, 'a')] * 9), Deadlines(idle=2, total=6)):
            seen.append(piece)
            if len(seen) == 3:
                await asyncio.sleep(0 if busy else 8)
                loop._jump(8 if busy else 0)  # no timer rings while it computes
    assert (seen, now()) == (['a', 'a', 'a'], 9.5)


gaps = st.integers(0, 40).map(lambda tenths: tenths / 10)


@pytest.mark.parametrize('rate', [None, 2])
@given(st.lists(st.tuples(gaps, st.sampled_from(['a', 'ab', '']), gaps), max_size=30))
def test_a_deadline_is_what_the_watchdog_says(rate: float | None, items: list[tuple[float, str, float]]) -> None:
    """Whatever is noted or told, and whoever takes their time: no instant of an item is one of a deadline here."""
    deadlines = Deadlines(first=3.03, idle=2.02, total=40.04, min_rate=rate, rate_window=3.01)

    def expected() -> tuple[float, str | None]:
        dog, at = Watchdog(deadlines, 0), 0.0
        dog.waiting(0)
        for gap, piece, pause in items:
            dog.returned(at)
            at += gap
            if (due := dog.expired(at)) is not None:
                return due.at, due.phase
            if piece:
                dog.content(at, len(piece))
            dog.left(at)
            at += pause
            if at >= 40.04:
                return at, 'total'
        return at, None

    async def found() -> tuple[float, str | None]:
        try:
            pauses = iter([pause for *_, pause in items])
            async for _ in guard(Source(*[(gap, piece) for gap, piece, _ in items]), deadlines):
                await asyncio.sleep(next(pauses))
        except StreamTimeout as error:
            return now(), error.phase
        return now(), None

    at, phase = run(found())
    assert (pytest.approx(at), phase) == expected()


async def test_total_holds_over_a_source_that_never_waits() -> None:
    async def ready() -> AsyncGenerator[str]:
        while True:
            yield 'a'

    with pytest.raises(StreamTimeout, match='total'):  # noqa: PT012 - the consumer takes its time
        async for _ in guard(ready(), Deadlines(total=3)):
            await asyncio.sleep(1)
    assert now() == 3


class ClosesBadly:
    """Fails after its first piece, or goes silent; and fails to close."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.begun = False

    def __aiter__(self) -> ClosesBadly:
        return self

    async def __anext__(self) -> str:
        if not self.begun:
            self.begun = True
            return 'half '
        if self.error is not None:
            raise self.error
        await asyncio.sleep(60)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        raise OSError('gone already')


@pytest.mark.parametrize('error', [None, ValueError('the reason')])
async def test_a_failure_to_close_the_source_does_not_hide_why_it_is_closed(error: Exception | None) -> None:
    with pytest.raises(StreamTimeout if error is None else ValueError) as raised:
        async for _ in guard(ClosesBadly(error), Deadlines(idle=1)):
            pass
    assert raised.value.__notes__ == ["Closing the source failed, too: OSError('gone already')"]
    if error is not None:
        with pytest.raises(ValueError, match='the reason'):
            async for _ in smooth(ClosesBadly(error)):
                pass


async def test_a_failure_to_close_the_source_is_told_where_nothing_else_is_wrong() -> None:
    stream = guard(ClosesBadly(None), Deadlines(idle=1))
    assert await anext(stream) == 'half '
    with pytest.raises(OSError, match='gone already'):
        await stream.aclose()
