"""Runs that are detached from the requests that asked for them: `StreamRunner`."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

from ..aio.closing import drain, over
from ..errors import StoreError, StoreUnavailable, StreamLogError, StreamUsageError, TooManyRuns, TurnInProgress
from ..logs.heads import Write
from ..logs.log import StreamLog
from ..logs.memory import MemoryLog
from .running import Running
from .source import Source, refuse_started
from .wire import FORMATS, Frames, WireFormat

__all__ = ['StreamRunner']

logger = logging.getLogger(__name__)

LAST_WRITES: Final = 5.0
"""Seconds that a log which cannot be reached gets to come back, when this process ends."""

ENDED_AT_ONCE: Final = 100
"""Streams without a producer that are ended in one commit, at most."""


class StreamRunner:
    r"""Starts runs that go on by themselves, each written into a stream of a log.

    Who asked for a run may go away, come back and read on, from any worker that has the log. The run ends when its
    model has finished, when somebody asks for that (`stop`, from any worker), when this process is closed, or when it
    dies: then, once its lease has lapsed, another process that has the log and is alive writes the last entry. So each
    stream has one, and who follows it is never left waiting.

    As a context it is closed when it is left; `lifespan` is the same for an application.

    Args:
        log: Where runs are written. In the memory of this process by default.
        formats: What is written, for which kinds of clients; `Frames()` by default.
        at_once: Runs that go on at the same time in this process, at most.
        ttl: Seconds after its last entry after which a stream is forgotten.
        grace: Seconds that runs get to finish when this is closed, before they are stopped.

    Raises:
        ValueError: A setting is out of its range, or two formats have the same name.

    Example:
        ```python
        import asyncio

        from pydantic_ai import Agent
        from pydantic_ai_streaming import RunStream
        from pydantic_ai_streaming.serve import Frames, StreamRunner
        from pydantic_ai_streaming.testing import ScriptedModel

        agent = Agent(ScriptedModel(['One ', 'two.']))


        async def main():
            async with StreamRunner(formats=[Frames(['text'])]) as runner:
                stream_id = await runner.start(RunStream(agent.run_stream_events('Count')))
                async for part in await runner.log.follow(stream_id, offset=1):
                    print(*part.entries, sep='\n')


        asyncio.run(main())
        #> b'{"type":"text","text":"One "}'
        #> b'{"type":"text","text":"two."}'
        #> b'{"type":"end","finish":"complete"}'
        ```
    """

    def __init__(
        self,
        log: StreamLog | None = None,
        *,
        formats: Sequence[WireFormat] | None = None,
        at_once: int = 100,
        ttl: float = 3600.0,
        grace: float = 10.0,
    ) -> None:
        if at_once < 1:
            raise ValueError(f'at_once={at_once!r}: use 1 or more')
        if not grace >= 0:
            raise ValueError(f'grace={grace!r}: use a number of seconds, 0 or more')
        if not 0 < ttl < math.inf:
            raise ValueError(f'ttl={ttl!r}: use a positive number of seconds')
        self.log = MemoryLog() if log is None else log
        self.formats: dict[str, WireFormat] = {one.name: one for one in (formats or [Frames()])}
        if len(self.formats) < len(formats or ()):
            raise ValueError('formats: two of them have the same name, so a client could not choose')
        self._at_once = at_once
        self.ttl = ttl
        self._grace = grace
        self._running: dict[str, Running] = {}
        self._starting = 0
        self._closing = False
        self._reaping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def lifespan(self, app: object) -> AsyncGenerator[None]:
        """For `Starlette(lifespan=runner.lifespan)` and FastAPI: opened with the application, closed with it."""
        async with self:
            yield

    async def open(self) -> None:
        """Open the log, and begin to look after streams whose process has died. `start` does it, if need be."""
        await self.log.open()
        if self._reaping is None:
            self._reaping = asyncio.create_task(self._reap(), name='pydantic-ai-streaming reap')

    async def close(self) -> None:
        """Let runs finish for `grace` seconds, stop those that have not, and close the log."""
        self._closing = True
        try:
            if self._running:
                await asyncio.wait([one.task for one in self._running.values()], timeout=self._grace)
        finally:
            running = list(self._running.values())
            for one in running:
                one.cancel()
            if running:
                await asyncio.wait([one.task for one in running], timeout=LAST_WRITES)
            for one in running:
                one.give_up()
            await over(*(one.task for one in running))
            if self._reaping is not None:
                await drain(self._reaping)
                self._reaping = None
            await self.log.close()
            self._closing = False

    @property
    def ids(self) -> list[str]:
        """The streams of the runs that go on in this process."""
        return list(self._running)

    async def start(
        self,
        source: Source,
        *,
        stream_id: str | None = None,
        owner: str | None = None,
        formats: Sequence[str] | None = None,
        details: dict[str, Any] | None = None,
    ) -> str:
        """Begin a run, and return the id of its stream, which is there when this returns.

        Args:
            source: A `RunStream` or a turn of a `Chat`, not entered yet.
            stream_id: The id; one that cannot be guessed by default.
            owner: Whose it is, for `StreamLog.owned`.
            formats: Names of the formats to write; all by default.
            details: What is kept with the stream; has to have a JSON form.

        Raises:
            StreamUsageError: The source was entered already, or this is closing.
            TooManyRuns: As many runs go on as may.
            TurnInProgress: The conversation has another turn that goes on. There is no stream.
            StreamLogError: There is a stream of this id.
            StoreUnavailable: The log cannot be reached. Nothing was begun.
            ValueError: There is no such format.
        """
        refuse_started(source)
        chosen = [self._format(name) for name in (self.formats if formats is None else formats)]
        if self._closing:
            raise StreamUsageError('This StreamRunner is closing: ask another worker, or later.')
        if len(self._running) + self._starting >= self._at_once:
            raise TooManyRuns(self._at_once)
        self._starting += 1
        try:
            await self.open()
            names = [one.name for one in chosen]
            producer = await self.log.create(
                stream_id, owner=owner, ttl=self.ttl, details={**(details or {}), FORMATS: names}
            )
        finally:
            self._starting -= 1
        running = Running(source, producer, chosen)
        self._running[producer.stream_id] = running
        running.task.add_done_callback(lambda _: self._running.pop(producer.stream_id, None))
        await self._begun(running, producer.stream_id)
        return producer.stream_id

    async def _begun(self, running: Running, stream_id: str) -> None:
        try:
            await asyncio.shield(running.begun)
        except TurnInProgress:
            # Nobody was told of the stream, and a client is told more by the error than by a stream that has failed.
            await over(running.task)
            with suppress(StreamLogError, StoreUnavailable):
                await self.log.delete(stream_id)
            raise

    def _format(self, name: str) -> WireFormat:
        if name not in self.formats:
            raise ValueError(f'There is no format {name!r}: this StreamRunner writes {sorted(self.formats)}')
        return self.formats[name]

    async def stop(self, stream_id: str) -> bool:
        """End a run, as by a stop button, wherever it goes on. Returns whether it had not ended.

        Raises:
            StreamMissing: There is no such stream.
            StoreUnavailable: The log cannot be reached. A run of this process is stopped all the same.
        """
        if (running := self._running.get(stream_id)) is not None:
            running.cancel()
            return True
        return await self.log.stop(stream_id)

    async def _reap(self) -> None:
        """Write the last entries of streams whose process has died."""
        clock, lease = asyncio.get_running_loop().time, self.log.lease
        twice = lease * 2 / 3  # in which who lives renews a lease twice
        looked, ending_from, told = clock(), 0.0, ''
        while True:
            try:
                lapsed = await self.log.lapsed()
                # Where this process could not see the log for so long, others could not renew their leases: as when
                # the log was down, or the machine asleep. They get as long to do it now.
                now = clock()
                if now - looked > twice:
                    ending_from = now + twice
                if now >= ending_from:
                    await self._end_all(lapsed)
                looked = clock()
            except StoreUnavailable:
                pass  # it is there again some time
            except StoreError as error:
                if str(error) != told:
                    told = str(error)
                    logger.error('A stream without a producer cannot be ended, and that is tried again: %s', error)
            except Exception:
                logger.exception('Looking after streams without a producer has failed, and goes on')
            await asyncio.sleep(min(1.0, lease / 4))

    async def _end_all(self, stream_ids: Sequence[str]) -> None:
        """End many at once: a process may have had hundreds."""
        for first in range(0, len(stream_ids), ENDED_AT_ONCE):
            some = stream_ids[first : first + ENDED_AT_ONCE]
            outcomes = await asyncio.gather(*map(self._end_lost, some), return_exceptions=True)
            for one in outcomes:
                if one is not None:
                    raise one

    async def _end_lost(self, stream_id: str) -> None:
        try:
            head = await self.log.head(stream_id)
            names = head.details.get(FORMATS)
            if not isinstance(names, list):
                return  # it is no run's
            last = [
                one.mark + text.encode() for one in self.formats.values() if one.name in names for text in one.lost()
            ]
            # In one step: who dies over it has not become another producer that is gone.
            await self.log.write(
                Write(
                    stream_id=stream_id,
                    entries=last,
                    incarnation=head.incarnation,
                    token=secrets.token_urlsafe(9),
                    take_over=True,
                    close=True,
                )
            )
        except StreamLogError as error:
            logger.debug('Stream %s was lost, and somebody else has ended it: %s', stream_id, error)
        else:
            logger.warning('Stream %s was ended for its producer, which is gone', stream_id)
