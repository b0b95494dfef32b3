"""Runs that are detached from the requests that asked for them: `StreamRunner`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Literal, Self, cast

from ..aio.closing import drain, over
from ..core.numbers import check_number
from ..core.telling import told_to
from ..errors import RunnerClosed, TooManyRuns
from ..logs.log import StreamLog
from ..logs.memory import MemoryLog
from ..logs.producer import Producer
from .making import Making
from .places import Places
from .reaper import Reaper
from .running import Running
from .source import Source, refuse_started
from .wire import FORMATS, Frames, WireFormat, check_formats
from .writing import LogWriter

__all__ = ['StreamRunner']

logger = told_to(__name__)

LAST_WRITES: Final = 5.0
"""Seconds that a log which cannot be reached gets to come back, when this process ends."""


class StreamRunner:
    r"""Starts runs that go on by themselves, each written into a stream of a log.

    Who asked for a run may go away, come back and read on, from any worker that has the log. The run ends when its
    model has finished, when somebody asks for that (`stop`, from any worker), when this process is closed, or when it
    dies: then, once its lease has lapsed, another process that has the log and is alive writes the last entry. So each
    stream has one, and who follows it is never left waiting.

    A tool that swallows its cancellation, or takes long to clear up, cannot be ended by anybody. Its stream ends
    `patience` seconds after its run was told to, and what comes of the run later is in no stream. The run keeps its
    place among those that may go on at once, and a turn of a `Chat` its conversation, until it has ended;
    `left_behind` and a warning in the log tell of it.

    As a context it is closed when it is left; `lifespan` is the same for an application.

    Args:
        log: Where runs are written. In the memory of this process by default.
        formats: What is written, for which kinds of clients; `Frames()` by default.
        at_once: Runs that go on at the same time in this process, at most.
        at_once_each: Those of one owner, at most; `None`: as many as `at_once`. Runs without an owner have `at_once`
            alone.
        ttl: Seconds after its last entry after which a stream is forgotten. While its run goes on, each renewal of the
            lease puts that off. Two leases of the log at least.
        grace: Seconds that runs get to finish when this is closed, before they are stopped.
        patience: Seconds that a run gets to let go of everything when it was stopped, or has missed a deadline, before
            its stream ends without it.

    Raises:
        ValueError: A setting is out of its range, or two formats have the same name.
        TypeError: What is given is no log, no list of formats, or no number.

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
        at_once_each: int | None = None,
        ttl: float = 3600.0,
        grace: float = 10.0,
        patience: float = 5.0,
    ) -> None:
        if not isinstance(cast('object', log), StreamLog | None):
            raise TypeError(f'log={log!r}: use MemoryLog(), SQLiteLog(path) or RedisLog(url)')
        for name, limit in (('at_once', at_once), ('at_once_each', at_once_each)):
            if limit is not None:
                check_number(name, limit)
                if limit < 1:
                    raise ValueError(f'{name}={limit!r}: use 1 or more')
        for name, value in (('grace', grace), ('patience', patience), ('ttl', ttl)):
            check_number(name, value)
            if not value >= 0:
                raise ValueError(f'{name}={value!r}: use a number of seconds, 0 or more')
        if not 0 < ttl < math.inf:
            raise ValueError(f'ttl={ttl!r}: use a positive number of seconds')
        self.log = MemoryLog() if log is None else log
        # A shorter one would forget the stream of a run that is silent, or of a process that is gone before another has
        # ended it.
        if ttl < (shortest := 2 * self.log.lease):
            raise ValueError(
                f'ttl={ttl!r} is less than two leases of the log, in which it is seen that a process has died: use '
                f'{shortest:g} s or more, or a log with a shorter lease, such as lease={ttl / 2:g}'
            )
        check_formats(formats)
        self.formats: dict[str, WireFormat] = {one.name: one for one in (formats or [Frames()])}
        if len(self.formats) < len(formats or ()):
            raise ValueError('formats: two of them have the same name, so a client could not choose')
        self.ttl = ttl
        self._making = Making(self.log, ttl=ttl)
        self._grace = grace
        self._patience = patience
        self._at_once, self._at_once_each = at_once, at_once_each
        self._places = Places(at_once, at_once_each)
        self._running: dict[str, Running] = {}
        self._starting: set[asyncio.Task[str]] = set()
        self._state: Literal['open', 'closing', 'closed'] = 'open'
        self._reaping: asyncio.Task[None] | None = None
        self._warns = True

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
        """Open the log, and begin to look after streams whose process has died. `start` does it at first, if need be.

        What was closed can be opened again.

        Raises:
            RunnerClosed: It is being closed just now.
            StoreUnavailable: The log cannot be reached.
        """
        if self._state == 'closing':
            raise RunnerClosed
        self._state = 'open'
        self._warns = False
        await self._open()

    async def _open(self) -> None:
        await self.log.open()
        if self._reaping is None or self._reaping.done():  # with its event loop: this one is the next
            self._reaping = asyncio.create_task(
                Reaper(self.log, self.formats.values()).run(), name='pydantic-ai-streaming reap'
            )

    def warn_unopened(self) -> None:
        """Say in the log, once, that nobody has opened this, and so nobody closes it. Called for requests for runs."""
        if self._warns:
            self._warns = False
            logger.warning(
                'This StreamRunner was not opened, so nothing closes it when this process ends: streams of runs that '
                'go on then have no end until another worker writes it. Give the application its lifespan, as in '
                'Starlette(lifespan=runner.lifespan), or put `async with runner:` into the one that it has.'
            )

    async def close(self) -> None:
        """Let runs finish for `grace` seconds, stop those that have not, and close the log. Nothing is started then.

        It takes `grace` and `patience`, and if the log cannot be reached, five seconds more and as long as its database
        takes over the last write: for a SQLite file that another process has locked, twice its `timeout`. A warning
        names the streams whose tools still go on. uvicorn ends its process then all the same; `asyncio.run` waits for
        them.
        """
        self._state = 'closing'
        running = list(self._running.values())
        telling: list[asyncio.Task[Any]] = [one.task for one in running]
        try:
            await _settled([*telling, *self._starting], self._grace)
        finally:
            for one in running:
                one.cancel()
            try:
                await _settled([*telling, *self._starting], self._patience + LAST_WRITES)
            finally:
                await self._let_go(running)

    async def _let_go(self, running: Sequence[Running]) -> None:
        for one in running:
            one.give_up()
        for task in self._starting:
            task.cancel()
        await over(*(one.task for one in running), *self._starting)
        if self.left_behind:
            logger.warning('Closed, although the runs of these streams go on: %s', ', '.join(self.left_behind))
        await self._making.close()
        if self._reaping is not None:
            await drain(self._reaping)
            self._reaping = None
        await self.log.close()
        self._state = 'closed'

    @property
    def is_open(self) -> bool:
        """Whether runs can be started: it is neither closed nor closing."""
        return self._state == 'open'

    @property
    def ids(self) -> list[str]:
        """The streams of the runs that go on in this process."""
        left = set(self.left_behind)
        return [stream_id for stream_id in self._running if stream_id not in left]

    @property
    def left_behind(self) -> list[str]:
        """The streams that have ended in this process although their runs go on, as a tool of theirs does not end."""
        return [stream_id for stream_id, one in self._running.items() if one.left_behind and not one.run.done()]

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

        Who is cancelled meanwhile, as by a timeout of a request, ends no run: it begins all the same.

        Args:
            source: A `RunStream` or a turn of a `Chat`, not entered yet.
            stream_id: The id; one that cannot be guessed by default.
            owner: Whose it is, for `StreamLog.owned`.
            formats: Names of the formats to write; all by default.
            details: What is kept with the stream; has to have a JSON form.

        Raises:
            StreamUsageError: The source was entered already.
            RunnerClosed: This is closing or was closed, which may also have come in between. There is no stream.
            TooManyRuns: As many runs go on as may, of all or of this owner.
            TurnInProgress: The conversation has another turn that goes on. There is no stream.
            StreamLogError: There is a stream of this id.
            StoreUnavailable: The log cannot be reached. Nothing was begun, and what may have been written of it is
                deleted as soon as the log is there again.
            ValueError: There is no such format.
        """
        refuse_started(source)
        chosen = [self._format(name) for name in (self.formats if formats is None else formats)]
        if self._state != 'open':
            raise RunnerClosed
        self._refuse_too_many(owner)
        self._places.take(owner)
        starting = asyncio.create_task(
            self._start(source, chosen, stream_id, owner, details or {}), name='pydantic-ai-streaming start'
        )
        self._starting.add(starting)
        starting.add_done_callback(self._has_started)
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            if not starting.cancelled() or _is_cancelled():
                starting.add_done_callback(_tell)
                raise
            raise RunnerClosed from None  # it was the closing that would not wait any longer

    def _refuse_too_many(self, owner: str | None) -> None:
        full = self._places.full(owner)
        if full == 'each' and self._at_once_each is not None:
            raise TooManyRuns(self._at_once_each, owner=owner)
        if full is not None:
            raise TooManyRuns(self._at_once)

    async def _start(
        self,
        source: Source,
        formats: Sequence[WireFormat],
        stream_id: str | None,
        owner: str | None,
        details: dict[str, Any],
    ) -> str:
        try:
            running, producer = await self._begin(source, formats, stream_id, owner, details)
        except BaseException:
            self._places.leave(owner)
            raise
        refusal = await asyncio.shield(running.begun)
        if refusal is not None:
            # A client is told more by the error than by a stream that has failed.
            await over(running.task)
            await self._making.forget(producer)
            raise refusal
        return running.stream_id

    async def _begin(
        self,
        source: Source,
        formats: Sequence[WireFormat],
        stream_id: str | None,
        owner: str | None,
        details: dict[str, Any],
    ) -> tuple[Running, Producer]:
        await self._open()
        details = {**details, FORMATS: [one.name for one in formats]}
        producer = await self._making.make(stream_id, owner, details)
        if self._state != 'open':
            await self._making.forget(producer)
            raise RunnerClosed
        # From here on without a pause: what is closed from now on knows of it.
        running = self._running[producer.stream_id] = Running(
            source, LogWriter(producer), formats, details=details, patience=self._patience
        )

        def gone(_: object) -> None:
            self._places.leave(owner)
            if self._running.get(producer.stream_id) is running:
                del self._running[producer.stream_id]

        running.task.add_done_callback(lambda _: running.run.add_done_callback(gone))
        # Nothing is written of a run that was refused: who has come with the same name sees that it was not begun.
        running.begun.add_done_callback(lambda begun: None if begun.result() is None else running.give_up())
        return running, producer

    def _has_started(self, starting: asyncio.Task[str]) -> None:
        self._starting.discard(starting)
        if not starting.cancelled():
            starting.exception()  # which nobody may be there to be told of

    def _format(self, name: str) -> WireFormat:
        if name not in self.formats:
            raise ValueError(f'There is no format {name!r}: this StreamRunner writes {sorted(self.formats)}')
        return self.formats[name]

    async def until_over(self, stream_id: str, *, within: float) -> bool:
        """Wait until a run of this process has its last entry; returns whether it has, or there is no such run here.

        Args:
            stream_id: Its stream.
            within: Seconds to wait, at most.
        """
        running = self._running.get(stream_id)
        if running is None:
            return True
        return bool((await asyncio.wait([running.task], timeout=within))[0])

    async def stop(self, stream_id: str) -> bool:
        """End a run, as by a stop button, wherever it goes on. Returns whether it had not ended.

        Raises:
            StreamMissing: There is no such stream.
            StoreUnavailable: The log cannot be reached. A run of this process is stopped all the same.
        """
        running = self._running.get(stream_id)
        if running is not None and not running.left_behind:
            running.cancel()
            return True
        return await self.log.stop(stream_id)


def _tell(starting: asyncio.Task[str]) -> None:
    """Nobody is there any more who could be told."""
    if not starting.cancelled() and (error := starting.exception()) is not None:
        logger.warning('A run whose caller was cancelled was not begun: %r', error)


async def _settled(tasks: Collection[asyncio.Task[Any]], within: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=within)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
