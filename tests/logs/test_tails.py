"""What those who follow a stream in the process of its producer see of it, in the worst order of events."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence

import pytest

from pydantic_ai_streaming.errors import StoreError, StoreUnavailable, StreamMissing
from pydantic_ai_streaming.logs import Head, Refusal, Slice, StreamLog, Wanted, Write, tail
from pydantic_ai_streaming.logs.group_commit import GroupCommit
from pydantic_ai_streaming.logs.memory import MemoryBackend
from pydantic_ai_streaming.testing.stream_log_reading import everything, some


class Held(MemoryBackend):
    """Does what it is asked for, and answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.committed, self.fetched = asyncio.Event(), asyncio.Event()
        self.committed.set()
        self.fetched.set()
        self.lose_answers = 0

    async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
        done = await super().commit(writes)
        await self.committed.wait()
        if self.lose_answers:
            self.lose_answers -= 1
            raise StoreUnavailable('the answer was lost')
        return done

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        parts = await super().fetch(wanted)
        await self.fetched.wait()
        return parts


async def next_entries(follower: tail.Follower) -> list[bytes]:
    async with asyncio.timeout(5):
        return list((await anext(follower)).entries)


async def test_a_cancelled_append_is_seen_by_those_who_follow_it_here() -> None:
    backend = Held()
    async with StreamLog(backend, lease=1000) as log:
        producer = await log.create('a')
        follower = await log.follow('a')
        backend.committed.clear()
        append = asyncio.create_task(producer.append([b'one']))
        await asyncio.sleep(0.01)
        append.cancel()
        await asyncio.wait([append])
        backend.committed.set()
        assert await next_entries(follower) == [b'one']


async def test_a_list_that_is_used_again_after_a_cancellation_is_written_as_it_was() -> None:
    backend = Held()
    async with StreamLog(backend) as log:
        producer = await log.create('a')
        backend.committed.clear()
        renewal = asyncio.create_task(log.write(Write(stream_id='a', lease=10)))  # what the append has to wait for
        await asyncio.sleep(0.01)
        entries = [b'one']
        append = asyncio.create_task(producer.append(entries))
        await asyncio.sleep(0.01)
        append.cancel()
        await asyncio.wait([append])
        entries[:] = [b'something else']
        backend.committed.set()
        await renewal
        await producer.append([b'two'])
        assert list((await log.read('a')).entries) == [b'one', b'two']


async def test_what_is_written_elsewhere_during_the_first_read_is_not_missed() -> None:
    class Told(Held):
        told: asyncio.Queue[str] = asyncio.Queue()

        async def changes(
            self, watched: Callable[[], Collection[str]]
        ) -> AsyncGenerator[Mapping[str, int | None], None]:
            while True:
                yield {await self.told.get(): None}

    backend = Told()
    async with StreamLog(backend) as log, StreamLog(backend) as another:
        producer = await another.create('a')
        backend.fetched.clear()
        following = asyncio.create_task(log.follow('a'))
        await asyncio.sleep(0.01)  # it was read, empty
        await producer.append([b'one'])
        backend.told.put_nowait('a')
        backend.told.put_nowait('a')
        await asyncio.sleep(0.01)
        backend.fetched.set()
        assert await next_entries(await following) == [b'one']


async def test_an_append_during_a_read_beyond_the_end_keeps_its_offset() -> None:
    backend = Held()
    async with StreamLog(backend) as log, StreamLog(backend) as another:
        await another.create('a')
        backend.fetched.clear()
        following = asyncio.create_task(log.follow('a', offset=2))
        await asyncio.sleep(0.01)  # it was read, empty
        for number in range(4):
            await log.write(Write(stream_id='a', entries=[b'%d' % number]))
        backend.fetched.set()
        follower = await following
        assert await next_entries(follower) == [b'2', b'3']
        assert await next_entries(await log.follow('a')) == [b'0', b'1', b'2', b'3']


async def test_older_entries_are_never_those_of_another_stream_of_the_same_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tail, 'WINDOW', 100)
    backend = Held()
    async with StreamLog(backend) as log, StreamLog(backend) as another:
        producer = await log.create('a')
        for _ in range(10):
            await producer.append([b'x' * 50])
        follower = await log.follow('a')
        await another.delete('a')
        theirs = await another.create('a')
        await theirs.append([b'y' * 50] * 10)
        with pytest.raises(StreamMissing):
            await next_entries(follower)


async def test_who_follows_sees_what_was_written_although_the_answer_was_lost() -> None:
    backend = Held()
    async with StreamLog(backend, lease=1000) as log:
        producer = await log.create('a')
        follower = await log.follow('a')
        backend.lose_answers = 1
        with pytest.raises(StoreUnavailable):
            await producer.append([b'one'], patience=0)
        assert await next_entries(follower) == [b'one']


async def test_all_that_follow_a_stream_here_share_what_is_read_of_it() -> None:
    class Counting(MemoryBackend):
        fetched = 0

        async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
            self.fetched += len(wanted)
            return await super().fetch(wanted)

    backend = Counting()
    async with StreamLog(backend, lease=1000) as log, StreamLog(backend, lease=1000) as another:
        producer = await another.create('a')
        following = [asyncio.create_task(everything(await log.follow('a', number % 7))) for number in range(200)]
        for number in range(20):
            await producer.append(some(1, number))
            await asyncio.sleep(0.005)
        await producer.close()
        found = await asyncio.gather(*following)
        assert found == [some(20)[number % 7 :] for number in range(200)]
        assert 0 < backend.fetched <= 30


async def test_a_stream_that_has_lost_entries_is_given_up_and_not_asked_for_for_ever() -> None:
    class Torn(MemoryBackend):
        async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
            parts = await super().fetch(wanted)
            return [part and Slice(part.head, part.start, ()) for part in parts]

    async with StreamLog(Torn()) as log:
        producer = await log.create('a')
        await producer.append([b'one'])
        del producer
        async with asyncio.timeout(5):
            with pytest.raises(StreamMissing):
                await anext(await log.follow('a'))


async def test_a_write_that_cannot_be_done_does_no_harm_to_others_of_its_commit() -> None:
    async def commit(writes: Sequence[Write]) -> Sequence[Head | Refusal | StoreError | None]:
        return [StoreError('no') if one.stream_id == 'b' else Refusal('missing') for one in writes]

    group = GroupCommit(commit)
    first, second, third = [asyncio.create_task(group.write(Write(stream_id=one))) for one in 'abc']
    with pytest.raises(StoreError):
        await second
    assert [type(await first), type(await third)] == [Refusal, Refusal]


async def test_a_commit_has_so_many_bytes_at_most_unless_one_write_has_more() -> None:
    sizes: list[list[int]] = []

    async def commit(writes: Sequence[Write]) -> Sequence[Head | Refusal | StoreError | None]:
        sizes.append([sum(map(len, write.entries)) for write in writes])
        return [Refusal('missing')] * len(writes)

    group = GroupCommit(commit, heaviest=100)
    writes = [Write(stream_id='a', entries=[b'x' * size]) for size in (60, 30, 20, 500, 1, 99)]
    await asyncio.gather(*map(group.write, writes))
    assert sizes == [[60, 30], [20], [500], [1, 99]]


async def test_a_log_that_is_closed_does_not_wait_for_a_backend_that_is_gone() -> None:
    class Gone(MemoryBackend):
        opened = 0
        is_gone = False

        async def open(self) -> None:
            self.opened += 1

        async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
            if self.is_gone:
                raise StoreUnavailable('gone')
            return await super().commit(writes)

    backend = Gone()
    async with StreamLog(backend) as log:
        producer = await log.create('a')
        backend.is_gone = True
        append = asyncio.create_task(producer.append([b'one']))
        await asyncio.sleep(0.02)
    async with asyncio.timeout(2):
        with pytest.raises(StoreUnavailable):
            await append
    assert backend.opened == 1


class Counting(MemoryBackend):
    """Counts the entries that are read."""

    read = 0

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        parts = await super().fetch(wanted)
        self.read += sum(len(part.entries) for part in parts if part is not None)
        return parts


async def test_a_long_stream_is_followed_from_its_beginning_without_being_loaded_first() -> None:
    backend = Counting()
    count = 100_000
    async with StreamLog(backend) as log, StreamLog(backend) as writer:
        producer = await writer.create('a')
        await producer.append(some(count))
        follower = await log.follow('a')
        part = await anext(follower)
        assert (part.start, backend.read) == (0, 2000)
        assert follower.tail.entries == []
        late = await log.follow('a', offset=count - 10)
        assert (await next_entries(late))[-1] == some(1, count - 1)[0]
        await producer.close(some(1, count))
        assert [*part.entries, *await everything(follower)] == some(count + 1)
        assert backend.read < count + 4000


async def test_who_was_cut_off_for_long_does_not_load_all_that_was_written_meanwhile() -> None:
    backend = Counting()
    async with StreamLog(backend) as log, StreamLog(backend) as writer:
        producer = await writer.create('a')
        followers = [await log.follow('a') for _ in range(3)]
        await producer.append(some(50_000))
        await asyncio.sleep(0)
        await producer.close()
        for follower in followers:
            assert await everything(follower) == some(50_000)
        assert backend.read <= 3 * 50_000 + 10_000


async def test_many_small_entries_do_not_take_many_times_as_much_as_large_ones() -> None:
    async with StreamLog(MemoryBackend()) as log:
        producer = await log.create('a')
        for _ in range(100):
            await producer.append([b'%d' % number for number in range(5000)])
        held = producer.tail.entries
        assert sum(sys.getsizeof(entry) for entry in held) + sys.getsizeof(held) < 1.2 * tail.WINDOW
