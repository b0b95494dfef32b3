"""The conformance suite of stream logs: subclass it, say how a log is opened, and pytest runs the rules."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from ..errors import LogClosed, StoreError, StreamLogError, StreamMissing
from ..logs import tail as tails
from ..logs.heads import Head, Write
from ..logs.log import StreamLog
from .stream_log_producer_suite import StreamLogProducerSuite
from .stream_log_reading import LONG, everything, refused, some

__all__ = ['StreamLogSuite']

NAMES = ["it's", '100 %s', 'naïve 🦜', 'a:b*c', '{"a": 1}', 'x' * 500, 'A', 'a ', 'a\x00b', '']


class StreamLogSuite(StreamLogProducerSuite):
    """The rules of `StreamLog`, each a test. Subclass it in a test module and give it `open_log`.

    `open_log` is a fixture: a function that makes a log, not opened yet. What it makes in one test is all over the same
    place, as if each were another process's, and that place is empty when the test begins. The suite calls it with
    `lease=`, in seconds. Needs pytest-asyncio.

    Example:
        ```python
        from functools import partial
        from pathlib import Path

        import pytest
        from pydantic_ai_streaming.logs import SQLiteLog
        from pydantic_ai_streaming.testing import StreamLogSuite


        class TestSQLiteLog(StreamLogSuite):
            @pytest.fixture
            def open_log(self, tmp_path: Path):
                return partial(SQLiteLog, tmp_path / 'streams.db')
        ```
    """

    # Entries and offsets

    async def test_entries_are_read_in_their_order_from_any_offset(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log:
            producer = await log.create('a')
            assert [await producer.append(some(3)), await producer.append(some(1, 3))] == [3, 4]
            assert await producer.append(some(20, 4)) == 24
            for offset in (0, 1, 3, 4, 23):
                for limit in (1, 2, 5, 1000):
                    part = await log.read('a', offset, limit=limit)
                    assert (part.start, list(part.entries)) == (offset, some(24)[offset : offset + limit])
                    assert part.end == min(offset + limit, 24)
                    assert part.head.length == 24

    async def test_beyond_the_end_there_is_nothing(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log:
            producer = await log.create('a')
            await producer.append(some(3))
            for offset in (3, 4, 10**9, 2**40):
                part = await log.read('a', offset)
                assert (part.start, list(part.entries), part.head.length, part.last) == (offset, [], 3, False)
            assert list((await log.read('a', 1, limit=0)).entries) == []
            await producer.close()
            assert (await log.read('a', 2)).last
            assert not (await log.read('a', 1, limit=1)).last
            for wrong in (-1, -(2**40)):
                with pytest.raises(ValueError, match='offset'):
                    await log.read('a', wrong)
                with pytest.raises(ValueError, match='offset'):
                    await log.follow('a', wrong)

    async def test_an_entry_has_any_bytes(self, open_log: Callable[..., StreamLog]) -> None:
        entries = [
            b'',
            b'\x00',
            bytes(range(256)),
            '🦜\n\r\n\u2028'.encode(),
            b"' ; DROP",
            b'',
            b'x' * 2**20,
            b'7',
            b'',
        ]
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            follower = await another.follow((await log.create('a')).stream_id)
            await log.write(Write(stream_id='a', entries=entries))
            await log.write(Write(stream_id='a', entries=[]))
            await log.write(Write(stream_id='a', close=True))
            assert await everything(follower) == entries
            assert await everything(await log.follow('a', 1)) == entries[1:]
            for offset in range(9):
                assert list((await another.read('a', offset, limit=1)).entries) == entries[offset : offset + 1]

    async def test_an_append_of_many_entries_is_whole(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            producer = await log.create('a')
            follower = await another.follow('a')
            assert await producer.append(some(20_000)) == 20_000
            await producer.close(some(1, 20_000))
            assert await everything(follower) == some(20_001)
            assert list((await another.read('a', 19_999)).entries) == some(2, 19_999)

    async def test_a_slice_ends_with_the_entry_that_brings_it_to_its_bytes(
        self, open_log: Callable[..., StreamLog]
    ) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            producer = await log.create('a')
            entries = [b'x' * size for size in (3, 1, 5, 0, 2, 1000, 1)]
            await producer.append(entries)
            followed = [await one.follow('a') for one in (log, another)]
            for size, count in ((1, 1), (3, 1), (4, 2), (9, 3), (10, 5), (11, 5), (12, 6), (1011, 6), (1012, 7)):
                assert list((await another.read('a', size=size)).entries) == entries[:count]
                for follower in followed:
                    follower.offset = 0
                    part = await follower.take(size=size)
                    assert part is not None
                    assert (list(part.entries), follower.offset) == (entries[:count], count)

    async def test_many_megabytes_come_a_slice_at_a_time(self, open_log: Callable[..., StreamLog]) -> None:
        entries = [bytes([number]) * 2**20 for number in range(12)]
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            producer = await log.create('a')
            await asyncio.gather(*(producer.append([entry]) for entry in entries))
            await producer.close()
            assert await everything(await another.follow('a')) == entries

    @pytest.mark.parametrize(
        'name', ["it's", '100 %s', 'naïve 🦜', 'a:b*c', '{"a": 1}', 'x' * 500, 'A', 'a ', 'a\x00b', '']
    )
    async def test_a_stream_has_any_name(self, open_log: Callable[..., StreamLog], name: str) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            other = await log.create('a', owner='a')
            producer = await log.create(name, owner=name, details={name: name})
            follower = await another.follow(name)
            await producer.append([name.encode()])
            await producer.close()
            await other.close([b'other'])
            assert await everything(follower) == [name.encode()]
            (head,) = await another.owned(name)
            assert (head.stream_id, head.owner, head.details) == (name, name, {name: name})

    async def test_what_cannot_be_stored_is_refused_and_the_rest_done(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log:
            unstorable: list[Any] = [object(), {1, 2}, b'bytes']
            streams = [log.create(f's{number}', details={'it': it}) for number, it in enumerate([*unstorable, 'fine'])]
            done = await asyncio.gather(*streams, log.create('\ud800'), return_exceptions=True)
            reasons = [one.reason if isinstance(one, StoreError) else one for one in done]
            assert [*reasons[:3], reasons[4]] == ['unstorable'] * 4
            assert (await log.read('s3')).head.details == {'it': 'fine'}
            wrong: list[Any] = [['text'], b'bytes', [b'fine', bytearray(b'not')]]
            writes = [Write(stream_id='s3', entries=entries) for entries in (*wrong, [b'fine'])]
            done = await asyncio.gather(*map(log.write, writes), return_exceptions=True)
            assert [type(one) for one in done[:3]] == [TypeError] * 3
            assert list((await log.read('s3')).entries) == [b'fine']
            assert await log.owned('\ud800') == []
            with pytest.raises(StreamMissing):
                await log.read('\ud800')

    async def test_a_stream_that_is_not_there_is_missing(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log:
            await log.create('another')
            for ask in (log.read, log.follow, log.stop, log.delete, log.take_over, log.head):
                with pytest.raises(StreamMissing):
                    await ask('a')
            with pytest.raises(StreamMissing):
                await log.write(Write(stream_id='a', entries=[b'x']))
            assert await log.lapsed() == await log.owned('ada') == []

    async def test_of_many_that_make_a_stream_one_does(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            makes = [one.create('a', owner=str(number)) for number, one in enumerate([log, another] * 4)]
            made = await asyncio.gather(*makes, return_exceptions=True)
            (first,) = [number for number, one in enumerate(made) if not isinstance(one, BaseException)]
            assert [one.reason for one in made if isinstance(one, StreamLogError)] == ['exists'] * 7
            assert (await log.head('a')).owner == str(first)

    # Following

    @pytest.mark.parametrize('offset', [0, 1, 5, 10, 12, 15])
    async def test_who_follows_gets_everything_once(self, open_log: Callable[..., StreamLog], offset: int) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            producer = await log.create('a')
            await producer.append(some(10))
            followers = [await one.follow('a', offset) for one in (log, another)]
            reading = [asyncio.create_task(everything(one)) for one in followers]
            for number in range(10, 20):
                await producer.append(some(1, number))
                await asyncio.sleep(0.002)
            await producer.close()
            assert await asyncio.gather(*reading) == [some(20)[offset:]] * 2
            for one in (log, another):  # what is over
                assert await everything(await one.follow('a', offset)) == some(20)[offset:]
                assert await everything(await one.follow('a', 99)) == []

    async def test_many_follow_many_streams_from_anywhere(self, open_log: Callable[..., StreamLog]) -> None:
        random = Random(7)
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            producers = [await log.create(f's{number}') for number in range(5)]

            async def follow(log: StreamLog) -> None:
                await asyncio.sleep(random.random() * 0.3)
                offset = random.randrange(30)
                producer = random.choice(producers)
                found = await everything(await log.follow(producer.stream_id, offset))
                assert found == some(100)[offset:]

            following = [asyncio.create_task(follow(random.choice([log, another]))) for _ in range(60)]
            for start in range(0, 100, 4):
                await asyncio.gather(*(producer.append(some(4, start)) for producer in producers))
                await asyncio.sleep(0.01)
            await asyncio.gather(*(producer.close() for producer in producers))
            await asyncio.gather(*following)

    async def test_who_is_far_behind_gets_everything_and_who_is_not_does_too(
        self, open_log: Callable[..., StreamLog], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tails, 'WINDOW', 500)
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            producer = await log.create('a')
            prompt = [asyncio.create_task(everything(await one.follow('a', 3))) for one in (log, another)]
            late = [await one.follow('a', offset) for one in (log, another) for offset in (0, 7, 950)]
            for start in range(0, 1000, 50):
                await asyncio.gather(*(producer.append(some(10, start + ten)) for ten in range(0, 50, 10)))
                await asyncio.sleep(0.01)
            late += [await one.follow('a', offset) for one in (log, another) for offset in (0, 7, 950, 999)]
            await producer.close()
            assert await asyncio.gather(*prompt) == [some(997, 3)] * 2
            found = await asyncio.gather(*map(everything, late))
            assert found == [some(1000)[offset:] for offset in (0, 7, 950) * 2 + (0, 7, 950, 999) * 2]

    async def test_the_last_entries_come_with_the_end(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            for number in range(10):
                producer = await log.create(f's{number}')
                followers = [await one.follow(f's{number}') for one in (log, another)]
                assert await producer.close([b'end']) == 1
                for follower in followers:
                    async with asyncio.timeout(10):
                        part = await anext(follower)
                    assert (list(part.entries), part.last) == ([b'end'], True)

    async def test_who_follows_when_the_log_is_closed_is_told_and_goes_on_when_it_is_open_again(
        self, open_log: Callable[..., StreamLog]
    ) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            producer = await another.create('a')
            await producer.append(some(2))
            reader, late = await log.follow('a'), await log.follow('a')
            assert list((await anext(reader)).entries) == some(2)
            waiting = [asyncio.create_task(one) for one in (everything(await log.follow('a', 2)), reader.wait())]
            await asyncio.sleep(0.05)
            await log.close()
            async with asyncio.timeout(5):
                for one in await asyncio.gather(*waiting, return_exceptions=True):
                    assert isinstance(one, LogClosed)
            await log.open()
            assert list((await anext(late)).entries) == some(2)
            for one in (late, reader):
                with pytest.raises(LogClosed):
                    await anext(one)
            again = await log.follow('a', reader.offset)
            await producer.close(some(1, 2))
            assert await everything(again) == some(1, 2)

    async def test_a_closed_stream_takes_nothing(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            producer = await log.create('a')
            await another.head('a')
            await producer.close([b'end'])
            assert await refused(producer.append([b'more'])) == 'closed'
            assert await refused(producer.close()) == 'closed'
            for one in (log, another):
                assert await refused(one.take_over('a')) == 'closed'
                assert await refused(one.write(Write(stream_id='a', entries=[b'more']))) == 'closed'
                assert await one.stop('a') is False
                assert list((await one.read('a')).entries) == [b'end']

    # Deleting, expiring, making anew

    async def test_who_follows_a_deleted_stream_is_told(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            producer = await log.create('a', owner='ada')
            await producer.append(some(2))
            following = [asyncio.create_task(everything(await one.follow('a'))) for one in (log, another)]
            await asyncio.sleep(0.05)
            await another.delete('a')
            for one in await asyncio.gather(*following, return_exceptions=True):
                assert isinstance(one, StreamMissing)
            assert await refused(producer.append(some(1))) == 'missing'
            assert await refused(log.delete('a')) == 'missing'
            assert list(await log.owned('ada')) == list(await another.lapsed()) == []

    async def test_a_stream_that_is_made_anew_is_another_one(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            old = await log.create('a', owner='ada')
            await old.append(some(5))
            await old.append(some(5, 5))
            following = [asyncio.create_task(everything(await one.follow('a'))) for one in (log, another)]
            await asyncio.sleep(0.05)
            await another.delete('a')
            new = await another.create('a', owner='bob')
            assert isinstance(await _raised(old.append([b'old'])), StreamLogError)
            await new.append([b'new'])
            for one in await asyncio.gather(*following, return_exceptions=True):
                assert isinstance(one, StreamMissing)
            assert isinstance(await _raised(old.close([b'old'])), StreamLogError)
            await new.close()
            for one in (log, another):
                assert await everything(await one.follow('a')) == [b'new']
                assert [head.stream_id for head in await one.owned('bob')] == ['a']
                assert list(await one.owned('ada')) == []

    async def test_deleting_and_making_anew_at_once(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            first = await log.create('a')
            await first.append(some(3))
            follower = await another.follow('a', 3)
            new = await asyncio.gather(log.delete('a'), log.create('a'))
            await new[1].append([b'new'])
            with pytest.raises(StreamMissing):
                await everything(follower)
            assert list((await another.read('a')).entries) == [b'new']

    async def test_a_stream_expires_after_its_last_write(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            kept = await log.create('kept', ttl=None, owner='ada')
            producer = await log.create('a', ttl=0.6, owner='ada')
            for number in range(5):
                await asyncio.sleep(0.2)
                await producer.append(some(1, number))
            assert len(await another.owned('ada')) == 2
            await producer.close()
            assert list((await another.read('a')).entries) == some(5)
            await asyncio.sleep(0.7)
            for one in (another, log):
                with pytest.raises(StreamMissing):
                    await one.read('a')
                assert [head.stream_id for head in await one.owned('ada')] == ['kept']
            assert await refused(log.write(Write(stream_id='a', lease=1))) == 'missing'
            again = await another.create('a')
            await again.close([b'again'])
            assert await everything(await log.follow('a')) == [b'again']
            await kept.close()

    async def test_what_is_made_anew_is_not_swept_away_with_what_had_expired(
        self, open_log: Callable[..., StreamLog]
    ) -> None:
        async with open_log(lease=LONG) as log:
            old = await log.create('a', ttl=0.1, owner='ada')
            await old.close(some(3))
            await asyncio.sleep(0.2)
            new = await log.create('a', owner='ada')
            await new.append([b'new'])
            await log._backend.sweep()  # pyright: ignore[reportPrivateUsage] - not to wait for a minute
            assert list((await log.read('a')).entries) == [b'new']
            assert len(await log.owned('ada')) == 1

    async def test_who_produces_keeps_a_stream_longer_than_its_ttl(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=0.6) as log, open_log(lease=LONG) as another:
            producer = await log.create('a', ttl=1.0)
            await asyncio.sleep(1.6)
            assert (await another.head('a')).length == 0
            await producer.close()

    async def test_a_stream_that_was_to_be_forgotten_soon_can_be_kept_after_all(
        self, open_log: Callable[..., StreamLog]
    ) -> None:
        async with open_log() as log:
            for name in ('kept', 'left'):
                head = Head(stream_id=name, incarnation=name)
                await log.write(Write(stream_id=name, create=head, entries=[b'one'], expires_in=0.5))
            await log.write(Write(stream_id='kept', entries=[b'two'], expires_in=math.inf))
            await asyncio.sleep(0.7)
            part = await log.read('kept')
            assert (list(part.entries), part.head.expires_at) == ([b'one', b'two'], None)
            with pytest.raises(StreamMissing):
                await log.read('left')


async def _raised(work: Any) -> BaseException | None:
    try:
        await work
    except StreamLogError as error:
        return error
    return None
