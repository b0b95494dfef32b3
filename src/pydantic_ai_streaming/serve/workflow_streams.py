"""Durable runs written into a log from their steps, each piece once however often a step is run: `WorkflowStreams`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

from ..errors import StreamLogError
from ..logs.heads import Head, Write
from ..logs.log import StreamLog
from ..logs.producer import Producer
from .frames import frame
from .step_track import StepTrack, tracks_of
from .wire import FORMATS, Ending, Frames, ending_of, last_frame
from .workflow_stream import AtWork, Cancel, WorkflowStream

if TYPE_CHECKING:
    from pydantic_ai.tools import RunContext

__all__ = ['WorkflowStep', 'WorkflowStreams', 'dbos_cancel', 'dbos_step']

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


async def dbos_cancel(workflow_id: str) -> BaseException:
    """Have DBOS cancel a workflow; what ends its step, of which DBOS then keeps nothing."""
    from dbos import DBOS, error

    await DBOS.cancel_workflow_async(workflow_id)
    return error.DBOSWorkflowCancelledError(f'The stream of workflow {workflow_id} was stopped.')


class WorkflowStreams:
    """Writes the runs of workflows into streams of a log, whose ids are those of the workflows.

    An engine of durable execution runs a step again when its process has died, from the step's beginning, and its
    events come a second time. Here they are held against what the log has of that step: who reads along sees each piece
    once, and where the second attempt says something else, what differs is taken back.

    `write` is the `event_stream_handler` of the engine's capability, `run` stands around the run in the workflow.
    The process that runs a workflow is the producer of its stream; one that has died is followed by the next when its
    lease has lapsed (`StreamLog.lease`), and what it still sends then is refused.

    When somebody asks for the end of a stream (`StreamLog.stop`, from any process), the engine cancels the workflow,
    and what goes on of it where it runs ends at once.

    Args:
        log: Opens a log that other processes can read, such as `lambda: SQLiteLog(path)`. It is called once for each
            event loop that workflows run in: DBOS has one of its own for those that it recovers.
        where: Says where a run is. For DBOS by default.
        cancel: Has the engine cancel a workflow, by its id; returns what the step that is under way is to raise, or
            `None` for `asyncio.CancelledError`. DBOS's by default, and with another `where` none: a stop does nothing.
        ttl: Seconds after its last entry after which a stream is forgotten.
        patience: Seconds that a log which cannot be reached gets to come back, before the step fails.
        steps_move: Whether the steps of a workflow may run in different processes: then each gives the stream back.
    """

    def __init__(
        self,
        log: Callable[[], StreamLog],
        *,
        where: Callable[[], WorkflowStep] = dbos_step,
        cancel: Cancel | None = None,
        ttl: float = 86_400.0,
        patience: float = 30.0,
        steps_move: bool = False,
    ) -> None:
        self._open_log = log
        self._where = where
        self._cancel = dbos_cancel if cancel is None and where is dbos_step else cancel
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
        at_work = self._at_work(workflow_id)
        try:
            with at_work.going_on():
                yield
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit):
            if at_work.is_stopping:  # nobody goes on with what its engine has cancelled
                await self._end(workflow_id, Ending(finish='stopped'))
            else:
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
            with self._at_work(workflow_id).going_on():
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

    async def stop(self, workflow_id: str) -> bool:
        """Stop a workflow, from any process: its engine cancels it, and its stream ends as `stopped`.

        As `StreamLog.stop`, for a workflow that no process may run: that one only leaves word for the next that does.
        This waits for the end of the stream, and where the process that ran it is gone, for its lease.

        Returns:
            Whether it had not ended.

        Raises:
            StreamMissing: There is no such stream.
            StoreUnavailable: The log cannot be reached.
        """
        log = self.log
        if not await log.stop(workflow_id):
            return False
        if self._cancel is not None:
            await self._cancel(workflow_id)
            follower = await log.follow(workflow_id, (await log.head(workflow_id)).length)
            while not (follower.tail.head is None or follower.tail.head.closed):
                try:
                    heir = await log.take_over(workflow_id)
                except StreamLogError as error:
                    if error.reason != 'held':
                        break  # the process that ran it has ended it
                    await follower.wait(asyncio.get_running_loop().time() + LOOK_AGAIN)
                else:
                    await heir.close([last_frame(Ending(finish='stopped')).encode()], patience=self._patience)
        return True

    async def close(self) -> None:
        """Leave the streams of this event loop to others, and close its log."""
        here = self._here.pop(asyncio.get_running_loop(), None)
        if here is not None:
            for stream in here.streams.values():
                await stream.leave()
            await here.log.close()

    def _at_work(self, workflow_id: str) -> AtWork:
        return self._mine.at_work.setdefault(workflow_id, AtWork())

    async def _end(self, workflow_id: str, how: Ending) -> None:
        stream = await self._stream(workflow_id)
        self._mine.streams.pop(workflow_id, None)
        self._mine.at_work.pop(workflow_id, None)  # what was stopped holds it, by its traceback
        await stream.end(last_frame(how))

    async def _leave(self, workflow_id: str, stream: WorkflowStream | None) -> None:
        if stream is not None:
            if self._mine.streams.get(workflow_id) is stream:  # and not one that was opened since
                del self._mine.streams[workflow_id]
            await stream.leave()

    async def _stream(self, workflow_id: str) -> WorkflowStream:
        here = self._mine
        # The steps of a workflow may run side by side.
        async with here.opening.setdefault(workflow_id, asyncio.Lock()):
            if workflow_id not in here.streams:
                here.streams[workflow_id] = await self._opened(here.log, workflow_id)
            return here.streams[workflow_id]

    async def _opened(self, log: StreamLog, workflow_id: str) -> WorkflowStream:
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
                    return self._written(log, workflow_id, None, {})  # it is over
        entries: list[bytes] = []
        while len(entries) < (part := await log.read(workflow_id, len(entries))).head.length:
            entries += part.entries
        return self._written(log, workflow_id, producer, tracks_of(entries))

    def _written(
        self, log: StreamLog, workflow_id: str, producer: Producer | None, tracks: dict[str, StepTrack]
    ) -> WorkflowStream:
        at_work = self._at_work(workflow_id)
        return WorkflowStream(
            log, workflow_id, producer, tracks, patience=self._patience, at_work=at_work, cancel=self._cancel
        )


class _Here:
    """What belongs to one event loop."""

    def __init__(self, log: StreamLog) -> None:
        self.log = log
        self.streams: dict[str, WorkflowStream] = {}
        # One for each workflow: one that waits for a lease is in nobody's way.
        self.opening: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # As long as one of them goes on, or its stream is open.
        self.at_work: WeakValueDictionary[str, AtWork] = WeakValueDictionary()
