"""Where what comes of a run is written: `Writer`, and the one for a log, `LogWriter`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from ..aio.closing import drain, over
from ..core.telling import told_to
from ..errors import LogClosed, StreamingError
from ..logs.producer import Producer

__all__ = ['LogWriter', 'Writer']

logger = told_to(__name__)


class Writer(Protocol):
    """Writes one stream.

    Attributes:
        stream_id: The stream.
    """

    stream_id: str

    def open(self, cancel: Callable[[], object], /) -> None:
        """Begin. `cancel` is called when the run is to end, as somebody asks for that, or nothing can be written."""
        ...

    def put(self, entry: bytes, /) -> None:
        """Write an entry soon."""
        ...

    async def close(self, last: Sequence[bytes], /) -> None:
        """Write the last entries and the end of the stream in one step, and wait until that is done or given up."""
        ...

    def give_up(self) -> None:
        """Write no more."""
        ...


class LogWriter:
    """Writes a stream of a log. What comes while it writes, or while the log cannot be reached, is written together.

    Args:
        producer: Of the stream.
    """

    def __init__(self, producer: Producer) -> None:
        self.stream_id = producer.stream_id
        self._producer = producer
        self._waiting: list[bytes] = []
        self._more = asyncio.Event()
        self._over = False

    def open(self, cancel: Callable[[], object], /) -> None:
        """As `Writer`."""
        self._cancel = cancel
        self._writing = asyncio.create_task(self._write(), name='pydantic-ai-streaming write')
        self._listening = asyncio.create_task(self._listen(), name='pydantic-ai-streaming listen')

    def put(self, entry: bytes, /) -> None:
        """As `Writer`."""
        self._waiting.append(entry)
        self._more.set()

    async def close(self, last: Sequence[bytes], /) -> None:
        """As `Writer`."""
        self._waiting += last
        self._over = True
        self._more.set()
        await over(self._writing)
        await drain(self._listening)

    def give_up(self) -> None:
        """Write no more, and renew the lease no longer: others end the stream."""
        self._producer.over = True
        self._writing.cancel()

    async def _write(self) -> None:
        """Append what has come, all of it at a time, and close the stream with the last of it."""
        producer = self._producer
        while True:
            await self._more.wait()
            self._more.clear()
            entries, self._waiting = self._waiting, []
            try:
                if self._over:
                    await producer.close(entries)
                    return
                await producer.append(entries)
            except Exception as error:
                # It is another's, or gone, was given up, or the log is full: its lease is renewed no longer, and once
                # that has lapsed somebody ends it.
                producer.over = True
                self._cancel()
                known = isinstance(error, StreamingError)
                logger.warning(
                    'Stream %s can no longer be written, and its run ends: %s',
                    producer.stream_id,
                    error,
                    exc_info=None if known else error,
                )
                return

    async def _listen(self) -> None:
        with suppress(LogClosed):  # the run goes on as far as it can: nobody has stopped it
            await self._producer.until_stopped()
            self._cancel()
