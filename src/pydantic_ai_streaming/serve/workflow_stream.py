"""The stream of one workflow in the process that runs it: what is written, who is told of a stop, how it ends."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

from ..aio.closing import drain, over
from ..core.telling import told_to
from ..errors import LogClosed, StoreUnavailable, StreamLogError
from ..logs.heads import Write
from ..logs.log import StreamLog
from ..logs.producer import Producer
from .frames import Frame
from .step_track import StepTrack

__all__ = ['AtWork', 'Cancel', 'WorkflowStream']

logger = told_to(__name__)

Cancel: TypeAlias = Callable[[str], Awaitable[BaseException | None]]
"""Has the engine cancel a workflow, by its id. Returns what ends the step that is under way, if that is not to be
`asyncio.CancelledError`."""

CANCEL_AGAIN: Final = 1.0
"""Seconds until an engine that could not be asked to cancel a workflow is asked again."""


class AtWork:
    """The tasks of a workflow in this process, which a stop of its stream ends.

    Attributes:
        is_stopping: Whether somebody has stopped the stream.
        stopped: What ends them, once the engine knows of that.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self.stopped: BaseException | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    def stop(self, error: BaseException) -> None:
        """End what goes on, and what begins."""
        self.stopped = error
        for task in self._tasks:
            task.cancel()

    @contextmanager
    def going_on(self) -> Generator[None]:
        """In the task that runs the workflow or a step of it: a stop ends what it does, by `stopped`."""
        task = asyncio.current_task()
        assert task is not None  # only coroutines come here
        is_inner = task in self._tasks
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if self.stopped is None or isinstance(self.stopped, asyncio.CancelledError) or task.uncancel() > 0:
                raise
            raise self.stopped from None
        finally:
            if not is_inner:
                self._tasks.discard(task)


class WorkflowStream:
    """Writes the stream of a workflow, and ends what runs it when somebody stops the stream.

    Args:
        log: The log.
        stream_id: The stream.
        producer: Who writes it; `None` if it is over, or another's: what is still written goes nowhere.
        tracks: What the log has of each step.
        patience: Seconds that a log which cannot be reached gets to come back.
        at_work: What a stop ends.
        cancel: Has the engine cancel the workflow; `None`: a stop is not heard.

    Attributes:
        steps: How many are written just now.
        failed: Why nothing more is written, if the log could not be reached.
    """

    def __init__(
        self,
        log: StreamLog,
        stream_id: str,
        producer: Producer | None,
        tracks: dict[str, StepTrack],
        *,
        patience: float,
        at_work: AtWork,
        cancel: Cancel | None,
    ) -> None:
        self._log = log
        self._stream_id = stream_id
        self._producer = producer
        self._tracks = tracks
        self._patience = patience
        self._at_work = at_work
        self._waiting: list[bytes] = []
        self._writing: asyncio.Task[None] | None = None
        self.steps = 0
        self.failed: StoreUnavailable | None = None
        self._listening: asyncio.Task[None] | None = None
        if producer is not None and cancel is not None:
            # In a context of its own: what is done there is no part of the step that has opened the stream.
            self._listening = asyncio.create_task(
                self._listen(producer, cancel), name='pydantic-ai-streaming listen', context=contextvars.Context()
            )

    async def _listen(self, producer: Producer, cancel: Cancel) -> None:
        try:
            await producer.until_stopped()
        except LogClosed:
            return  # nobody has stopped it
        head = producer.tail.head
        if producer.fenced or head is None or head.closed:
            return
        self._at_work.is_stopping = True
        while True:
            try:
                error = await cancel(self._stream_id)
                break
            except Exception:
                logger.exception('Workflow %s was stopped, and its engine cannot be told', self._stream_id)
                await asyncio.sleep(CANCEL_AGAIN)
        self._at_work.stop(error or asyncio.CancelledError())

    def track(self, step: str) -> StepTrack:
        """What the log has of a step that is about to be run."""
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
        """Wait until everything is written.

        Raises:
            StoreUnavailable: The log could not be reached in time.
        """
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
                logger.warning('Stream %s is written by this process no more: %s', self._stream_id, error)
                self._producer = None
            except StoreUnavailable as error:
                self.failed = error

    async def end(self, last: Frame) -> None:
        """Write the last frame, and let go of the stream."""
        await self._hear_no_more()
        await self.flush()
        if self._producer is not None:
            try:
                await self._producer.close([last.encode()], patience=self._patience)
            except StreamLogError as error:
                logger.warning('Stream %s was ended by another: %s', self._stream_id, error)

    async def leave(self) -> None:
        """Let another process take the stream over at once."""
        await self._hear_no_more()
        if (producer := self._producer) is not None:
            self._producer, producer.over = None, True
            try:
                await self._log.write(Write(stream_id=producer.stream_id, epoch=producer.epoch, lease=0.0))
            except (StreamLogError, StoreUnavailable) as error:
                logger.debug('Stream %s is left when its lease has lapsed: %s', producer.stream_id, error)

    async def _hear_no_more(self) -> None:
        if self._listening is not None:
            await drain(self._listening)
            self._listening = None
