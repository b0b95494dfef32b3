"""One writer for a process: what comes while it writes goes into the next commit, together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from ..errors import StoreError
from .heads import Head, Refusal, Write

__all__ = ['GroupCommit', 'Outcome']

Outcome = Head | Refusal | StoreError | None
"""What has become of a write; an error if this one could not be done, but others of the commit were."""


class GroupCommit:
    """Does writes in the order in which they come, as many at a time as have come.

    A commit may be cancelled, as by `asyncio.run`, which cancels all tasks: what it was about is cancelled with it.
    What has come meanwhile, as from those who clear up, is done by another one.

    Args:
        commit: Does some of them; the outcomes are in their order.
        largest: Entries in one commit, at most, unless one write has more.
        heaviest: Bytes of entries in one commit, at most, unless one write has more.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Write]], Awaitable[Sequence[Outcome]]],
        *,
        largest: int = 2000,
        heaviest: int = 4 * 2**20,
    ) -> None:
        self._commit = commit
        self._largest = largest
        self._heaviest = heaviest
        self._pending: list[tuple[Write, asyncio.Future[Outcome]]] = []
        self._task: asyncio.Task[None] | None = None

    async def write(self, write: Write) -> Head | Refusal | None:
        """Do a write, and say what became of it. It is done also if the caller is cancelled meanwhile.

        Raises:
            StoreError: This write could not be done.
            Exception: What `commit` raises; whether the write was done is then not known.
        """
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._pending.append((write, done))
        self._going()
        outcome = await done
        if isinstance(outcome, StoreError):
            raise outcome
        return outcome

    async def flush(self) -> None:
        """Wait until all that has come is done, whether well or not."""
        while self._pending or (self._task is not None and not self._task.done()):
            await asyncio.wait([self._going()])

    def _going(self) -> asyncio.Task[None]:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name='pydantic-ai-streaming log writer')
            # Not where it is cancelled: one that has not begun never runs.
            self._task.add_done_callback(self._gone)
        return self._task

    def _gone(self, _: object) -> None:
        # Of what nobody waits for, the next write or `flush` takes care: at the end of a program nobody would wait for
        # this task.
        if any(not done.done() for _, done in self._pending):
            self._going()

    async def _run(self) -> None:
        # What else has come in this turn of the loop is written with the first.
        await asyncio.sleep(0)
        while self._pending:
            batch = self._take()
            try:
                outcomes = await self._commit([write for write, _ in batch])
                done_with = list(zip(batch, outcomes, strict=True))
            except GeneratorExit:
                raise  # its event loop was closed, so nobody waits in it
            except BaseException as error:
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error) if isinstance(error, Exception) else done.cancel()
                if not isinstance(error, Exception):
                    raise
            else:
                for (_, done), outcome in done_with:
                    if not done.done():
                        done.set_result(outcome)

    def _take(self) -> list[tuple[Write, asyncio.Future[Outcome]]]:
        count = entries = size = 0
        for write, _ in self._pending:
            entries += len(write.entries)
            size += sum(map(len, write.entries))
            if count and (entries > self._largest or size > self._heaviest):
                break
            count += 1
        batch, self._pending = self._pending[:count], self._pending[count:]
        return batch
