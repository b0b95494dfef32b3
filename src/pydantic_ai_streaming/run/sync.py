"""A stream without `await`: for plain scripts, and inside a loop that runs already, as in Jupyter."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

from pydantic_ai.agent import AgentRunEvents
from pydantic_ai.messages import ModelMessage
from pydantic_ai.result import StreamedRunResult
from pydantic_ai.run import AgentRunResult
from pydantic_ai.usage import RunUsage

from ..aio.cursor import InAnotherLoopError
from ..core.deadlines import Deadlines
from ..core.pacing import Smoothing
from ..core.stats import StreamStats
from ..errors import StreamUsageError
from ..partials.partial_output import PartialOutput
from ..reduce.events import RunEvent
from ..reduce.recovery import Recovery
from ..reduce.timeline import Timeline
from ..reduce.tool_call import ToolCall
from .misuse import SyncOnly
from .partials import OnInvalid
from .pump import Finish
from .stream import RunStream
from .watch import OnTruncation
from .worker import is_kept_waiting, result_of, worker_loop

__all__ = ['SyncRunStream', 'run_stream_sync']

T = TypeVar('T')
OutputT = TypeVar('OutputT')
ItemT = TypeVar('ItemT')


@overload
def run_stream_sync(
    run: AbstractAsyncContextManager[AgentRunEvents[OutputT]],
    *,
    deadlines: Deadlines | None = None,
    on_truncation: OnTruncation = 'raise',
    recovery: Recovery | None = None,
) -> SyncRunStream[OutputT]: ...


@overload
def run_stream_sync(
    run: AbstractAsyncContextManager[StreamedRunResult[Any, OutputT]],
    *,
    deadlines: Deadlines | None = None,
    on_truncation: OnTruncation = 'raise',
    recovery: Recovery | None = None,
) -> SyncRunStream[OutputT]: ...


def run_stream_sync(
    run: Any,
    *,
    deadlines: Deadlines | None = None,
    on_truncation: OnTruncation = 'raise',
    recovery: Recovery | None = None,
) -> SyncRunStream[Any]:
    """Watch a run without `await`: a `RunStream` in a thread of its own, with its views as plain iterators.

    Works in a script, and inside an event loop that runs already, where pydantic-ai's `run_stream_sync` raises and
    `nest_asyncio` does not help. There it blocks the loop, as any synchronous call does; in a notebook cell that is
    what one wants.

    Args:
        run: `agent.run_stream_events(...)` or `agent.run_stream(...)`, not entered yet.
        deadlines: As for `RunStream`.
        on_truncation: As for `RunStream`.
        recovery: As for `RunStream`.

    Raises:
        TypeError: As for `RunStream`.
        StreamUsageError: As for `RunStream`.

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
    return SyncRunStream(RunStream(run, deadlines=deadlines, on_truncation=on_truncation, recovery=recovery))


class SyncRunStream(SyncOnly, Generic[OutputT]):
    """A `RunStream` whose views are plain iterators. Made by `run_stream_sync`; use it as a context manager.

    The run lives in the event loop of a thread that all synchronous streams of the process share. Ctrl-C while a view
    waits raises `KeyboardInterrupt` there; leaving the context then ends the run, and what came stays.

    HTTP clients keep connections, and those belong to one event loop. So a model that is also used with `await` in a
    loop that still runs, as in a notebook, cannot serve a synchronous stream; `StreamUsageError` then says so.

    An asynchronous tool or validator of a run lives in that thread too, and blocks it with whatever it waits for; so
    does a tool of another synchronous stream that it reads, which has a thread of its own. What needs no waiting is
    answered there: `text_so_far`, `messages`, `stats`, `timeline` and the other properties, what a view has to show
    already, and everything about a run that is over. `stop()` ends the run and does not wait for its end. What would
    have to wait for more raises `StreamUsageError`; with `await`, the run's own tools can have it from `stream`.

    A stream belongs to the process that entered it. In a child that was forked meanwhile, whatever asks the run raises
    `StreamUsageError`, and leaving the context does nothing: the run goes on in the parent.

    Attributes:
        stream: The stream itself. Its properties can be read from here; its views belong to its own thread.
    """

    def __init__(self, stream: RunStream[OutputT]) -> None:
        self.stream = stream
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = contextvars.Context()
        self._process = os.getpid()

    def __repr__(self) -> str:
        return repr(self.stream).replace('RunStream', 'SyncRunStream')

    def __enter__(self) -> Self:
        self._context = contextvars.copy_context()
        self._process = os.getpid()
        self._loop = worker_loop()
        self._call(self.stream.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process == os.getpid():
            self._call(self.stream.__aexit__(kind, error, traceback))

    def text(self, *, smoothing: Smoothing | None = None) -> Iterator[str]:
        """View the text, as `RunStream.text`."""
        return self._iterate(self.stream.text(smoothing=smoothing))

    def thinking(self, *, smoothing: Smoothing | None = None) -> Iterator[str]:
        """View the thinking, as `RunStream.thinking`."""
        return self._iterate(self.stream.thinking(smoothing=smoothing))

    def events(self, *, offset: int = 0) -> Iterator[RunEvent]:
        """View everything in order, as `RunStream.events`."""
        return self._iterate(self.stream.events(offset=offset))

    def partial_outputs(self, *, on_invalid: OnInvalid = 'report') -> Iterator[PartialOutput[OutputT]]:
        """View the structured output as it fills in, as `RunStream.partial_outputs`."""
        return self._iterate(self._ask(lambda: self.stream.partial_outputs(on_invalid=on_invalid)))

    @overload
    def items(self: SyncRunStream[list[ItemT]], *, on_invalid: OnInvalid = 'report') -> Iterator[ItemT]: ...

    @overload
    def items(
        self, path: str | int | Sequence[str | int], item_type: type[ItemT], *, on_invalid: OnInvalid = 'report'
    ) -> Iterator[ItemT]: ...

    @overload
    def items(
        self, path: str | int | Sequence[str | int] = (), *, on_invalid: OnInvalid = 'report'
    ) -> Iterator[Any]: ...

    def items(
        self,
        path: str | int | Sequence[str | int] = (),
        item_type: Any = None,
        *,
        on_invalid: OnInvalid = 'report',
    ) -> Iterator[Any]:
        """View the elements of a list in the structured output, as `RunStream.items`."""
        return self._iterate(self._ask(lambda: self.stream.items(path, item_type, on_invalid=on_invalid)))

    def tool_calls(self) -> Iterator[ToolCall]:
        """View the tool calls, as `RunStream.tool_calls`."""
        return self._iterate(self._ask(self.stream.tool_calls))

    @property
    def timeline(self) -> Timeline:
        """As `RunStream.timeline`."""
        return self._ask(lambda: self.stream.timeline)

    @property
    def text_so_far(self) -> str:
        """As `RunStream.text_so_far`."""
        return self._ask(lambda: self.stream.text_so_far)

    @property
    def finish(self) -> Finish | None:
        """As `RunStream.finish`."""
        return self.stream.finish

    @property
    def output(self) -> OutputT:
        """As `RunStream.output`."""
        return self.stream.output

    def get_output(self) -> OutputT:
        """Wait for the end of the run and return `output`.

        Raises:
            StreamUsageError: As `output`; or an asynchronous tool of the run would wait for itself.
            Exception: As `output`.
        """
        return self._call(self.stream.get_output())

    @property
    def result(self) -> AgentRunResult[OutputT] | None:
        """As `RunStream.result`."""
        return self.stream.result

    @property
    def messages(self) -> list[ModelMessage]:
        """As `RunStream.messages`."""
        return self._ask(lambda: self.stream.messages)

    @property
    def new_messages(self) -> list[ModelMessage]:
        """As `RunStream.new_messages`."""
        return self._ask(lambda: self.stream.new_messages)

    @property
    def usage(self) -> RunUsage:
        """As `RunStream.usage`."""
        return self.stream.usage

    @property
    def stats(self) -> StreamStats:
        """As `RunStream.stats`."""
        return self._ask(lambda: self.stream.stats)

    def stop(self) -> None:
        """End the run and wait until it has let go of everything, as `RunStream.stop`.

        In an asynchronous tool of the run this does not wait: it would wait for itself.
        """
        if self._loop is not None:
            with suppress(_WouldWaitError):
                self._call(self._stopped(self._loop))

    async def _stopped(self, loop: asyncio.AbstractEventLoop) -> None:
        if asyncio.get_running_loop() is loop:
            await self.stream.stop()
        else:
            # A thread that waits for this one, to which a task may be given only in this way.
            asyncio.run_coroutine_threadsafe(self.stream.stop(), loop)

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask where the run lives: what is added up from the record is not made for two threads at once."""

        async def answer() -> T:
            return question()

        return question() if self._loop is None else self._call(answer())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        loop = self._loop
        if loop is None:
            work.close()
            raise StreamUsageError('The run has not started: use `with run_stream_sync(...) as stream:` first.')
        if self._process != os.getpid():
            work.close()
            raise StreamUsageError(
                'This stream belongs to another process, which this one was forked from: read it there and send on '
                'what is needed here, or make a stream of its own in this process.'
            )
        if is_kept_waiting(loop):
            return _at_once(work)
        future = asyncio.run_coroutine_threadsafe(_within(self._context, work), loop)
        try:
            return result_of(future, loop)
        except KeyboardInterrupt:
            future.cancel()
            raise
        except RuntimeError as error:
            raise _explained(error) from error.__cause__

    def _iterate(self, view: AsyncIterator[T]) -> Iterator[T]:
        async def following() -> tuple[T] | None:
            # StopAsyncIteration cannot leave a coroutine through a future: the end is told by a value.
            with suppress(StopAsyncIteration):
                return (await anext(view),)
            return None

        while (item := self._call(following())) is not None:
            yield item[0]


class _WouldWaitError(StreamUsageError):
    pass


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """Do work whose loop waits for this thread, as far as it goes without waiting: nothing else of it goes on."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    except InAnotherLoopError:
        pass  # a tool of another synchronous stream, which runs in the loop of that one
    work.close()
    raise _WouldWaitError(
        'This waits for what the run has still to do, in the thread that the run lives in, and so for ever: a tool or '
        'a validator of a run_stream_sync run can ask for text_so_far, messages, stats and what views have to show '
        'already, and can stop(). stream.stream is the same stream with `await`: a task that the tool does not wait '
        'for reads on there (`async for piece in stream.stream.text():`).'
    )


async def _within(context: contextvars.Context, work: Coroutine[Any, Any, T]) -> T:
    """Run work in a context: what the caller has set (spans, `agent.override`) holds in the worker thread too."""
    return await asyncio.get_running_loop().create_task(work, context=context)


def _explained(error: RuntimeError) -> RuntimeError:
    if 'different event loop' not in str(error) and 'attached to a different loop' not in str(error):
        return error
    explained = StreamUsageError(
        'The HTTP client of this model has connections that belong to another event loop, the one that `await`s in '
        'this program or notebook. Use `async with RunStream(...)` there, or give the agent a model of its own '
        '(with its own client) for synchronous streams.'
    )
    explained.__cause__ = error
    return explained
