"""The tasks of a log are cancelled, as `asyncio.run` does with all: nobody waits for ever for what came then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pydantic_ai_streaming.errors import LogClosed, StoreError
from pydantic_ai_streaming.logs import Head, MemoryBackend, Refusal, StreamLog, Write
from pydantic_ai_streaming.logs.group_commit import GroupCommit

Outcome = Head | Refusal | StoreError | None


class Commits:
    """Does writes when it is let, and says in which order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.begun, self.lets = asyncio.Event(), asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.group = GroupCommit(self.commit)

    async def commit(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        self.task = asyncio.current_task()
        self.begun.set()
        try:
            await self.lets.wait()
        except asyncio.CancelledError:
            for _ in range(3):  # as a driver that gives a connection back
                await asyncio.sleep(0)
            raise
        self.done += [write.stream_id for write in writes]
        return [Refusal('missing')] * len(writes)

    def write(self, name: str) -> asyncio.Task[Head | Refusal | None]:
        return asyncio.create_task(self.group.write(Write(stream_id=name)))

    def cancel(self) -> None:
        assert self.task is not None
        self.task.cancel()


async def ends(*tasks: asyncio.Task[Head | Refusal | None]) -> list[type]:
    async with asyncio.timeout(5):
        return [type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)]


async def cut_short() -> tuple[Commits, asyncio.Task[Head | Refusal | None]]:
    """A commit that is cancelled, and a write behind it whose caller has given it up."""
    commits = Commits()
    commits.write('a')
    await commits.begun.wait()
    left = commits.write('b')
    await asyncio.sleep(0)
    left.cancel()
    commits.cancel()
    return commits, left


async def test_what_comes_while_a_cancelled_commit_ends_is_written_in_its_order() -> None:
    commits = Commits()
    first = commits.write('a')
    await commits.begun.wait()
    before = commits.write('b')
    await asyncio.sleep(0)
    commits.cancel()
    after = commits.write('c')
    commits.lets.set()
    assert await ends(first, before, after) == [asyncio.CancelledError, Refusal, Refusal]
    assert commits.done == ['b', 'c']


@pytest.mark.parametrize('turns', [0, 1])
async def test_a_writer_that_is_cancelled_before_it_has_taken_anything_loses_nothing(turns: int) -> None:
    commits = Commits()
    commits.lets.set()
    writes = [commits.write(name) for name in 'ab']
    await asyncio.sleep(0)
    for _ in range(turns):  # with none it has not begun, with one it waits for what else comes
        await asyncio.sleep(0)
    [task] = [one for one in asyncio.all_tasks() if one.get_name().endswith('log writer')]
    task.cancel()
    assert await ends(*writes) == [Refusal, Refusal]
    assert commits.done == ['a', 'b']


async def test_what_was_cancelled_by_its_caller_is_written_before_what_came_after_it() -> None:
    commits, left = await cut_short()
    last = commits.write('c')
    commits.lets.set()
    assert await ends(left, last) == [asyncio.CancelledError, Refusal]
    assert commits.done == ['b', 'c']


async def test_what_nobody_waits_for_is_written_before_a_log_is_closed_although_its_writer_was_cancelled() -> None:
    commits, _ = await cut_short()
    commits.lets.set()
    async with asyncio.timeout(5):
        await commits.group.flush()
    assert commits.done == ['b']


async def test_a_commit_that_answers_for_too_few_fails_for_all() -> None:
    async def commit(writes: Sequence[Write]) -> Sequence[Outcome]:
        return [None]

    group = GroupCommit(commit)
    writes = [asyncio.create_task(group.write(Write(stream_id=one))) for one in 'ab']
    assert await ends(*writes) == [ValueError, ValueError]


def test_a_program_ends_although_its_writer_clears_up_when_all_is_cancelled() -> None:
    class Slow(MemoryBackend):
        def __init__(self) -> None:
            super().__init__()
            self.commits, self.third = 0, asyncio.Event()

        async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
            self.commits += 1
            if self.commits == 3:
                self.third.set()
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    await asyncio.sleep(0.01)  # as a driver that gives a connection back
                    raise
            return await super().commit(writes)

    backend = Slow()
    log = StreamLog(backend, lease=1000)
    ended: list[int] = []

    async def write() -> None:
        producer = await log.create('a')
        try:
            while True:
                await producer.append([b'one'])
        finally:
            async with asyncio.timeout(5):
                ended.append(await producer.close([b'end']))

    async def main() -> asyncio.Task[None]:
        writing = asyncio.create_task(write())
        await backend.third.wait()
        return writing

    with asyncio.Runner() as runner:
        writing = runner.run(main())
    assert writing.cancelled()
    assert ended == [2]


async def test_who_follows_is_told_although_the_closing_of_the_log_is_cut_short() -> None:
    class Stuck(MemoryBackend):
        closed = 0

        def __init__(self) -> None:
            super().__init__()
            self.lets = asyncio.Event()

        async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
            if any(write.entries for write in writes):
                await self.lets.wait()
            return await super().commit(writes)

        async def close(self) -> None:
            self.closed += 1

    backend = Stuck()
    log = StreamLog(backend, lease=1000)
    producer = await log.create('a')
    following = asyncio.create_task(anext(await log.follow('a')))
    appending = asyncio.create_task(producer.append([b'one']))
    await asyncio.sleep(0.01)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await log.close()
    async with asyncio.timeout(5):
        with pytest.raises(LogClosed):
            await following
        backend.lets.set()
        assert await appending == 1
        await log.close()
    assert backend.closed == 1
