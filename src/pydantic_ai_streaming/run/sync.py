"""A stream without `await`: for plain scripts, and inside a loop that runs already, as in Jupyter."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

from pydantic_ai.agent import AgentRunEvents
from pydantic_ai.messages import ModelMessage
from pydantic_ai.result import StreamedRunResult
from pydantic_ai.run import AgentRunResult
from pydantic_ai.usage import RunUsage

from ..core.deadlines import Deadlines
from ..core.pacing import Smoothing
from ..core.stats import StreamStats
from ..errors import StreamUsageError
from ..reduce.events import RunEvent
from .pump import Finish
from .stream import RunStream
from .watch import OnTruncation

__all__ = ['SyncRunStream', 'run_stream_sync']

T = TypeVar('T')
OutputT = TypeVar('OutputT')


@overload
def run_stream_sync(
    run: AbstractAsyncContextManager[AgentRunEvents[OutputT]],
    *,
    deadlines: Deadlines | None = None,
    on_truncation: OnTruncation = 'raise',
) -> SyncRunStream[OutputT]: ...


@overload
def run_stream_sync(
    run: AbstractAsyncContextManager[StreamedRunResult[Any, OutputT]],
    *,
    deadlines: Deadlines | None = None,
    on_truncation: OnTruncation = 'raise',
) -> SyncRunStream[OutputT]: ...


def run_stream_sync(
    run: Any, *, deadlines: Deadlines | None = None, on_truncation: OnTruncation = 'raise'
) -> SyncRunStream[Any]:
    """Watch a run without `await`: a `RunStream` in a thread of its own, with its views as plain iterators.

    Works in a script, and inside an event loop that runs already, where pydantic-ai's `run_stream_sync` raises and
    `nest_asyncio` does not help. There it blocks the loop, as any synchronous call does; in a notebook cell that is
    what one wants.

    Args:
        run: `agent.run_stream_events(...)` or `agent.run_stream(...)`, not entered yet.
        deadlines: As for `RunStream`.
        on_truncation: As for `RunStream`.

    Raises:
        TypeError: As for `RunStream`.

    Example:
        ```python
        from pydantic_ai import Agent
        from pydantic_ai_streaming import run_stream_sync
        from pydantic_ai_streaming.testing import ScriptedModel

        agent = Agent(ScriptedModel(['No await ', 'in sight.']))
        with run_stream_sync(agent.run_stream_events('Go')) as stream:
            print(''.join(stream.text()), stream.finish)
        #> No await in sight. complete
        ```
    """
    return SyncRunStream(RunStream(run, deadlines=deadlines, on_truncation=on_truncation))


class SyncRunStream(Generic[OutputT]):
    """A `RunStream` whose views are plain iterators. Made by `run_stream_sync`; use it as a context manager.

    The run lives in a thread with an event loop of its own, which starts and ends with the context. Ctrl-C while a view
    waits raises `KeyboardInterrupt` there; leaving the context then ends the run, and what came stays.

    Attributes:
        stream: The stream itself. Its properties can be read from here; its views belong to its own thread.
    """

    def __init__(self, stream: RunStream[OutputT]) -> None:
        self.stream = stream
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise StreamUsageError('This stream was entered before, and a run runs once: make a new one.')
        ready: Future[asyncio.AbstractEventLoop] = Future()
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(_serve, ready), name='pydantic-ai-streaming', daemon=True
        )
        self._thread.start()
        self._loop = ready.result()
        self._call(self.stream.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        loop, thread = self._loop, self._thread
        assert loop is not None
        assert thread is not None
        try:
            self._call(self.stream.__aexit__(kind, error, traceback))
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            self._loop = None

    def text(self, *, smoothing: Smoothing | None = None) -> Iterator[str]:
        """View the text, as `RunStream.text`."""
        return self._iterate(self.stream.text(smoothing=smoothing))

    def thinking(self, *, smoothing: Smoothing | None = None) -> Iterator[str]:
        """View the thinking, as `RunStream.thinking`."""
        return self._iterate(self.stream.thinking(smoothing=smoothing))

    def events(self, *, offset: int = 0) -> Iterator[RunEvent]:
        """View everything in order, as `RunStream.events`."""
        return self._iterate(self.stream.events(offset=offset))

    @property
    def text_so_far(self) -> str:
        """As `RunStream.text_so_far`."""
        return self.stream.text_so_far

    @property
    def finish(self) -> Finish | None:
        """As `RunStream.finish`."""
        return self.stream.finish

    @property
    def output(self) -> OutputT:
        """As `RunStream.output`."""
        return self.stream.output

    def get_output(self) -> OutputT:
        """Wait for the end of the run and return `output`."""
        return self.stream.output if self._loop is None else self._call(self.stream.get_output())

    @property
    def result(self) -> AgentRunResult[OutputT] | None:
        """As `RunStream.result`."""
        return self.stream.result

    @property
    def messages(self) -> list[ModelMessage]:
        """As `RunStream.messages`."""
        return self.stream.messages

    @property
    def usage(self) -> RunUsage:
        """As `RunStream.usage`."""
        return self.stream.usage

    @property
    def stats(self) -> StreamStats:
        """As `RunStream.stats`."""
        return self.stream.stats

    def stop(self) -> None:
        """End the run and wait until it has let go of everything, as `RunStream.stop`."""
        if self._loop is not None:
            self._call(self.stream.stop())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        loop = self._loop
        if loop is None:
            work.close()
            raise StreamUsageError('The run has not started: use `with run_stream_sync(...) as stream:` first.')
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _iterate(self, view: AsyncIterator[T]) -> Iterator[T]:
        async def following() -> tuple[T] | None:
            # StopAsyncIteration cannot leave a coroutine through a future: the end is told by a value.
            with suppress(StopAsyncIteration):
                return (await anext(view),)
            return None

        while (item := self._call(following())) is not None:
            yield item[0]


def _serve(ready: Future[asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        asyncio.set_event_loop(loop)
        loop.call_soon(ready.set_result, loop)
        loop.run_forever()
