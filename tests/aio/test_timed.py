"""A source read ahead of a machine: nothing lost, nothing left open, however it is left."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise

import pytest

from pydantic_ai_streaming.aio.paced import AT_ONCE
from pydantic_ai_streaming.aio.timed import Timed

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]


class Later:
    """Holds each event back for a second."""

    def __init__(self, by: float = 1.0) -> None:
        self._by = by
        self._held: list[tuple[float, str]] = []

    @property
    def next_due(self) -> float | None:
        return self._held[0][0] if self._held else None

    @property
    def finished(self) -> bool:
        return not self._held

    def feed(self, event: str, now: float) -> None:
        self._held.append((now + self._by, event))

    def due(self, now: float) -> Sequence[str]:
        ready = [event for at, event in self._held if at <= now]
        self._held = [(at, event) for at, event in self._held if at > now]
        return ready

    def close(self, now: float) -> None:
        pass

    def flush(self, now: float) -> Sequence[str]:
        return self.due(float('inf'))


class Source:
    """Some events, one each `gap` seconds, and what became of it."""

    def __init__(self, count: int, gap: float = 0.25, error: Exception | None = None) -> None:
        self.read: list[float] = []
        self.closed = False
        self.events = self._events(count, gap, error)

    async def _events(self, count: int, gap: float, error: Exception | None) -> AsyncGenerator[str]:
        try:
            for number in range(count):
                await asyncio.sleep(gap)
                self.read.append(asyncio.get_running_loop().time())
                yield str(number)
            if error is not None:
                raise error
        finally:
            self.closed = True


async def test_waiting_for_what_is_due_later_does_not_stop_the_reading() -> None:
    source, seen = Source(4), list[tuple[float, str]]()
    async for event in Timed(source.events, Later()):
        seen.append((asyncio.get_running_loop().time(), event))
        await asyncio.sleep(5)
    assert source.read == [0.25, 0.5, 0.75, 1.0]
    assert [event for _, event in seen] == ['0', '1', '2', '3']
    assert seen[0][0] == 1.25


class FirstLater(Later):
    """Holds the first event back; what comes after it is passed on when it is asked for, and needs no instant."""

    def __init__(self) -> None:
        super().__init__()
        self.fed = 0

    @property
    def next_due(self) -> float | None:
        return next((at for at, event in self._held if event == '0'), None)

    def feed(self, event: str, now: float) -> None:
        self.fed += 1
        self._held.append((now + (1.0 if event == '0' else 0.0), event))


async def test_who_pulls_late_lets_others_go_on_before_all_that_has_come_is_fed() -> None:
    source, machine = Source(10 * AT_ONCE, gap=0.001), FirstLater()
    fed: list[int] = []

    async def note() -> None:
        while len(fed) < 30:
            fed.append(machine.fed)
            await asyncio.sleep(0)

    timed = Timed(source.events, machine)
    first = await anext(timed)
    await asyncio.sleep(60)
    noting = asyncio.create_task(note())
    seen = [first, *[event async for event in timed]]
    await noting
    assert sorted(seen, key=int) == [str(number) for number in range(10 * AT_ONCE)]
    assert max(b - a for a, b in pairwise(fed)) == AT_ONCE


async def test_who_is_cancelled_while_much_is_fed_gets_it_with_the_next_pull() -> None:
    async def source() -> AsyncGenerator[str]:
        yield '0'
        await asyncio.sleep(5)
        for number in range(1, AT_ONCE + 1):
            yield str(number)
        await asyncio.sleep(100)

    clock = asyncio.get_running_loop().time
    timed = Timed(source(), FirstLater())
    assert await anext(timed) == '0'
    await asyncio.sleep(9)
    pull = asyncio.ensure_future(anext(timed))
    await asyncio.sleep(0)
    pull.cancel()
    await asyncio.wait([pull])
    assert pull.cancelled()
    assert (await anext(timed), clock()) == ('1', 10)
    await timed.aclose()


async def test_a_source_of_which_nothing_is_due_later_is_read_by_who_pulls() -> None:
    source = Source(3)
    async for _ in Timed(source.events, Later(by=0)):
        assert len(asyncio.all_tasks()) == 1
        await asyncio.sleep(5)
    assert source.read == [0.25, 5.5, 10.75]


async def test_what_was_read_before_a_failure_comes_before_it() -> None:
    source, seen = Source(3, error=ValueError('gone')), list[str]()
    events = Timed(source.events, Later(by=100))
    for _ in range(3):
        seen.append(await anext(events))
    with pytest.raises(ValueError, match='gone'):
        await anext(events)
    assert seen == ['0', '1', '2']
    assert [event async for event in events] == []


async def test_a_pull_that_is_cancelled_at_any_turn_loses_nothing() -> None:
    for turn in range(12):
        source = Source(4)
        events = Timed(source.events, Later())
        seen = [await anext(events)]
        pull = asyncio.ensure_future(anext(events))
        for _ in range(turn):
            await asyncio.sleep(0.02 if turn % 2 else 0)
        if not pull.done():
            pull.cancel()
        seen += [event for event in await asyncio.gather(pull, return_exceptions=True) if isinstance(event, str)]
        seen += [event async for event in events]
        assert seen == ['0', '1', '2', '3'], turn


@pytest.mark.parametrize('pulls', [0, 1, 2, 4])
@pytest.mark.parametrize('by', [0.0, 1.0])
async def test_leaving_closes_the_source_and_ends_the_task(pulls: int, by: float) -> None:
    source = Source(50)
    events = Timed(source.events, Later(by))
    for _ in range(pulls):
        await anext(events)
    await events.aclose()
    assert source.closed or not pulls
    assert len(asyncio.all_tasks()) == 1
    assert [event async for event in events] == []


async def test_one_that_is_dropped_ends_its_task() -> None:
    source = Source(5, gap=1)
    events = Timed(source.events, Later())
    await anext(events)
    assert len(asyncio.all_tasks()) == 2
    del events
    gc.collect()
    await asyncio.sleep(0.1)
    assert source.closed


async def test_a_source_that_cancels_itself_is_a_failure_and_no_end() -> None:
    async def events() -> AsyncGenerator[str]:
        yield '0'
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        _ = [event async for event in Timed(events(), Later())]


async def test_a_source_that_never_waits_lets_others_run() -> None:
    turns: list[int] = []

    async def events() -> AsyncGenerator[str]:
        for number in range(1000):
            yield str(number)

    async def count() -> None:
        for turn in range(20):
            turns.append(turn)
            await asyncio.sleep(0)

    reading = Timed(events(), Later(by=0.5))
    counting = asyncio.create_task(count())
    await anext(reading)
    assert len(turns) == 20
    await counting
    assert len([event async for event in reading]) == 999
