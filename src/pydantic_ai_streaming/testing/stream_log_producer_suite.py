"""The half of the conformance suite of stream logs that is about who writes: leases, epochs, conditions, crowds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from ..errors import StreamFenced, StreamLogError, StreamMissing
from ..logs.heads import Head, Write
from ..logs.log import StreamLog
from .stream_log_reading import LONG, eventually, everything, refused, some

__all__ = ['StreamLogProducerSuite']


class StreamLogProducerSuite:
    """Rules for those who write. `StreamLogSuite` has all of them."""

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def open_log(self) -> Callable[..., StreamLog]:
        """Makes a log, each time over the same place, which is empty at first."""
        raise NotImplementedError('give an `open_log` fixture')

    # Leases and epochs

    async def test_a_lease_is_renewed_as_long_as_the_process_lives(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=0.9) as log, open_log(lease=LONG) as another:
            producer = await log.create('a')
            for _ in range(10):
                await asyncio.sleep(0.2)
                assert await another.lapsed() == []
            assert await refused(another.take_over('a')) == 'held'
            assert await refused(log.take_over('a')) == 'held'
            assert await producer.append(some(1)) == 1
            assert (await another.head('a')).epoch == 1

    async def test_a_stream_whose_process_has_gone_is_ended_by_another(
        self, open_log: Callable[..., StreamLog]
    ) -> None:
        async with open_log(lease=LONG) as log:
            async with open_log(lease=0.3) as gone:
                producer = await gone.create('a')
                await (await gone.create('closed')).close()
                await gone.create('deleted')
                await gone.delete('deleted')
                await producer.append(some(2))
            follower = await log.follow('a')

            async def is_lapsed() -> bool:
                return list(await log.lapsed()) == ['a']

            await eventually(is_lapsed)
            heir = await log.take_over('a')
            assert heir.epoch == 2
            assert await log.lapsed() == []
            assert await heir.close([b'its producer was lost']) == 3
            assert await everything(follower) == [*some(2), b'its producer was lost']

    async def test_of_many_that_take_over_one_does(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            await log.create('a')
            await another.head('a')
            await _let_lapse(log, 'a')
            takes = [one.take_over('a') for one in [log, another] * 4]
            taken = await asyncio.gather(*takes, return_exceptions=True)
            assert [one.reason for one in taken if isinstance(one, StreamLogError)] == ['held'] * 7
            assert (await log.head('a')).epoch == (await another.head('a')).epoch == 2

    async def test_a_producer_that_was_taken_for_dead_writes_nothing_more(
        self, open_log: Callable[..., StreamLog]
    ) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            zombie = await log.create('a')
            await zombie.append(some(1))
            await _let_lapse(log, 'a')
            heir = await another.take_over('a')
            for work in (zombie.append([b'zombie']), zombie.close([b'zombie'])):
                with pytest.raises(StreamFenced):
                    await work
            assert await refused(log.write(Write(stream_id='a', epoch=1, lease=1000))) == 'fenced'
            assert zombie.fenced
            await heir.append(some(1, 1))
            await heir.close()
            assert await everything(await log.follow('a')) == some(2)

    async def test_a_producer_that_comes_back_in_time_goes_on(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            producer = await log.create('a')
            await _let_lapse(log, 'a')
            assert list(await another.lapsed()) == ['a']
            await log.write(Write(stream_id='a', epoch=1, lease=1000))
            assert await another.lapsed() == []
            assert await refused(another.take_over('a')) == 'held'
            assert await producer.append(some(1)) == 1

    async def test_a_stop_reaches_the_producer_wherever_it_is(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            for asked in (log, another):
                producer = await log.create()
                assert not producer.stopping
                waiting = asyncio.create_task(producer.until_stopped())
                await asyncio.sleep(0.05)
                assert await asked.stop(producer.stream_id) is True
                async with asyncio.timeout(5):
                    await waiting
                assert producer.stopping
                assert await asked.stop(producer.stream_id) is True
                assert await producer.close([b'stopped']) == 1
                assert await asked.stop(producer.stream_id) is False

    async def test_a_producer_hears_that_its_stream_is_anothers_or_gone(
        self, open_log: Callable[..., StreamLog]
    ) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            taken, deleted = await log.create('taken'), await log.create('deleted')
            waiting = [asyncio.create_task(one.until_stopped()) for one in (taken, deleted)]
            await _let_lapse(log, 'taken')
            await another.take_over('taken')
            await another.delete('deleted')
            async with asyncio.timeout(5):
                await asyncio.gather(*waiting)
            assert (taken.fenced, deleted.fenced, taken.stopping) == (True, True, False)

    # Conditions, and writes that are tried again

    async def test_a_write_with_a_token_is_done_once(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            await log.create('a')
            write = Write(stream_id='a', entries=some(2), token='first')
            for one in (log, another, log):
                head = await one.write(write)
                assert head is not None
                assert head.length == 2
            await another.stop('a')  # has no token
            await log.write(write)
            await another.write(Write(stream_id='a', entries=some(1, 2), token='second', close=True))
            head = await log.write(Write(stream_id='a', entries=some(1, 2), token='second', close=True))
            assert head is not None
            assert head.closed
            assert await everything(await log.follow('a')) == some(3)
            start = Head(stream_id='b', incarnation='x')
            heads = [await one.write(Write(stream_id='b', create=start, token='made')) for one in (log, another)]
            assert heads[0] == heads[1]

    async def test_a_write_whose_conditions_do_not_hold_changes_nothing(
        self, open_log: Callable[..., StreamLog]
    ) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            await log.create('a', details={'kept': True})
            await another.write(Write(stream_id='a', entries=some(2), token='t'))
            await _let_lapse(log, 'a')
            before = await log.head('a')
            more = Write(stream_id='a', entries=[b'no'], details={'kept': False}, stop=True, close=True, token='u')
            wrong = {
                'fenced': replace(more, epoch=2),
                'changed': replace(more, version=before.version - 1),
                'exists': replace(more, create=Head(stream_id='a', incarnation='x')),
            }
            for one in (log, another):
                for reason, write in wrong.items():
                    assert await refused(one.write(write)) == reason
                assert await refused(one.write(replace(more, incarnation='another'))) == 'changed'
                assert await refused(one.write(replace(more, delete=True, version=0))) == 'changed'
                assert await one.head('a') == before
                assert list((await one.read('a')).entries) == some(2)
            right = replace(more, epoch=1, version=before.version, incarnation=before.incarnation)
            after = await another.write(right)
            assert after is not None
            assert (after.length, after.version, after.closed, after.stopping) == (3, before.version + 1, True, True)
            assert after.details == {'kept': False}

    async def test_a_version_counts_what_readers_see(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            await log.create('a')
            await log.write(Write(stream_id='a', lease=1000))
            await another.write(Write(stream_id='a'))
            assert (await another.head('a')).version == 1
            await another.write(Write(stream_id='a', entries=some(5)))
            await log.write(Write(stream_id='a', details={'x': 1}))
            assert (await another.head('a')).version == 3

    async def test_details_are_kept_as_they_were_given(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            details = {'run': {'ids': [1, 2]}, 'ü': None}
            await log.create('a', details=details)
            details['run'] = {}
            assert (await another.head('a')).details == {'run': {'ids': [1, 2]}, 'ü': None}
            await another.write(Write(stream_id='a', details={}))
            assert (await log.head('a')).details == {}

    # Many at once

    async def test_a_cancelled_append_is_whole_or_not_there(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            producer = await log.create('a')
            followers = [await one.follow('a') for one in (log, another)]
            for number in range(40):
                append = asyncio.create_task(producer.append([b'%d.%d' % (number, part) for part in range(3)]))
                await asyncio.sleep(number / 10_000)
                append.cancel()
                await asyncio.wait([append])
            await producer.close()
            found = await everything(followers[0])
            numbers = [int(entry.split(b'.')[0]) for entry in found]
            assert found == [b'%d.%d' % (number, part) for number in sorted({*numbers}) for part in range(3)]
            assert await everything(followers[1]) == found

    async def test_appends_at_once_are_done_in_their_order(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            producer = await log.create('a')
            await another.create('b')
            follower = await another.follow('a')
            for start in range(0, 500, 50):
                appends = [producer.append(some(1, start + number)) for number in range(50)]
                # Somebody else's writes in between: what was decided before them is to be decided anew, in order.
                stops = [another.stop('a'), log.write(Write(stream_id='b', entries=[b'x'])), another.stop('b')]
                ends = (await asyncio.gather(*appends, *stops))[:50]
                assert ends == list(range(start + 1, start + 51))
            await producer.close()
            assert await everything(follower) == some(500)

    async def test_eight_writers_lose_nothing_and_keep_their_order(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            await log.create('a')
            follower = await another.follow('a')

            async def write(writer: int) -> None:
                own = [log, another][writer % 2]
                for number in range(25):
                    await own.write(Write(stream_id='a', entries=[b'%d %d' % (writer, number)] * 2))

            await asyncio.gather(*map(write, range(8)))
            await log.write(Write(stream_id='a', close=True))
            found = await everything(follower)
            assert found[::2] == found[1::2], 'two entries of one write are apart'
            for writer in range(8):
                own = [entry for entry in found[::2] if entry.startswith(b'%d ' % writer)]
                assert own == [b'%d %d' % (writer, number) for number in range(25)]

    async def test_writers_that_compare_versions_lose_no_update(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            await log.create('a', details={'count': 0})

            async def count(own: StreamLog) -> None:
                for _ in range(10):
                    while True:
                        head = await own.head('a')
                        details = {'count': head.details['count'] + 1}
                        try:
                            await own.write(Write(stream_id='a', details=details, version=head.version))
                        except StreamLogError:
                            continue
                        break

            await asyncio.gather(*(count(own) for own in [log, another] * 2))
            assert (await log.head('a')).details == {'count': 40}

    async def test_an_owner_has_the_streams_that_are_there(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log, open_log(lease=LONG) as another:
            for number in range(6):
                await log.create(f's{number}', owner='ada' if number % 2 else 'bob', details={'number': number})
            await log.create('nobodys')
            await another.delete('s1')
            await another.write(Write(stream_id='s3', entries=some(2), close=True))
            for one in (log, another):
                owned = {head.stream_id: head for head in await one.owned('ada')}
                assert owned.keys() == {'s3', 's5'}
                assert (owned['s3'].length, owned['s3'].closed, owned['s3'].details) == (2, True, {'number': 3})
                assert list(await one.owned('')) == list(await one.owned('ad')) == []

    async def test_a_log_that_was_closed_has_kept_everything(self, open_log: Callable[..., StreamLog]) -> None:
        async with open_log(lease=LONG) as log:
            async with open_log(lease=LONG) as first:
                producer = await first.create('a')
                last = asyncio.create_task(producer.append(some(3)))
                await asyncio.sleep(0)
            await asyncio.wait([last])
            assert list((await log.read('a')).entries) == some(3)
            async with open_log(lease=LONG) as second:
                assert list((await second.read('a')).entries) == some(3)
            with pytest.raises(StreamMissing):
                await log.read('b')


async def _let_lapse(log: StreamLog, stream_id: str) -> None:
    """As if the process of the producer had not been there for a while."""
    await log.write(Write(stream_id=stream_id, lease=0.05))
    await asyncio.sleep(0.15)
