"""Pieces of text at a pace that one can read, from a record that is filled at the speed of its source."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

from ..core.pacing import Pacer, Smoothing
from .cursor import Cursor

__all__ = ['Paced']

T = TypeVar('T')

CLOCK_RESOLUTION = 1e-6
"""Seconds by which a timer may fire too early."""


class Paced(AsyncIterator[str], Generic[T]):
    """Reads a cursor and yields its text through a `Pacer`.

    The pieces joined are the text. At the end of the source the rest is shown within `Smoothing.drain`; if the source
    ends with an error, the rest comes first, at once, and then the error. Written by hand rather than as a generator:
    it holds no task and no scope, so it can be dropped anywhere.

    `read` makes text of an item. An empty piece of a type of its own (a subclass of `str`) is a mark: it is passed on
    in its place, after all the text before it.
    """

    def __init__(self, cursor: Cursor[T], read: Callable[[T], str], smoothing: Smoothing) -> None:
        self._cursor = cursor
        self._read = read
        self._smoothing = smoothing
        self._pacer = Pacer(smoothing)
        self._closed = False
        self._ready: deque[str] = deque()

    def __aiter__(self) -> Paced[T]:
        return self

    async def __anext__(self) -> str:
        clock = asyncio.get_running_loop().time
        while True:
            if not self._ready:
                self._feed()
            if self._ready:
                return self._ready.popleft()
            now = self._reached(clock())
            if self._cursor.exhausted and not self._closed:
                self._close(now)
                continue
            piece = self._pacer.due(now)
            if piece:
                return piece
            if self._closed and self._pacer.finished:
                self._cursor.end()
            await self._wait(now)

    def _reached(self, now: float) -> float:
        # A loop fires a timer up to the resolution of its clock too early; waiting for the rest would spin.
        due = self._pacer.next_due
        return due if due is not None and 0 < due - now <= CLOCK_RESOLUTION else now

    def _feed(self) -> None:
        for at, item in self._cursor.take():
            text = self._read(item)
            if text:
                self._pacer.feed(text, at)
            elif type(text) is not str:
                self._flush()
                self._ready.append(text)
                self._pacer = Pacer(self._smoothing)

    def _close(self, now: float) -> None:
        self._closed = True
        if self._cursor.failed:
            self._flush()
        self._pacer.close(now)

    def _flush(self) -> None:
        rest = self._pacer.flush()
        if rest:
            self._ready.append(rest)

    async def _wait(self, now: float) -> None:
        due = self._pacer.next_due
        if not self._closed:
            await self._cursor.wait(due)
        elif due is not None:
            await asyncio.sleep(due - now)
