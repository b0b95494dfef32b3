"""Who writes a stream: `Producer`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

from ..errors import StoreUnavailable, StreamFenced, StreamLogError
from .heads import Head, Write
from .tail import Tail

__all__ = ['Producer']

RETRY_AFTER = 0.05
"""Seconds until a write is tried again that could not be done. The pause grows to a second."""


class Producer:
    """Writes a stream, alone: from `StreamLog.create` or `StreamLog.take_over`.

    Its lease is renewed as long as this process lives and the producer has not been closed. One that has lost its lease
    to another is fenced: nothing that it writes gets into the stream any more.

    When its event loop has ended, its lease is no longer renewed until it is used in another one.

    Attributes:
        stream_id: The stream.
        incarnation: Of the stream: one that was deleted and made anew has another.
        epoch: 1 for who has created it, one more for each that has taken over.
        tail: What this process has of the stream.
    """

    def __init__(
        self,
        head: Head,
        tail: Tail,
        write: Callable[[Write], Awaitable[Head | None]],
        adopt: Callable[[Producer, Head], Tail],
        listen: Callable[[], Awaitable[None]],
    ) -> None:
        self.stream_id = head.stream_id
        self.epoch = head.epoch
        self.tail = tail
        self._write = write
        self._adopt = adopt
        self._listen = listen
        self._head = head
        self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.incarnation = head.incarnation
        self._turn = asyncio.Lock()
        self.over = False

    async def append(self, entries: Sequence[bytes], *, patience: float | None = None) -> int:
        """Append entries, all of them or none, and return the offset that comes after them.

        While the backend cannot be reached, it is tried again.

        Args:
            entries: What is appended.
            patience: Seconds until it is given up; `None`: never.

        Raises:
            StreamFenced: Another producer has taken over.
            StreamLogError: The stream is closed.
            StreamMissing: The stream was deleted.
            StoreUnavailable: The backend could not be reached in time. Whether the entries are there is not known.
            StreamUsageError: The log is used in another event loop, which still runs.
        """
        return await self._do(entries, close=False, patience=patience)

    async def close(self, entries: Sequence[bytes] = (), *, patience: float | None = None) -> int:
        """Append the last entries, close the stream in the same step, and let go of it. Otherwise as `append`."""
        try:
            return await self._do(entries, close=True, patience=patience)
        finally:
            self.over = True

    async def _do(self, entries: Sequence[bytes], *, close: bool, patience: float | None) -> int:
        write = Write(
            stream_id=self.stream_id,
            entries=tuple(entries),  # who is cancelled may use the list for something else
            epoch=self.epoch,
            incarnation=self.incarnation,
            token=uuid4().hex,
            close=close,
        )
        self._here()
        async with self._turn:  # so that a write that is tried again is not overtaken
            head = await self._persistently(write, patience)
        return 0 if head is None else head.length

    def _here(self) -> None:
        self.tail = self._adopt(self, self.tail.head or self._head)
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._turn = loop, asyncio.Lock()

    async def _persistently(self, write: Write, patience: float | None) -> Head | None:
        clock = asyncio.get_running_loop().time
        until = None if patience is None else clock() + patience
        pause = RETRY_AFTER
        while True:
            try:
                return await self._write(write)
            except StoreUnavailable:
                if until is not None and clock() + pause > until:
                    raise
                await asyncio.sleep(pause)
                if self.over:  # the log was closed, and is not to be opened again for this
                    raise
                pause = min(pause * 2, 1.0)
            except StreamLogError as error:
                self.over = self.over or isinstance(error, StreamFenced)
                raise

    @property
    def stopping(self) -> bool:
        """Whether somebody has asked for the end of the stream."""
        return self.tail.head is not None and self.tail.head.stopping

    @property
    def fenced(self) -> bool:
        """Whether the stream is another's now, or gone."""
        head = self.tail.head
        return self.tail.gone or (head is not None and head.epoch != self.epoch)

    async def until_stopped(self) -> None:
        """Wait until somebody asks for the end of the stream, or it is another's, gone or closed.

        Raises:
            LogClosed: The log was closed: nobody is told of that here any more.
        """
        if not self.over:
            await self._listen()
            self._here()
        while not (self.stopping or self.fenced or (self.tail.head is not None and self.tail.head.closed)):
            await self.tail.wait()
