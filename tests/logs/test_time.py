"""What a log does when, in virtual time: leases, ends of streams, and what is looked for in vain."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence

import pytest

from pydantic_ai_streaming.errors import StoreUnavailable, StreamMissing
from pydantic_ai_streaming.logs import Head, MemoryBackend, MemoryLog, Refusal, StreamLog, Write
from pydantic_ai_streaming.testing.stream_log_reading import some

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_who_follows_a_stream_that_expires_is_told_within_a_minute() -> None:
    async with MemoryLog() as log:
        producer = await log.create('a', ttl=30)
        await producer.close(some(1))
        follower = await log.follow('a', 1)
        assert follower.exhausted
        await log.write(Write(stream_id='a', details={'still': 'there'}))
        waiting = asyncio.create_task(follower.wait())
        began = now()
        await waiting
        assert 30 <= now() - began <= 90
        with pytest.raises(StreamMissing):
            await anext(follower)


async def test_a_change_of_which_nobody_was_told_is_found_within_a_minute() -> None:
    class Mute(MemoryBackend):
        async def changes(
            self, watched: Callable[[], Collection[str]]
        ) -> AsyncGenerator[Mapping[str, int | None], None]:
            yield {}
            await asyncio.Event().wait()

    backend = Mute()
    async with StreamLog(backend, lease=1000) as log, StreamLog(backend, lease=1000) as another:
        producer = await log.create('a')
        follower = await another.follow('a')
        await producer.append(some(2))
        began = now()
        assert list((await anext(follower)).entries) == some(2)
        assert now() - began <= 60


async def test_a_lease_is_renewed_three_times_in_its_time_and_lapses_when_the_producer_is_dropped() -> None:
    class Watched(MemoryBackend):
        def __init__(self) -> None:
            super().__init__()
            self.renewals: list[float] = []

        async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
            self.renewals += [now() for write in writes if write.quiet]
            return await super().commit(writes)

    backend = Watched()
    async with StreamLog(backend, lease=9) as log:
        producers = [await log.create(name) for name in ('a', 'b')]
        await asyncio.sleep(8.5)
        assert backend.renewals == pytest.approx([3.0, 3.0, 6.0, 6.0])
        await producers[0].close()
        await asyncio.sleep(3)
        assert backend.renewals[4:] == pytest.approx([9.0])
        del producers
        await asyncio.sleep(8)
        assert await log.lapsed() == ['b']


async def test_patience_has_an_end_and_without_one_a_write_is_tried_every_second() -> None:
    class Gone(MemoryBackend):
        tries = 0
        back_at = float('inf')

        async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
            if now() < self.back_at and any(write.entries for write in writes):
                self.tries += 1
                raise StoreUnavailable('gone')
            return await super().commit(writes)

    backend = Gone()
    async with StreamLog(backend) as log:
        producer = await log.create('a')
        began = now()
        with pytest.raises(StoreUnavailable):
            await producer.append(some(1), patience=3)
        assert 2 <= now() - began <= 3
        began = now()
        backend.tries, backend.back_at = 0, began + 100
        assert await producer.append(some(1)) == 1
        assert 100 <= now() - began <= 101
        assert 100 <= backend.tries <= 107


async def made_and_dropped(log: StreamLog, name: str, *, is_read: bool) -> None:
    producer = await log.create(name, ttl=30)
    await producer.append(some(2))
    if is_read:
        follower = await log.follow(name)
        await producer.close()
        assert len((await anext(follower)).entries) == 2


async def test_ten_thousand_streams_that_expire_leave_nothing_in_the_process() -> None:
    backend = MemoryBackend()
    async with StreamLog(backend) as log:
        for number in range(10_000):
            await made_and_dropped(log, f's{number}', is_read=number % 2 == 0)
        await asyncio.sleep(100)
        gc.collect()
        # All that they are kept in: what is left there is found by nobody from outside.
        held = [backend._streams, log._tails, log._producers, log._behind._due]  # pyright: ignore[reportPrivateUsage]
        assert [len(one) for one in held] == [0, 0, 0, 0]
