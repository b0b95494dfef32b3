"""A log that does what it is asked and is not heard, or not in time: no key is used up, and no stream is left."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pydantic_ai_streaming import RunStream, StoreUnavailable
from pydantic_ai_streaming.logs import MemoryBackend, Write
from pydantic_ai_streaming.serve import StreamRunner
from pydantic_ai_streaming.serve.wire import is_frame
from tests.serve.serving import until
from tests.serve.test_starting import Worker, asking, who


def nothing(write: Write) -> bool:
    return False


def makes(write: Write) -> bool:
    return write.create is not None and 'formats' in write.create.details


def enters(write: Write) -> bool:
    return write.create is None and write.details is not None


class Unheard:
    """What a worker says to a backend that others have too: of some of it the answer is lost, or it is late."""

    def __init__(self, backend: MemoryBackend) -> None:
        self._backend = backend
        self.lost: Callable[[Write], bool] = nothing
        self.late: Callable[[Write], bool] = nothing
        self.unanswered: Callable[[Write], bool] = nothing
        self.released = asyncio.Event()
        self.gone = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def commit(self, writes: Sequence[Write]) -> Any:
        if self.gone:
            raise StoreUnavailable('gone')
        if any(map(self.late, writes)):
            await self.released.wait()
        outcomes = await self._backend.commit(writes)
        if any(map(self.unanswered, writes)):
            await self.released.wait()
        if any(map(self.lost, writes)):
            raise StoreUnavailable('the answer was lost')
        return outcomes


class Far(Worker):
    """A worker whose way to the log can fail."""

    def __init__(self, backend: MemoryBackend, **settings: Any) -> None:
        self.way: Any = Unheard(backend)
        super().__init__(self.way, **settings)

    @property
    def entered(self) -> int:
        return sum(made.started for made in self.made)


async def ending(worker: Worker, stream_id: str) -> Any:
    entries = [entry async for part in await worker.runner.log.follow(stream_id) for entry in part.entries]
    return json.loads([entry for entry in entries if is_frame(entry)][-1])


@pytest.mark.parametrize('write', [makes, enters])
@pytest.mark.parametrize('elsewhere', [False, True])
async def test_a_key_is_not_used_up_when_the_answer_to_what_makes_its_stream_is_lost(
    write: Callable[[Write], bool], elsewhere: bool
) -> None:
    backend = MemoryBackend()
    one, other = Far(backend), Far(backend)
    async with asking(one, other) as posts:
        one.way.lost = write
        first = await posts[0]({'prompt': 'Go'})
        assert (first.status_code, first.json()['error']) == (503, 'unavailable')
        assert one.entered == 0
        one.way.lost = nothing
        again = await posts[elsewhere]({'prompt': 'Go'})
        assert again.status_code == 201
        assert await ending(other, again.json()['stream']) == {'type': 'end', 'finish': 'complete'}
        assert one.entered + other.entered == 1


@pytest.mark.parametrize(('late', 'unanswered'), [(enters, nothing), (nothing, makes)])
async def test_a_process_that_dies_over_it_leaves_the_key_to_others(
    late: Callable[[Write], bool], unanswered: Callable[[Write], bool]
) -> None:
    backend = MemoryBackend()
    one, other = Far(backend, lease=0.4), Far(backend, lease=0.4)
    async with asking(one, other) as (post, elsewhere):
        one.way.late, one.way.unanswered = late, unanswered
        first = asyncio.ensure_future(post({'prompt': 'Go'}))
        await asyncio.sleep(0.1)
        one.way.gone = True
        again = await asyncio.wait_for(elsewhere({'prompt': 'Go'}), 10)
        assert again.status_code == 201
        assert await ending(other, again.json()['stream']) == {'type': 'end', 'finish': 'complete'}
        assert (one.entered, other.entered) == (0, 1)
        one.way.gone = False
        one.way.released.set()
        await first
        assert one.entered == 0


async def test_a_process_that_stood_still_before_it_entered_its_run_does_not_enter_it_when_another_one_has() -> None:
    backend = MemoryBackend()
    one, other = Far(backend, lease=0.4), Far(backend, lease=0.4)
    async with asking(one, other) as (post, elsewhere):
        one.way.late = enters
        first = asyncio.ensure_future(post({'prompt': 'Go'}))
        await until(lambda: one.made != [])
        again = await asyncio.wait_for(elsewhere({'prompt': 'Go'}), 10)
        one.way.released.set()
        assert (await first).json() == again.json()
        assert (one.entered, other.entered) == (0, 1)
        assert await ending(one, again.json()['stream']) == {'type': 'end', 'finish': 'complete'}


async def test_who_comes_with_a_key_while_its_stream_is_made_elsewhere_waits_for_the_run() -> None:
    backend = MemoryBackend()
    one, other = Far(backend), Far(backend)
    async with asking(one, other) as (post, elsewhere):
        one.way.late = enters
        first = asyncio.ensure_future(post({'prompt': 'Go'}))
        await until(lambda: one.made != [])
        again = asyncio.ensure_future(elsewhere({'prompt': 'Go'}))
        await asyncio.sleep(0.1)
        assert not again.done()
        one.way.released.set()
        assert (await first).json() == (await again).json()
        assert (one.entered, other.entered) == (1, 0)


async def test_a_stream_that_nobody_was_told_of_is_not_left_without_a_key_either() -> None:
    worker = Far(MemoryBackend(), authorize=who)
    async with asking(worker) as (post,):
        worker.way.lost = makes
        assert (await post({'prompt': 'Go'}, None, **{'x-who': 'ann'})).status_code == 503
        worker.way.lost = nothing
        began = time.monotonic()
        while await worker.runner.log.owned('ann'):
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.01)


async def test_a_name_that_a_program_gives_can_be_given_again_when_the_answer_was_lost() -> None:
    worker = Far(MemoryBackend())
    async with worker.runner as runner:
        worker.way.lost = makes
        with pytest.raises(StoreUnavailable):
            await runner.start(RunStream(worker.agent.run_stream_events('Go')), stream_id='a')
        worker.way.lost = nothing
        await asyncio.sleep(0.2)
        assert await runner.start(RunStream(worker.agent.run_stream_events('Go')), stream_id='a') == 'a'
        assert await ending(worker, 'a') == {'type': 'end', 'finish': 'complete'}


async def test_a_runner_is_closed_although_its_log_has_not_come_back() -> None:
    worker = Far(MemoryBackend())
    async with worker.runner as runner:
        worker.way.gone = True
        with pytest.raises(StoreUnavailable):
            await runner.start(RunStream(worker.agent.run_stream_events('Go')))
    assert isinstance(runner, StreamRunner)
