"""One run that is written into a stream: `Running`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any, cast

from ..aio.closing import over
from ..core.telling import told_to
from ..errors import StreamTimeout, StreamUsageError, TurnInProgress
from ..run.stream import RunStream
from .source import Source
from .wire import LOST, Ending, WireFormat, ending_of
from .writing import Writer

__all__ = ['Running']

logger = told_to(__name__)


class Running:
    """Enters a run, has it encoded and written as it goes, and closes its stream when it is over.

    The run goes at its own speed, however long the writer takes.

    The stream does not wait for ever for a run that was told to end: a tool may swallow its cancellation. After
    `patience` the stream ends, the run is left behind, and what comes of it changes the stream no more.

    Args:
        source: The run.
        writer: Writes its stream.
        formats: In which it is written.
        details: What is kept with the stream.
        patience: Seconds.

    Attributes:
        stream_id: Its stream.
        begun: It is there when the run was entered or could not be: with the error if its conversation has another
            turn. Of all other failures the stream alone tells.
        run: It ends when the run has let go of everything.
        task: It ends when the last entry is written.
        left_behind: Whether the stream has ended before the run.
    """

    def __init__(
        self,
        source: Source,
        writer: Writer,
        formats: Sequence[WireFormat],
        *,
        details: Mapping[str, Any] = MappingProxyType({}),
        patience: float = 5.0,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.stream_id = writer.stream_id
        self._writer = writer
        self._formats = formats
        self._details = details
        self._patience = patience
        self._stream: RunStream[Any] | None = None
        self._failure: BaseException | None = None
        self._ending: asyncio.Future[Ending] = loop.create_future()
        self.begun: asyncio.Future[TurnInProgress | None] = loop.create_future()
        self._encoders: list[asyncio.Task[None]] = []
        self._last: list[bytes] = []  # which say how it ended: written with the end of the stream, in one step
        self._leaves = asyncio.Event()
        self._is_told = False
        self.left_behind = False
        writer.open(self.cancel)
        self.run = loop.create_task(self._run(source), name='pydantic-ai-streaming run')
        # One that is cancelled before it has begun never runs: the stream is to end all the same.
        self.run.add_done_callback(lambda _: self._end())
        self.task = loop.create_task(self._tell(), name='pydantic-ai-streaming tell')

    def cancel(self) -> None:
        """Have the run end, without waiting for that."""
        # Once: what clears up is not to be cancelled again. That somebody else cancels it just now, as a timeout of the
        # program which it goes on after, is nothing that ends it.
        if not self.run.done() and not self._is_told:
            self._is_told = True
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
                if self.left_behind:
                    return  # it was told to end before it began, and its stream has ended
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
            self.begun.set_result(failure if isinstance(failure, TurnInProgress) else None)
        self._encoders = self._encoders or [asyncio.create_task(self._encode(one, None)) for one in self._formats]
        how = Ending(finish='failed', error_id=secrets.token_hex(8))
        try:
            how = self._how(failure)
        finally:  # others wait for it
            self._ending.set_result(how)
            self._leaves.set()

    def _how(self, failure: BaseException | None) -> Ending:
        if self._stream is None and isinstance(failure, TurnInProgress):
            # That somebody asks twice is no error of this program.
            error_id = secrets.token_hex(8)
            logger.warning('Stream %s was not begun (error %s): %s', self.stream_id, error_id, failure)
            return Ending(finish='failed', error_id=error_id)
        return ending_of(self._stream, failure, stream_id=self.stream_id)

    # The stream

    async def _tell(self) -> None:
        try:
            if not await self._lets_go():
                await self._leave_behind()
            await asyncio.wait([self._ending])
            await over(*self._encoders)
        finally:
            await self._writer.close(self._last)

    async def _lets_go(self) -> bool:
        """Wait for the run. A cancellation is that of somebody who waits for the stream: it is passed on to the run."""
        await self._leaves.wait()
        clock = asyncio.get_running_loop().time
        until = clock() + self._patience
        while not self.run.done() and (rest := until - clock()) > 0:
            try:
                await asyncio.wait([self.run], timeout=rest)
            except asyncio.CancelledError:
                self.run.cancel()
        return self.run.done()

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
        try:
            if stream is not None:
                await stream.stop(patience=0)
        finally:
            self._end()

    async def _encode(self, one: WireFormat, stream: RunStream[Any] | None) -> None:
        knows, has_told = False, False

        async def ending() -> Ending:
            nonlocal knows
            how = await asyncio.shield(self._ending)
            knows = True
            return how

        try:
            async for text in one.encode(stream, ending, stream_id=self.stream_id, details=self._details):
                entry = one.mark + text.encode()
                if knows:
                    self._last.append(entry)
                    has_told = True
                else:
                    self._writer.put(entry)
        except asyncio.CancelledError:
            if not has_told:
                self._cut_off(one, LOST)
        except Exception as error:
            # This kind of client is told that there is no more; the others go on.
            self._cut_off(one, ending_of(stream, error, stream_id=f'{self.stream_id} ({one.name})'))

    def _cut_off(self, one: WireFormat, how: Ending) -> None:
        self._last += [one.mark + text.encode() for text in one.cut_off(how)]

    def give_up(self) -> None:
        """Write no more."""
        self._writer.give_up()
        for task in self._encoders:
            task.cancel()


async def _end_of(stream: RunStream[Any]) -> None:
    try:
        await stream.get_output()
    except StreamUsageError:
        if stream.finish != 'stopped':
            raise
