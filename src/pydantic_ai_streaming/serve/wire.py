"""What a log holds of a run: entries, each of which one kind of client reads."""

from __future__ import annotations

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, cast

from ..core.pacing import Smoothing
from ..core.telling import told_to
from ..errors import StreamTimeout
from ..logs.heads import Slice
from ..run.stream import RunStream
from ..run.views import check_smoothing
from .frames import FRAMES, FrameType, FrameView, frame, stats_frame

__all__ = [
    'AG_UI',
    'AI_SDK',
    'CHAT',
    'FORMATS',
    'LOST',
    'MESSAGE',
    'OURS',
    'RUN',
    'STARTING',
    'Ending',
    'Frames',
    'WireFormat',
    'check_formats',
    'ending_of',
    'frames_in',
    'is_frame',
    'last_frame',
]

AI_SDK: Final = 'ai-sdk'
AG_UI: Final = 'ag-ui'

FORMATS: Final = 'formats'
"""Where the details of a stream say what it is written in: so others know that it is a run's, and how to end it."""

CHAT: Final = 'chat'
RUN: Final = 'run'
MESSAGE: Final = 'message'
"""Where the details of a stream say what its client calls the chat, the run, and the message that it goes on with."""

STARTING: Final = 'starting'
"""In the details of a stream whose run nobody has entered yet. Before it is entered, that is taken out."""

OURS: Final = '__serve/'
"""What the ids of streams begin with that are for the routes alone: no client of any protocol gets at them."""

logger = told_to(__name__)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended, as far as clients may know it.

    Attributes:
        finish: `RunStream.finish`; `failed` also for a run that did not begin, `lost` for one whose process is gone.
        error_id: Under which this package's log has the error; `None` if there was none.
    """

    finish: str
    error_id: str | None = None

    @property
    def message(self) -> str:
        """For a person: without the text of any exception."""
        if self.finish == 'lost':
            return 'The process that wrote this answer is gone.'
        return f'Something went wrong (error {self.error_id}).'


LOST: Final = Ending(finish='lost')
"""The end of a stream whose producer is gone."""


def ending_of(stream: RunStream[Any] | None, failure: BaseException | None, *, stream_id: str) -> Ending:
    """How a run ended. A failure is told to the log alone, under an id that both have."""
    finish = None if stream is None else stream.finish
    if finish is None and isinstance(failure, StreamTimeout):
        finish = 'timed_out'  # which views may learn before the run has let go of everything
    finish = finish or ('failed' if failure is not None else 'stopped')
    # A turn that could not be saved is a note on the cancellation that had ended it.
    if failure is None or (isinstance(failure, asyncio.CancelledError) and not hasattr(failure, '__notes__')):
        return Ending(finish=finish if stream is not None else 'stopped')
    error_id = secrets.token_hex(8)
    logger.error('Stream %s ended with error %s (%s)', stream_id, error_id, finish, exc_info=failure)
    return Ending(finish=finish, error_id=error_id)


class WireFormat(ABC):
    """What a kind of client reads: one JSON text after the other.

    Each is written into the log once, as an entry that begins with `mark`, and sent to any number of clients as it is.

    Attributes:
        name: What it is asked for by.
        mark: What its entries begin with, other than those of any other format; empty for frames, which begin with `{`.
        headers: What clients of this kind want to see in a response.
        reading: Settings for pydantic-ai's `UIAdapter`, which reads what they send.
        done: What is sent after the last entry, if anything.
    """

    name: ClassVar[str]
    mark: ClassVar[bytes]
    headers: ClassVar[dict[str, str]] = {}
    reading: Mapping[str, Any] = MappingProxyType({})

    @abstractmethod
    def encode(
        self,
        stream: RunStream[Any] | None,
        ending: Callable[[], Awaitable[Ending]],
        *,
        stream_id: str,
        details: Mapping[str, Any],
    ) -> AsyncIterator[str]:
        """Yield what a run amounts to, until its end, and last of all how it ended.

        What it yields after it was told how the run ended is written in one step with the end of the stream. So there
        is one end, also if the process dies just then: others write one for a stream that has none.

        Args:
            stream: The run, entered; `None` if it could not be.
            ending: Waits until the run is over, and says how it ended. Ask when all else is told.
            stream_id: The stream that it is written into.
            details: What is kept with the stream, such as what its client calls the chat.
        """

    @abstractmethod
    def cut_off(self, how: Ending) -> list[str]:
        """What is written at the end of a stream that `encode` did not end, as it failed, or its process is gone."""

    def payload(self, entry: bytes) -> bytes | None:
        """What of an entry is for clients of this kind; `None` if nothing is."""
        return entry[len(self.mark) :] if entry.startswith(self.mark) else None


class Frames(WireFormat):
    """The frames of `SSEResponse`: `start`, `text`, `tool_call`, ..., and `end` or `error`.

    Args:
        include: The types of frames to write, all by default; `start`, `end` and `error` always are. Leave out what is
            not for the client's eyes: results of tools are in `tool_call`.
        smoothing: How to pace the text; `None` writes it as it comes.

    Raises:
        ValueError: There is no such type of frames, or it is a text and no list.
        TypeError: `smoothing` is no `Smoothing`.
    """

    name = 'frames'
    mark = b''

    def __init__(self, include: Collection[FrameType] | None = None, *, smoothing: Smoothing | None = None) -> None:
        if isinstance(include, str):
            raise ValueError(f'include={include!r}: use a list, [{include!r}]')
        if unknown := set(include or ()) - FRAMES:
            raise ValueError(f'include has {sorted(unknown)}: the types of frames are {sorted(FRAMES)}')
        check_smoothing(smoothing)
        self._include = frozenset(FRAMES if include is None else include)
        self._smoothing = smoothing

    async def encode(  # noqa: D102 - as WireFormat
        self,
        stream: RunStream[Any] | None,
        ending: Callable[[], Awaitable[Ending]],
        *,
        stream_id: str,
        details: Mapping[str, Any],
    ) -> AsyncIterator[str]:
        yield frame('start', stream=stream_id)
        if stream is not None:
            view = FrameView(stream, self._include, self._smoothing)
            over = stream.finish is not None
            while not over:
                try:
                    one = await anext(view)
                except Exception:  # how the run ended, which is told by `ending`, or StopAsyncIteration
                    if not view.exhausted:
                        raise  # of what is told, while the run goes on
                    over = True
                else:
                    yield one
            for one in view.rest():
                yield one
        how = await ending()
        if stream is not None and 'stats' in self._include:
            yield stats_frame(stream)
        yield last_frame(how)

    def payload(self, entry: bytes) -> bytes | None:  # noqa: D102 - as WireFormat
        return entry if is_frame(entry) else None

    def cut_off(self, how: Ending) -> list[str]:  # noqa: D102 - as WireFormat
        return [last_frame(how)]


def is_frame(entry: bytes) -> bool:
    """Whether an entry of the stream of a run is a frame, and not for clients of another format."""
    return entry.startswith(b'{')


def frames_in(part: Slice) -> Sequence[bytes]:
    """The entries of a stream for a client that knows of no formats: of a run, its frames; of any other stream, all.

    An empty one is for nobody: a fork of a run has it in the place of what is for clients of other formats.
    """
    if FORMATS not in part.head.details:
        return [entry for entry in part.entries if entry] if b'' in part.entries else part.entries
    return [entry for entry in part.entries if is_frame(entry)]


def last_frame(how: Ending) -> str:
    """The last frame of a stream, for how its run has ended."""
    if how.error_id is None and how.finish != 'lost':
        return frame('end', finish=how.finish)
    return frame('error', finish=how.finish, error_id=how.error_id)


def check_formats(formats: object) -> None:
    """Raise `TypeError` for what is no sequence of formats. `None` is for the default."""
    several = isinstance(formats, Sequence) and all(
        hasattr(one, 'name') and not isinstance(one, type) for one in cast('Sequence[object]', formats)
    )
    if formats is not None and not several:
        raise TypeError(f'formats={formats!r}: use a list of formats, such as [Frames(), AISDK(version=7), AGUI()]')
