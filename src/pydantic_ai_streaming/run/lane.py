"""One of several runs side by side: whose turn it is to begin, what comes of it, and how it ends."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

from ..aio.cursor import Cursor
from ..core.record import Record, Signal
from ..reduce.events import RunEvent
from .stream import RunStream

__all__ = ['Arrivals', 'Lane']

K = TypeVar('K')
OutputT = TypeVar('OutputT')


class Lane(Signal, Generic[K, OutputT]):
    """A run and what is known of it.

    It is the signal that the run's record sets at each change: it notes in the arrivals that something has come here,
    and stays for the next change. So the order among runs is known exactly, whatever the clock can tell apart.

    Attributes:
        name: The label.
        source: What gives the stream when it is entered.
        stream: The stream, when the run has begun.
        error: What it failed with, or what entering or leaving it did.
        over: Whether nothing more will come of it.
    """

    def __init__(
        self, name: K, source: AbstractAsyncContextManager[RunStream[OutputT]], arrivals: Arrivals[K, OutputT]
    ) -> None:
        self.name = name
        self.source = source
        self.stream: RunStream[OutputT] | None = None
        self.error: BaseException | None = None
        self.over = False
        self._arrivals = arrivals

    def follow(self, stream: RunStream[OutputT]) -> None:
        """The run has begun: from here its events are arrivals."""
        self.stream = stream
        self._events: Cursor[RunEvent] = stream.events()
        self._ended = asyncio.Event()
        self._take()

    async def wait(self) -> None:
        """Wait for the end of the run's record."""
        await self._ended.wait()

    @property
    def ended(self) -> bool:
        """Whether the run's record has ended."""
        return self._ended.is_set()

    @property
    def failure(self) -> BaseException | None:
        """What the run failed with; `None` as long as it goes on."""
        return self._events.error

    def done(self) -> bool:
        """Always `False`: it can be set again and again."""
        return False

    def set_result(self, result: None, /) -> None:
        """The record has changed."""
        self._take()

    def _take(self) -> None:
        for at, _ in self._events.take():
            self._arrived(at)
        if not self._events.exhausted:
            self._events.watch(self)
        elif not self._ended.is_set():
            self._arrived(asyncio.get_running_loop().time())
            self._ended.set()

    def _arrived(self, at: float) -> None:
        # After the first failure, if that is fatal, the others' ends are nothing to show any more.
        if not self._arrivals.closed:
            self._arrivals.append(self, at)


Arrivals = Record[Lane[K, OutputT]]
"""In which order things came: for each event the lane where it is, and the lane once more at its end."""
