"""A log outlives its event loop, as one does that a program uses in several `asyncio.run` without closing it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import pytest

from pydantic_ai_streaming.errors import LogClosed, StreamLogError, StreamUsageError
from pydantic_ai_streaming.logs import Follower, Head, MemoryBackend, Producer, Refusal, StreamLog, Write
from pydantic_ai_streaming.testing.stream_log_reading import everything, some
from tests.logs.places import LogPlace

T = TypeVar('T')


left: list[asyncio.Task[Any]] = []


@pytest.fixture(autouse=True)
def what_a_loop_has_left_is_collected() -> Iterator[None]:
    yield
    for task in left:
        if isinstance(work := task.get_coro(), Coroutine):
            with suppress(RuntimeError):  # it cannot even cancel what it waits for
                work.close()
    left.clear()
    gc.collect()


def run(work: Coroutine[Any, Any, T]) -> T:
    async def in_time() -> T:
        async with asyncio.timeout(10):
            return await work

    return asyncio.run(in_time())


def say_nothing(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None: ...


def run_and_break_off(work: Coroutine[Any, Any, T]) -> T:
    """As a program that closes a loop without having ended its tasks."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(say_nothing)  # of tasks that are destroyed
    try:
        return loop.run_until_complete(work)
    finally:
        left.extend(asyncio.all_tasks(loop))
        loop.close()


async def lapse(log: StreamLog, stream_id: str) -> None:
    while stream_id not in await log.lapsed():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.05)


# What asyncio and drivers say of connections that a loop which has ended leaves to the collector.
pytestmark = pytest.mark.filterwarnings('ignore::ResourceWarning')

RUNS = pytest.mark.parametrize('first_run', [run, run_and_break_off])
Run = Callable[[Coroutine[Any, Any, T]], T]


@RUNS
def test_who_follows_in_the_next_loop_hears_what_another_process_writes(place: LogPlace, first_run: Run[None]) -> None:
    log = place.open(lease=0.5)

    async def first() -> None:
        await (await log.create('a')).append([b'one'])
        await asyncio.sleep(0.05)

    async def second() -> None:
        follower = await log.follow('a')
        assert list((await anext(follower)).entries) == [b'one']
        coming = asyncio.create_task(everything(follower))
        async with place.open(lease=0.5) as other:
            await lapse(other, 'a')
            await (await other.take_over('a')).close([b'two'])
        assert await coming == [b'two']
        await log.close()

    first_run(first())
    run(second())


@RUNS
def test_a_producer_that_is_used_in_the_next_loop_keeps_its_stream_and_hears_of_its_end(
    place: LogPlace, first_run: Run[Producer]
) -> None:
    log = place.open(lease=1.5)

    async def second(producer: Producer) -> None:
        assert await producer.append([b'one']) == 1
        stopped = asyncio.create_task(producer.until_stopped())
        async with place.open(lease=1.5) as other:
            await asyncio.sleep(2)
            assert await other.lapsed() == []
            await other.stop('a')
        await stopped
        assert await producer.close([b'two']) == 2
        await log.close()

    producer = first_run(log.create('a'))
    run(second(producer))


@RUNS
def test_a_producer_of_a_loop_that_has_ended_is_not_kept_alive_by_the_next_one(
    place: LogPlace, first_run: Run[Producer]
) -> None:
    log = place.open(lease=0.3)

    async def second() -> None:
        await log.create('b')
        await lapse(log, 'a')
        await log.close()

    producer = first_run(log.create('a'))
    run(second())
    assert producer.stream_id == 'a'  # it was there all the time


@RUNS
def test_who_still_follows_from_the_loop_before_is_told_to_follow_anew(
    place: LogPlace, first_run: Run[Follower]
) -> None:
    log = place.open()

    async def first() -> Follower:
        await (await log.create('a')).append(some(2))
        return await log.follow('a')

    async def second(follower: Follower) -> None:
        assert list((await anext(follower)).entries) == some(2)
        with pytest.raises(LogClosed, match='event loop has ended'):
            await anext(follower)
        again = await log.follow('a', follower.offset)
        await log.write(Write(stream_id='a', entries=some(1, 2), close=True))
        assert await everything(again) == some(1, 2)
        await log.close()

    run(second(first_run(first())))


class Stuck(MemoryBackend):
    """Never answers for a stream of one name."""

    async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
        if any(write.stream_id == 'stuck' for write in writes):
            await asyncio.sleep(1000)
        return await super().commit(writes)


@RUNS
def test_writes_are_done_in_the_next_loop_although_one_was_under_way_when_the_first_was_closed(
    first_run: Run[tuple[Producer, object]],
) -> None:
    log = StreamLog(Stuck())

    async def first() -> tuple[Producer, object]:
        producer = await log.create('a')
        stuck = asyncio.create_task(log.create('stuck'))
        await asyncio.sleep(0.01)
        appending = asyncio.create_task(producer.append([b'lost']))  # it has its turn, and waits
        await asyncio.sleep(0.01)
        return producer, (stuck, appending)

    async def second() -> None:
        assert await producer.append([b'one']) == 1
        await log.create('b')
        await log.close()

    producer, waiting = first_run(first())
    run(second())
    del waiting


@RUNS
def test_what_a_crowd_of_the_first_loop_was_told_holds_nobody_up_in_the_next(
    first_run: Run[Producer],
) -> None:
    log = StreamLog(MemoryBackend())

    async def first() -> Producer:
        producer = await log.create('a')
        following = [asyncio.create_task(everything(await log.follow('a'))) for _ in range(40)]
        await asyncio.sleep(0.01)
        await producer.append([b'one'])  # they have a rest now
        producer.tail._resting = True  # pyright: ignore[reportPrivateUsage] - that is over before the loop ends
        del following
        return producer

    async def second() -> None:
        follower = await log.follow('a', 1)
        coming = asyncio.create_task(everything(follower))
        await asyncio.sleep(0.01)
        await producer.close([b'two'])
        assert await coming == [b'two']
        await log.close()

    producer = first_run(first())
    run(second())


@RUNS
def test_a_log_is_closed_in_another_loop_than_it_was_used_in(place: LogPlace, first_run: Run[Producer]) -> None:
    log = place.open()
    first_run(log.create('a'))
    run(log.close())
    run(log.close())
    for thread in threading.enumerate():
        if 'sqlite-log' in thread.name:
            thread.join(5)
            assert not thread.is_alive()
    if place.kind != 'memory':
        assert run(log.head('a')).length == 0
        run(log.close())


def test_a_log_is_used_in_turn_by_two_loops_of_which_none_was_closed(place: LogPlace) -> None:
    log = place.open()

    async def write(number: int) -> None:
        async with asyncio.timeout(10):
            await log.write(Write(stream_id='a', entries=some(1, number)))

    with asyncio.Runner() as one, asyncio.Runner() as other:
        producer = one.run(log.create('a'))
        for number in range(6):
            (one, other)[number % 2].run(write(number))
        assert one.run(producer.append(some(1, 6))) == 7
        assert list(other.run(log.read('a')).entries) == some(7)
        other.run(log.close())


def test_a_log_says_so_when_it_is_used_in_two_loops_at_once_and_the_first_one_goes_on(place: LogPlace) -> None:
    log = place.open()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def there(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    try:
        producer = there(log.create('a'))
        for work in (log.head('a'), log.follow('a'), producer.append([b'one']), log.close()):
            with pytest.raises(StreamUsageError, match='another event loop, which still runs'):
                run(work)
        assert there(producer.append([b'one'])) == 1
        there(log.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_producer_whose_stream_was_made_anew_meanwhile_harms_nobody_who_follows_that() -> None:
    backend = MemoryBackend()
    log = StreamLog(backend)

    async def second() -> None:
        await log.delete('a')
        new = await log.create('a')
        follower = await log.follow('a')
        with pytest.raises(StreamLogError, match='written to since'):
            await producer.append([b'old'])
        assert producer.fenced
        await new.close([b'new'])
        assert await everything(follower) == [b'new']
        await log.close()

    producer = run(log.create('a'))
    run(second())


def test_a_producer_is_renewed_in_a_loop_that_was_left_and_is_come_back_to(place: LogPlace) -> None:
    log, loop = place.open(lease=1.5), asyncio.new_event_loop()
    producer = loop.run_until_complete(log.create('a'))
    run(log.head('a'))

    async def come_back() -> None:
        await producer.append([b'one'])
        await asyncio.sleep(2)
        assert await log.lapsed() == []
        await log.stop('a')
        async with asyncio.timeout(5):
            await producer.until_stopped()
        await log.close()

    loop.run_until_complete(come_back())
    loop.close()


@RUNS
def test_a_stop_is_heard_in_the_next_loop_by_a_producer_that_has_not_written_there(
    place: LogPlace, first_run: Run[Producer]
) -> None:
    log, another = place.open(lease=5), place.open()
    producer = first_run(log.create('a'))

    async def second() -> None:
        heard = asyncio.create_task(producer.until_stopped())
        await asyncio.sleep(0.1)
        await another.stop('a')
        async with asyncio.timeout(5):
            await heard
        assert producer.stopping
        await another.close()
        await log.close()

    run(second())


@RUNS
def test_a_log_that_is_closed_in_the_next_loop_lets_go_of_its_producers(first_run: Run[Producer]) -> None:
    log = StreamLog(MemoryBackend())
    producer = first_run(log.create('a'))
    run(log.close())
    assert producer.over


async def test_a_closing_that_is_cut_short_closes_what_is_behind_the_log() -> None:
    goes_on = asyncio.Event()

    class Slow(MemoryBackend):
        closed = 0

        async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
            await goes_on.wait()
            return await super().commit(writes)

        async def close(self) -> None:
            self.closed += 1

    backend = Slow()
    log = StreamLog(backend)
    creating = asyncio.create_task(log.create('a'))
    await asyncio.sleep(0.05)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await log.close()
    assert backend.closed == 1
    goes_on.set()
    await creating
