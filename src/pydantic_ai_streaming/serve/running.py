"""One run that is written into a log: `Running`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from ..aio.closing import drain, over
from ..errors import StreamingError, StreamUsageError, TurnInProgress
from ..logs.producer import Producer
from ..run.stream import RunStream
from .source import Source
from .wire import Ending, WireFormat, ending_of

__all__ = ['Running']

logger = logging.getLogger(__name__)


class Running:
    """Enters a run, has it encoded and written as it goes, and closes its stream when it is over.

    The run goes at its own speed: while the log takes its time, or cannot be reached, what comes is kept here, and
    written at once when it can be.

    Attributes:
        begun: It is there when the run was entered or could not be, and raises `TurnInProgress` if its conversation has
            another turn. Of all other failures the stream tells.
        task: It ends when the run has let go of everything and its last entry is written.
    """

    def __init__(self, source: Source, producer: Producer, formats: Sequence[WireFormat]) -> None:
        loop = asyncio.get_running_loop()
        self._producer = producer
        self._formats = formats
        self._ending: asyncio.Future[Ending] = loop.create_future()
        self.begun: asyncio.Future[None] = loop.create_future()
        self._waiting: list[bytes] = []
        self._last: list[bytes] = []  # which say how it ended: written with the end of the stream, in one step
        self._more = asyncio.Event()
        self._over = False
        self._begun = False
        self.task = loop.create_task(self._run(source), name='pydantic-ai-streaming run')

    def cancel(self) -> None:
        """Have the run end, without waiting for that."""
        # Once: what clears up is not to be cancelled again. And not before it has begun: it would never run.
        if not self._begun:
            asyncio.get_running_loop().call_soon(self.cancel)
        elif not self.task.done() and not self.task.cancelling():
            self.task.cancel()

    async def _run(self, source: Source) -> None:
        self._begun = True
        stream: RunStream[Any] | None = None
        failure: BaseException | None = None
        encoders: list[asyncio.Task[None]] = []
        writing = asyncio.create_task(self._write(), name='pydantic-ai-streaming write')
        listening = asyncio.create_task(self._listen(), name='pydantic-ai-streaming listen')
        try:
            opened: AbstractAsyncContextManager[Any] = source  # a program may have passed anything
            async with opened as entered:
                if not isinstance(entered, RunStream):
                    raise TypeError(
                        f'{type(source).__name__} gives no RunStream: start RunStream(...), or chat.send(...)'
                    )
                stream = cast('RunStream[Any]', entered)
                self.begun.set_result(None)
                encoders = [asyncio.create_task(self._encode(one, stream)) for one in self._formats]
                await _end_of(stream)
        except (Exception, asyncio.CancelledError) as error:
            failure = error
        if not self.begun.done():
            if isinstance(failure, TurnInProgress):
                self.begun.set_exception(failure)
            else:
                self.begun.set_result(None)
        encoders = encoders or [asyncio.create_task(self._encode(one, None)) for one in self._formats]
        self._ending.set_result(ending_of(stream, failure, stream_id=self._producer.stream_id))
        try:
            await over(*encoders)
        finally:
            self._over = True
            self._more.set()
            await over(writing)
            await drain(listening)

    async def _encode(self, one: WireFormat, stream: RunStream[Any] | None) -> None:
        is_told = False

        async def ending() -> Ending:
            nonlocal is_told
            how = await asyncio.shield(self._ending)
            is_told = True
            return how

        try:
            async for text in one.encode(stream, ending, stream_id=self._producer.stream_id):
                entry = one.mark + text.encode()
                if is_told:
                    self._last.append(entry)
                else:
                    self._waiting.append(entry)
                    self._more.set()
        except Exception as error:
            # This kind of client is told that there is no more; the others go on.
            ending_of(stream, error, stream_id=f'{self._producer.stream_id} ({one.name})')
            self._last += [one.mark + text.encode() for text in one.lost()]

    async def _write(self) -> None:
        """Append what has come, all of it at a time, and close the stream with the last of it."""
        producer = self._producer
        while True:
            await self._more.wait()
            self._more.clear()
            entries, self._waiting = self._waiting, []
            try:
                if self._over:
                    await producer.close([*entries, *self._last])
                    return
                await producer.append(entries)
            except Exception as error:
                # It is another's, or gone, was given up, or the log is full: its lease is renewed no longer, and once
                # that has lapsed somebody ends it.
                self.give_up()
                self.cancel()
                if not isinstance(error, StreamingError):
                    logger.exception('Stream %s can no longer be written', producer.stream_id)
                return

    async def _listen(self) -> None:
        await self._producer.until_stopped()
        self.cancel()

    def give_up(self) -> None:
        """Write no more, and renew the lease no longer."""
        self._producer.over = True


async def _end_of(stream: RunStream[Any]) -> None:
    try:
        await stream.get_output()
    except StreamUsageError:
        if stream.finish != 'stopped':
            raise
