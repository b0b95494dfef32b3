"""Streams that go on in this process: each is a run that writes into a record of frames, which clients read."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from ..aio.closing import over
from ..aio.cursor import Cursor
from ..core.numbers import check_number
from ..core.pacing import Smoothing
from ..core.record import Record
from .frames import Frame, FrameType
from .running import Running
from .source import Source, refuse_started
from .wire import Frames
from .writing import Writer

__all__ = ['LiveStream', 'LiveStreams']


class LiveStream:
    """A run and its frames. Made by `LiveStreams.start`.

    The run goes at its own speed, whoever reads: a slow client only lags behind. Who reads says so, with `join` before
    and `leave` after: the run is stopped when nobody is there for too long.

    Attributes:
        id: Its name, which nobody can guess: who knows it may read.
        frames: What has come, encoded once for all clients.
    """

    def __init__(
        self, source: Source, include: Collection[FrameType] | None, smoothing: Smoothing | None, linger: float
    ) -> None:
        format = Frames(include, smoothing=smoothing)  # noqa: A001 - as of a runner
        self.id = secrets.token_urlsafe(16)
        self.frames: Record[Frame] = Record()
        self._linger = linger
        self._clients = 0
        self._leaving: asyncio.TimerHandle | None = None
        self._running = Running(source, _Kept(self.id, self.frames), [format])
        if linger:
            self._stop_later()

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
            self._stop_later()
        else:
            await self.stop()

    def _stop_later(self) -> None:
        self._leaving = asyncio.get_running_loop().call_later(self._linger, self.cancel)

    async def stop(self) -> None:
        """End the run and wait until it has let go of everything and a turn is saved, even if cancelled.

        It waits for five seconds at most: then the last frame is there, and a run whose tool does not end is left
        behind, which the log says.
        """
        self.cancel()
        await over(self._running.task)

    def cancel(self) -> None:
        """Have the run end, without waiting for that."""
        self._running.cancel()

    def when_over(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the last frame is there."""
        self._running.task.add_done_callback(lambda _: callback())


class _Kept(Writer):
    """Writes into a record, at once."""

    def __init__(self, stream_id: str, frames: Record[Frame]) -> None:
        self.stream_id = stream_id
        self._frames = frames
        self._clock = asyncio.get_running_loop().time

    def open(self, cancel: Callable[[], object], /) -> None:
        """Nobody else knows of the stream, and asks for its end."""

    def put(self, entry: bytes, /) -> None:
        self._frames.append(entry.decode(), self._clock())

    async def close(self, last: Sequence[bytes], /) -> None:
        for entry in last:
            self.put(entry)
        self._frames.close(now=self._clock())

    def give_up(self) -> None:
        """It is never in the way."""


class LiveStreams:
    """The streams of this process that a client can lose and pick up again.

    A stream is kept for `linger` seconds after its last client has gone: the run goes on meanwhile, and a client that
    names the last frame it has seen gets those that follow. One that no client comes to is stopped as long after its
    start. This is within one process: several workers need requests of one client to come to the same worker, and what
    is here ends with the process.

    As a context it ends all streams when it is left; `lifespan` is the same for an application.

    Args:
        linger: Seconds. With 0, a stream waits for its first client, and is stopped with the last one.

    Raises:
        TypeError: `linger` is not a number.
        ValueError: `linger` is negative or infinite.
    """

    def __init__(self, *, linger: float = 30.0) -> None:
        check_number('linger', linger)
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

        `SSEResponse` does it, and has joined before anything can happen. A client that comes later has `linger` seconds
        to `join`: a stream that is not joined by then is stopped, although somebody may `read` it. With `linger=0`
        there is no such limit: a stream that is never joined goes on to its end.

        Args:
            source: A `RunStream` or a turn of a `Chat`, not entered yet.
            include: The types of frames to write, all by default; `start`, `end` and `error` always are.
            smoothing: How to pace the text; `None` writes it as it comes.

        Raises:
            StreamUsageError: The stream was entered already.
            ValueError: There is no such type of frames.
        """
        refuse_started(source)
        live = LiveStream(source, include, smoothing, self._linger)
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
