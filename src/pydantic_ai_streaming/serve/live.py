"""Streams that go on in this process: each has a task that runs it and a record of frames that clients read."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self

from ..aio.closing import over
from ..aio.cursor import Cursor
from ..core.pacing import Smoothing
from ..core.record import Record
from ..run.stream import RunStream
from .frames import FRAMES, Frame, FrameType, FrameView, frame, stats_frame
from .source import Source, refuse_started

__all__ = ['LiveStream', 'LiveStreams', 'error_frame']

logger = logging.getLogger(__name__)

ALWAYS: Final[frozenset[FrameType]] = frozenset({'start', 'end', 'error'})


def error_frame(failure: BaseException, finish: str, *, stream: str) -> Frame:
    """The frame for an error, which is told to the log alone, under an id that both have."""
    error_id = secrets.token_hex(8)
    logger.error('Stream %s ended with error %s (%s)', stream, error_id, finish, exc_info=failure)
    return frame('error', finish=finish, error_id=error_id)


class LiveStream:
    """A run and its frames. Made by `LiveStreams.start`.

    One task enters the run, writes its frames and leaves it, at the run's own speed: a slow client only lags behind.

    Attributes:
        id: Its name, which nobody can guess: who knows it may read.
        frames: What has come, encoded once for all clients.
    """

    def __init__(
        self, source: Source, include: Collection[FrameType], smoothing: Smoothing | None, linger: float
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.frames: Record[Frame] = Record()
        self._include = frozenset(include) | ALWAYS
        self._smoothing = smoothing
        self._linger = linger
        self._clients = 0
        self._leaving: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(source), name='pydantic-ai-streaming serve')
        # One that is cancelled before it has begun never runs: the record is to end all the same.
        self._task.add_done_callback(lambda _: self._close(frame('end', finish='stopped')))

    @property
    def over(self) -> bool:
        """Whether the last frame is there."""
        return self.frames.closed

    def read(self, offset: int) -> Cursor[Frame]:
        """View the frames from an offset."""
        return Cursor(self.frames, offset)

    def join(self) -> None:
        """A client has come."""
        self._clients += 1
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    async def leave(self) -> None:
        """A client has gone. After the last one, the run is stopped: at once, or when nobody has come back in time."""
        self._clients -= 1
        if self._clients or self.over:
            return
        if self._linger:
            self._leaving = self._loop.call_later(self._linger, self.cancel)
        else:
            await self.stop()

    async def stop(self) -> None:
        """End the run and wait until it has let go of everything and a turn is saved, even if cancelled."""
        self.cancel()
        await over(self._task)

    def cancel(self) -> None:
        """Have the run end, without waiting for that."""
        # Once: what clears up is not to be cancelled again.
        if not self._task.done() and not self._task.cancelling():
            self._task.cancel()

    def when_over(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the run has let go of everything."""
        self._task.add_done_callback(lambda _: callback())

    # The run

    async def _run(self, source: Source) -> None:
        self._tell(frame('start', stream=self.id))
        stream: RunStream[Any] | None = None
        view: FrameView | None = None
        failure: BaseException | None = None
        try:
            async with source as stream:
                view = FrameView(stream, self._include, self._smoothing)
                async for one in view:
                    self._tell(one)
        except (Exception, asyncio.CancelledError) as error:
            failure = error
        try:
            if view is not None:
                for one in view.rest():
                    self._tell(one)
            if stream is not None and 'stats' in self._include:
                self._tell(stats_frame(stream))
        except Exception as error:
            failure = error
        finish = 'stopped' if stream is None else stream.finish or 'failed'
        # A turn that could not be saved is a note on the cancellation that had ended it.
        if failure is None or (isinstance(failure, asyncio.CancelledError) and not hasattr(failure, '__notes__')):
            self._close(frame('end', finish=finish))
        else:
            self._close(error_frame(failure, 'failed' if stream is None else finish, stream=self.id))

    def _tell(self, one: Frame) -> None:
        self.frames.append(one, self._loop.time())

    def _close(self, last: Frame) -> None:
        if not self.frames.closed:
            self._tell(last)
            self.frames.close(now=self._loop.time())


class LiveStreams:
    """The streams of this process that a client can lose and pick up again.

    A stream is kept for `linger` seconds after its last client has gone: the run goes on meanwhile, and a client that
    names the last frame it has seen gets those that follow. This is within one process: several workers need requests
    of one client to come to the same worker, and what is here ends with the process.

    As a context it ends all streams when it is left; `lifespan` is the same for an application.

    Args:
        linger: Seconds.

    Raises:
        ValueError: `linger` is negative or infinite.
    """

    def __init__(self, *, linger: float = 30.0) -> None:
        if not 0 <= linger < float('inf'):
            raise ValueError(f'linger={linger!r}: use a number of seconds, 0 or more')
        self._linger = linger
        self._streams: dict[str, LiveStream] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop_all()

    @asynccontextmanager
    async def lifespan(self, app: object) -> AsyncGenerator[None]:
        """The `lifespan` of an application, `Starlette(lifespan=streams.lifespan)`: with it all streams end."""
        async with self:
            yield

    def __len__(self) -> int:
        return len(self._streams)

    def start(
        self, source: Source, *, include: Collection[FrameType] | None = None, smoothing: Smoothing | None = None
    ) -> LiveStream:
        """Start a run.

        Args:
            source: A `RunStream` or a turn of a `Chat`, not entered yet.
            include: The types of frames to write, all by default; `start`, `end` and `error` always are.
            smoothing: How to pace the text; `None` writes it as it comes.

        Raises:
            StreamUsageError: The stream was entered already.
            ValueError: There is no such type of frames.
        """
        refuse_started(source)
        if unknown := set(include or ()) - FRAMES:
            raise ValueError(f'include has {sorted(unknown)}: the types of frames are {sorted(FRAMES)}')
        live = LiveStream(source, FRAMES if include is None else include, smoothing, self._linger)
        self._streams[live.id] = live
        live.when_over(lambda: self._forget_later(live))
        return live

    @property
    def ids(self) -> list[str]:
        """The ids of the streams that there are."""
        return list(self._streams)

    def get(self, stream_id: str) -> LiveStream | None:
        """The stream of this id, if there is one still."""
        return self._streams.get(stream_id)

    async def stop(self, stream_id: str) -> bool:
        """End a run, as by a stop button. Returns whether there was such a stream that had not ended."""
        live = self.get(stream_id)
        if live is None or live.over:
            return False
        await live.stop()
        return True

    async def stop_all(self) -> None:
        """End all runs and wait for them."""
        streams = list(self._streams.values())
        self._streams.clear()
        await asyncio.gather(*(live.stop() for live in streams))

    def _forget_later(self, live: LiveStream) -> None:
        if self._linger:
            asyncio.get_running_loop().call_later(self._linger, self._streams.pop, live.id, None)
        else:
            self._streams.pop(live.id, None)
