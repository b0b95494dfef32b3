"""Durable runs written into a log from their steps, each piece once however often a step is run: `WorkflowStreams`."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from ..aio.closing import over
from ..errors import StoreUnavailable, StreamLogError
from ..logs.heads import Head, Write
from ..logs.log import StreamLog
from ..logs.producer import Producer
from .frames import Frame, frame
from .step_track import StepTrack, tracks_of
from .wire import FORMATS, Ending, Frames, ending_of, last_frame

if TYPE_CHECKING:
    from pydantic_ai.tools import RunContext

__all__ = ['WorkflowStep', 'WorkflowStreams', 'dbos_step']

logger = logging.getLogger(__name__)

DETAILS: Final = {FORMATS: {Frames.name: 'workflow'}}
"""What the streams are written in. Not as a list, as for a run of a `StreamRunner`, which others end when its process
is gone: of a workflow the engine knows that it goes on."""

LOOK_AGAIN: Final = 0.25
"""Seconds until a lease is asked for again that is another's."""


class WorkflowStep(NamedTuple):
    """Where a durable run is: the id of its workflow, and that of the step; `None` between the steps."""

    workflow_id: str
    step: str | None


def dbos_step() -> WorkflowStep:
    """Where a run under DBOS is.

    Raises:
        RuntimeError: It is in no workflow.
    """
    from dbos import DBOS

    if DBOS.workflow_id is None:
        raise RuntimeError('This is in no workflow of DBOS: call it from a function with @DBOS.workflow().')
    return WorkflowStep(DBOS.workflow_id, None if DBOS.step_id is None else str(DBOS.step_id))


class WorkflowStreams:
    """Writes the runs of workflows into streams of a log, whose ids are those of the workflows.

    An engine of durable execution runs a step again when its process has died, from the step's beginning, and its
    events come a second time. Here they are held against what the log has of that step: who reads along sees each piece
    once, and where the second attempt says something else, what differs is taken back.

    `write` is the `event_stream_handler` of the engine's capability, `run` stands around the run in the workflow.
    The process that runs a workflow is the producer of its stream; one that has died is followed by the next when its
    lease has lapsed (`StreamLog.lease`), and what it still sends then is refused.

    Args:
        log: Opens a log that other processes can read, such as `lambda: SQLiteLog(path)`. It is called once for each
            event loop that workflows run in: DBOS has one of its own for those that it recovers.
        where: Says where a run is. For DBOS by default.
        ttl: Seconds after its last entry after which a stream is forgotten.
        patience: Seconds that a log which cannot be reached gets to come back, before the step fails.
        steps_move: Whether the steps of a workflow may run in different processes: then each gives the stream back.
    """

    def __init__(
        self,
        log: Callable[[], StreamLog],
        *,
        where: Callable[[], WorkflowStep] = dbos_step,
        ttl: float = 86_400.0,
        patience: float = 30.0,
        steps_move: bool = False,
    ) -> None:
        self._open_log = log
        self._where = where
        self._ttl = ttl
        self._patience = patience
        self._steps_move = steps_move
        self._here: WeakKeyDictionary[asyncio.AbstractEventLoop, _Here] = WeakKeyDictionary()

    async def prepare(self, workflow_id: str, *, owner: str | None = None) -> None:
        """Make the stream of a workflow that is about to be started, so that it can be followed at once.

        Raises:
            StreamLogError: There is one of this id (`reason` is `exists`).
            StoreUnavailable: The log cannot be reached.
        """
        token = secrets.token_urlsafe(9)
        head = Head(stream_id=workflow_id, incarnation=token, ttl=self._ttl, owner=owner, details=DETAILS)
        start = frame('start', stream=workflow_id).encode()
        # With a lease that is over at once: whichever process runs the workflow takes it.
        await self.log.write(Write(stream_id=workflow_id, create=head, entries=[start], lease=0.0, token=token))

    @property
    def log(self) -> StreamLog:
        """The log of the event loop that is running."""
        return self._mine.log

    @property
    def _mine(self) -> _Here:
        loop = asyncio.get_running_loop()
        if loop not in self._here:
            self._here[loop] = _Here(self._open_log())
        return self._here[loop]

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """In a workflow, around its run: when it is left, the stream has its last frame, `end` or `error`.

        If the process is about to end, and the run with it, the stream is left to the process that goes on with it.
        """
        workflow_id = self._where().workflow_id
        try:
            yield
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit):
            await self._leave(workflow_id, self._mine.streams.get(workflow_id))
            raise
        except Exception as error:
            await self._end(workflow_id, ending_of(None, error, stream_id=workflow_id))
            raise
        except BaseException:  # with which an engine cancels a workflow
            await self._end(workflow_id, Ending(finish='stopped'))
            raise
        else:
            await self._end(workflow_id, Ending(finish='complete'))

    async def write(self, ctx: RunContext[Any], events: AsyncIterable[Any]) -> None:
        """Write the events of a step: the `event_stream_handler` of the engine's capability.

        It returns when all of it is in the log, so that what the engine takes for done can be read.

        Raises:
            StoreUnavailable: The log could not be reached in time. What it has is read again before the step is.
        """
        workflow_id, step = self._where()
        stream = await self._stream(workflow_id)
        track = stream.track(step or '')
        stream.steps += 1
        try:
            try:
                async for event in events:
                    stream.put(track.add(event))
                stream.put(track.end())
            finally:
                await stream.flush()
        finally:
            stream.steps -= 1
            # Where the log has failed, what it has is to be read before the step is run again.
            if stream.failed or (self._steps_move and not stream.steps):
                await self._leave(workflow_id, stream)

    async def close(self) -> None:
        """Leave the streams of this event loop to others, and close its log."""
        here = self._here.pop(asyncio.get_running_loop(), None)
        if here is not None:
            for stream in here.streams.values():
                await stream.leave()
            await here.log.close()

    async def _end(self, workflow_id: str, how: Ending) -> None:
        stream = await self._stream(workflow_id)
        self._mine.streams.pop(workflow_id, None)
        await stream.end(last_frame(how))

    async def _leave(self, workflow_id: str, stream: _Stream | None) -> None:
        if stream is not None:
            if self._mine.streams.get(workflow_id) is stream:  # and not one that was opened since
                del self._mine.streams[workflow_id]
            await stream.leave()

    async def _stream(self, workflow_id: str) -> _Stream:
        here = self._mine
        async with here.opening:  # the steps of a workflow may run side by side
            if workflow_id not in here.streams:
                here.streams[workflow_id] = await self._opened(here.log, workflow_id)
            return here.streams[workflow_id]

    async def _opened(self, log: StreamLog, workflow_id: str) -> _Stream:
        while True:
            try:
                producer = await log.take_over(workflow_id)
                break
            except StreamLogError as error:
                if error.reason == 'missing':
                    with suppress(StreamLogError):  # somebody else has made it just now
                        await self.prepare(workflow_id)
                elif error.reason == 'held':
                    await asyncio.sleep(LOOK_AGAIN)  # by a process that lives, or has died a moment ago
                else:
                    return _Stream(log, None, {}, self._patience)  # it is over
        entries: list[bytes] = []
        while len(entries) < (part := await log.read(workflow_id, len(entries))).head.length:
            entries += part.entries
        return _Stream(log, producer, tracks_of(entries), self._patience)


class _Here:
    """What belongs to one event loop."""

    def __init__(self, log: StreamLog) -> None:
        self.log = log
        self.streams: dict[str, _Stream] = {}
        self.opening = asyncio.Lock()


class _Stream:
    """The stream of a workflow, in the process that runs it.

    `producer` is `None` if it is over, or another's: what is still written goes nowhere.
    """

    def __init__(
        self, log: StreamLog, producer: Producer | None, tracks: dict[str, StepTrack], patience: float
    ) -> None:
        self._log = log
        self._producer = producer
        self._tracks = tracks
        self._patience = patience
        self._waiting: list[bytes] = []
        self._writing: asyncio.Task[None] | None = None
        self.steps = 0  # that are written just now
        self.failed: StoreUnavailable | None = None

    def track(self, step: str) -> StepTrack:
        track = self._tracks.setdefault(step, StepTrack(step))
        track.begin()
        return track

    def put(self, frames: Sequence[Frame]) -> None:
        """Have frames written, soon: all that come while the log is busy at a time."""
        if frames:
            self._waiting += [one.encode() for one in frames]
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write(), name='pydantic-ai-streaming write')

    async def flush(self) -> None:
        """Wait until everything is written."""
        if self._writing is not None:
            await over(self._writing)
        if self.failed is not None:
            raise self.failed

    async def _write(self) -> None:
        while self._waiting:
            entries, self._waiting = self._waiting, []
            if self._producer is None or self.failed:
                return
            try:
                await self._producer.append(entries, patience=self._patience)
            except StreamLogError as error:
                # The run is not to fail for it: its engine decides who goes on with it.
                logger.warning('Stream %s is written by this process no more: %s', self._producer.stream_id, error)
                self._producer = None
            except StoreUnavailable as error:
                self.failed = error

    async def end(self, last: Frame) -> None:
        await self.flush()
        if self._producer is not None:
            try:
                await self._producer.close([last.encode()], patience=self._patience)
            except StreamLogError as error:
                logger.warning('Stream %s was ended by another: %s', self._producer.stream_id, error)

    async def leave(self) -> None:
        """Let another process take the stream over at once."""
        if (producer := self._producer) is not None:
            self._producer, producer.over = None, True
            try:
                await self._log.write(Write(stream_id=producer.stream_id, epoch=producer.epoch, lease=0.0))
            except (StreamLogError, StoreUnavailable) as error:
                logger.debug('Stream %s is left when its lease has lapsed: %s', producer.stream_id, error)
