"""One run that is written into a log: `Running`."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from ..aio.closing import drain, over
from ..errors import StreamingError, StreamTimeout, StreamUsageError, TurnInProgress
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

    The stream does not wait for ever for a run that was told to end: a tool may swallow its cancellation. After
    `patience` the stream ends, the run is left behind, and what comes of it changes the stream no more.

    Args:
        source: The run.
        producer: Of its stream.
        formats: In which it is written.
        patience: Seconds.

    Attributes:
        stream_id: Its stream.
        begun: It is there when the run was entered or could not be, and raises `TurnInProgress` if its conversation has
            another turn. Of all other failures the stream tells.
        run: It ends when the run has let go of everything.
        task: It ends when the last entry is written.
        left_behind: Whether the stream has ended before the run.
    """

    def __init__(
        self, source: Source, producer: Producer, formats: Sequence[WireFormat], *, patience: float = 5.0
    ) -> None:
        loop = asyncio.get_running_loop()
        self.stream_id = producer.stream_id
        self._producer = producer
        self._formats = formats
        self._patience = patience
        self._stream: RunStream[Any] | None = None
        self._failure: BaseException | None = None
        self._ending: asyncio.Future[Ending] = loop.create_future()
        self.begun: asyncio.Future[None] = loop.create_future()
        self._encoders: list[asyncio.Task[None]] = []
        self._waiting: list[bytes] = []
        self._last: list[bytes] = []  # which say how it ended: written with the end of the stream, in one step
        self._more = asyncio.Event()
        self._leaves = asyncio.Event()
        self._over = False
        self.left_behind = False
        self._writing = loop.create_task(self._write(), name='pydantic-ai-streaming write')
        self.run = loop.create_task(self._run(source), name='pydantic-ai-streaming run')
        # One that is cancelled before it has begun never runs: the stream is to end all the same.
        self.run.add_done_callback(lambda _: self._end())
        self.task = loop.create_task(self._tell(), name='pydantic-ai-streaming tell')

    def cancel(self) -> None:
        """Have the run end, without waiting for that."""
        # Once: what clears up is not to be cancelled again.
        if not self.run.done() and not self.run.cancelling():
            self.run.cancel()
            self._leaves.set()

    # The run

    async def _run(self, source: Source) -> None:
        try:
            opened: AbstractAsyncContextManager[Any] = source  # a program may have passed anything
            async with opened as entered:
                if not isinstance(entered, RunStream):
                    raise TypeError(
                        f'{type(source).__name__} gives no RunStream: start RunStream(...), or chat.send(...)'
                    )
                self._stream = stream = cast('RunStream[Any]', entered)
                self.begun.set_result(None)
                self._encoders = [asyncio.create_task(self._encode(one, stream)) for one in self._formats]
                try:
                    await _end_of(stream)
                except StreamTimeout as error:
                    # Views learn of a deadline although the run still unwinds, if a tool blocks a thread, say.
                    self._failure = error
                    self._leaves.set()
                    raise
        except (Exception, asyncio.CancelledError) as error:
            self._failure = error

    def _end(self) -> None:
        """It is known how the run ends. What becomes later of one that was left behind changes nothing."""
        failure = self._failure
        if self._ending.done():
            logger.warning(
                'The run of stream %s, which was left behind, has ended after all',
                self.stream_id,
                exc_info=failure if isinstance(failure, Exception) else None,
            )
            return
        if not self.begun.done():
            if isinstance(failure, TurnInProgress):
                self.begun.set_exception(failure)
            else:
                self.begun.set_result(None)
        self._encoders = self._encoders or [asyncio.create_task(self._encode(one, None)) for one in self._formats]
        self._ending.set_result(self._how(failure))
        self._leaves.set()

    def _how(self, failure: BaseException | None) -> Ending:
        if self._stream is None and isinstance(failure, TurnInProgress):
            # Who has asked is told. That somebody asks twice is no error of this program.
            logger.info('Stream %s was not begun: %s', self.stream_id, failure)
            return Ending(finish='failed', error_id=secrets.token_hex(8))
        return ending_of(self._stream, failure, stream_id=self.stream_id)

    # The stream

    async def _tell(self) -> None:
        listening = asyncio.create_task(self._listen(), name='pydantic-ai-streaming listen')
        try:
            await self._leaves.wait()
            if not self._ending.done() and not (await asyncio.wait([self.run], timeout=self._patience))[0]:
                await self._leave_behind()
            await asyncio.wait([self._ending])
            await over(*self._encoders)
        finally:
            self._over = True
            self._more.set()
            await over(self._writing)
            await drain(listening)

    async def _leave_behind(self) -> None:
        self.left_behind = True
        stream = self._stream
        going = [] if stream is None else [call.name for call in stream.timeline.calls if call.state == 'running']
        logger.warning(
            'Stream %s ends although its run goes on, which was told to end %g seconds ago: %s',
            self.stream_id,
            self._patience,
            f'tools {going} run' if going else 'it still clears up',
        )
        if stream is not None:
            await stream.stop(patience=0)
        self._end()

    async def _encode(self, one: WireFormat, stream: RunStream[Any] | None) -> None:
        is_told = False

        async def ending() -> Ending:
            nonlocal is_told
            how = await asyncio.shield(self._ending)
            is_told = True
            return how

        try:
            async for text in one.encode(stream, ending, stream_id=self.stream_id):
                entry = one.mark + text.encode()
                if is_told:
                    self._last.append(entry)
                else:
                    self._waiting.append(entry)
                    self._more.set()
        except Exception as error:
            # This kind of client is told that there is no more; the others go on.
            ending_of(stream, error, stream_id=f'{self.stream_id} ({one.name})')
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
                producer.over = True
                self.cancel()
                if not isinstance(error, StreamingError):
                    logger.exception('Stream %s can no longer be written', producer.stream_id)
                return

    async def _listen(self) -> None:
        await self._producer.until_stopped()
        self.cancel()

    def give_up(self) -> None:
        """Write no more, and renew the lease no longer: others end the stream."""
        self._producer.over = True
        for task in (*self._encoders, self._writing):
            task.cancel()


async def _end_of(stream: RunStream[Any]) -> None:
    try:
        await stream.get_output()
    except StreamUsageError:
        if stream.finish != 'stopped':
            raise
