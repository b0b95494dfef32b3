"""`RunStream`: a run that one can watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, cast, overload

from pydantic_ai.agent import AgentRunEvents
from pydantic_ai.messages import ModelMessage
from pydantic_ai.result import StreamedRunResult
from pydantic_ai.run import AgentRunResult
from pydantic_ai.usage import RunUsage

from ..aio.cursor import Cursor
from ..core.deadlines import Deadlines
from ..core.pacing import Smoothing
from ..core.stats import StreamStats
from ..errors import StreamUsageError
from ..partials.filling import Results
from ..partials.outputs import Outputs
from ..partials.partial_output import PartialOutput, as_path
from ..reduce.content import text_in, thinking_in
from ..reduce.events import RunEvent
from ..reduce.output_reader import OutputReader
from ..reduce.recovery import Recovery
from ..reduce.timeline import Timeline, timeline_of
from ..reduce.tool_call import ToolCall
from .driver import Driver, Run
from .judge import OutputJudge
from .misuse import NOT_STARTED, AsyncOnly, check_settings, checked, take
from .mount import asked_of, asks_again, mount, output_type_of, tap
from .output_views import ItemView, PartialOutputView, outputs_of, refuse_no_list
from .partials import OnInvalid
from .pump import Finish, Pump
from .tool_types import ToolTypes
from .tool_views import ToolCallView
from .views import text_view
from .watch import ModelWatch, OnTruncation

__all__ = ['RunStream']

OutputT = TypeVar('OutputT', covariant=True)
ItemT = TypeVar('ItemT')


class RunStream(AsyncOnly, Generic[OutputT]):
    """A run that one can watch: recorded once, seen through any number of views, at their own speeds.

    Wrap the call that you make anyway. `agent.run_stream_events(...)` is the one to prefer. `agent.run_stream(...)`
    works too, with what it loses by its nature: it takes the first text for the answer, so a model that says "Let me
    look." and then calls a tool is cut short; events of earlier requests and of tools are not seen; rejected output
    raises instead of being tried again. What it loses on `break`, the partial reply, this class keeps.

    The run starts when the context is entered and goes on at the provider's speed, whether or not anybody reads.
    Leaving the context ends it, closes the provider's connection and waits until no task is left. However it ends,
    `text_so_far`, `messages`, `usage`, `stats` and the views still tell all that came, also after the context.

    If the run fails, each view raises the error after all that came before it, and the context if nobody has seen it.

    Args:
        run: `agent.run_stream_events(...)` or `agent.run_stream(...)`, not entered yet.
        deadlines: Limits on silence, pace and duration. None by default, except that a connection that stays open
            after the model has finished is closed after `Deadlines.finish_grace`.
        on_truncation: What to do when a response ends without a finish reason. `'raise'` raises `StreamTruncated`;
            `'mark'` takes the reply as it is, with `finish == 'truncated'` and a `ResponseTruncatedEvent`.
        recovery: How to go on after a response that breaks off, in place of failing.

    Raises:
        TypeError: `run` is something else, for example the agent's method without its call.
        StreamUsageError: Another stream was made of `run` already.

    Example:
        ```python
        import asyncio

        from pydantic_ai import Agent
        from pydantic_ai_streaming import Deadlines, RunStream, Smoothing
        from pydantic_ai_streaming.testing import ScriptedModel

        agent = Agent(ScriptedModel(['A stream ', 'that one ', 'can watch.']))


        async def main():
            async with RunStream(agent.run_stream_events('Go'), deadlines=Deadlines(first=10, idle=15)) as stream:
                async for piece in stream.text(smoothing=Smoothing()):
                    print(piece, end='', flush=True)
            print('', stream.finish)


        asyncio.run(main())
        #> A stream that one can watch. complete
        ```
    """

    @overload
    def __init__(
        self,
        run: AbstractAsyncContextManager[AgentRunEvents[OutputT]],
        *,
        deadlines: Deadlines | None = None,
        on_truncation: OnTruncation = 'raise',
        recovery: Recovery | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        run: AbstractAsyncContextManager[StreamedRunResult[Any, OutputT]],
        *,
        deadlines: Deadlines | None = None,
        on_truncation: OnTruncation = 'raise',
        recovery: Recovery | None = None,
    ) -> None: ...

    def __init__(
        self,
        run: Run[OutputT],
        *,
        deadlines: Deadlines | None = None,
        on_truncation: OnTruncation = 'raise',
        recovery: Recovery | None = None,
    ) -> None:
        check_settings(deadlines, on_truncation, recovery)
        watch = ModelWatch(on_truncation=on_truncation, recovery=recovery)
        take(checked(run))
        asked, output_type = asked_of(run), output_type_of(run)
        run, mounted = mount(run, watch)
        self._asks_again = mounted and asks_again(run)
        self._pump: Pump[OutputT] = Pump(
            Driver(run),
            deadlines=deadlines or Deadlines(),
            watch=watch if mounted else None,
            asked=asked,
            on_truncation=on_truncation,
            recovers=recovery is not None,
        )
        watch.observer = self._pump
        tap(run, self._pump.add)
        self._watch = watch
        self._output_type = output_type
        self._outputs: Outputs | None = None
        self._results: list[Results] = []
        self._tool_types = ToolTypes(lambda: watch.tools)
        self._error_seen = False

    def __repr__(self) -> str:
        return f'<RunStream: {self.finish or ("running" if self.started else "not started")}>'

    async def __aenter__(self) -> Self:
        if self._pump.started:
            raise StreamUsageError('This RunStream was entered before, and a run runs once: make a new one.')
        self._pump.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._pump.stop()
        if isinstance(error, asyncio.CancelledError) and error.__context__ is None:
            # pydantic-ai ties the state of a cancelled run to the cancellation that it saw, which was the pump's:
            # through the context, RunCancelled.from_cancellation(error) finds it.
            error.__context__ = self._pump.cancellation
        if error is None and (failure := self._pump.record.error) is not None and not self._error_seen:
            self._error_seen = True
            raise failure.with_traceback(self._pump.record.traceback)

    # Views

    def text(self, *, smoothing: Smoothing | None = None) -> AsyncIterator[str]:
        """View the text of the run, from its beginning.

        Joined, the pieces are the text that the model has streamed. Where output validation rejects a response, or a
        recovery restarts it, a `Retraction`, an empty piece, comes before the next attempt.

        Args:
            smoothing: How to pace the pieces; `None` yields them as they come.

        Raises:
            StreamTimeout: A deadline has passed.
            StreamTruncated: The reply was cut off.
            Exception: What the run failed with.
        """
        return text_view(self.events(), text_in, smoothing)

    def thinking(self, *, smoothing: Smoothing | None = None) -> AsyncIterator[str]:
        """View what the model thinks, as far as the provider shows it, from its beginning. Otherwise like `text`."""
        return text_view(self.events(), thinking_in, smoothing)

    def events(self, *, offset: int = 0) -> Cursor[RunEvent]:
        """View everything in order: pydantic-ai's own events and the few of this library (`RunEvent`).

        Args:
            offset: Where to begin. The cursor's own `offset` is that of the next event, so a view can be left and
                another one go on in its place.

        Raises:
            ValueError: The offset is negative.
            Exception: As `text`.
        """
        return Cursor(self._started().record, offset, on_error=self._saw_error)

    def partial_outputs(self, *, on_invalid: OnInvalid = 'report') -> AsyncIterator[PartialOutput[OutputT]]:
        """View the structured output as it fills in: a snapshot for each change, and the validated output at the end.

        Text that grows shows as it grows; everything else shows when it is complete, and is valid then or reported in
        `PartialOutput.errors`. Validators of the type run once for each value, however many views there are; output
        validators and output functions see the final value only, as always. `Show` in the type says what shows when.

        Args:
            on_invalid: What the run is to do at the first part that is invalid. `'report'` leaves it to the reader.
                `'stop'` ends the run at once, and views raise `InvalidOutput`. `'retry'` ends the response at once and
                has the model asked again, with what is wrong; that counts against the run's output retries, and the
                next attempt follows in the same view.

        Raises:
            InvalidOutput: The output is invalid, with `on_invalid='stop'`.
            StreamUsageError: The run's output is plain text; or the model cannot be asked again, as with
                `agent.run_stream`; or another view has another `on_invalid` than `'report'`.
            Exception: As `text`.
        """
        pump = self._started()
        if on_invalid not in ('report', 'stop', 'retry'):
            raise ValueError(f"on_invalid={on_invalid!r}: use 'report', 'stop' or 'retry'")
        self._outputs = self._outputs or outputs_of(self._output_type)
        if on_invalid == 'retry' and not self._asks_again:
            raise StreamUsageError(
                "on_invalid='retry' needs RunStream(agent.run_stream_events(...)): agent.run_stream(...) asks a model "
                "once only. Use 'report' or 'stop' here."
            )
        if on_invalid != 'report':
            self._judge_by(on_invalid)
        return PartialOutputView(self.events(), self._new_reader(), pump)

    @overload
    def items(self: RunStream[list[ItemT]], *, on_invalid: OnInvalid = 'report') -> AsyncIterator[ItemT]: ...

    @overload
    def items(
        self, path: str | int | Sequence[str | int], item_type: type[ItemT], *, on_invalid: OnInvalid = 'report'
    ) -> AsyncIterator[ItemT]: ...

    @overload
    def items(
        self, path: str | int | Sequence[str | int] = (), *, on_invalid: OnInvalid = 'report'
    ) -> AsyncIterator[Any]: ...

    def items(
        self,
        path: str | int | Sequence[str | int] = (),
        item_type: Any = None,
        *,
        on_invalid: OnInvalid = 'report',
    ) -> AsyncIterator[Any]:
        """View the elements of a list in the structured output, each as a validated value when it is complete.

        An element that is invalid is left out. After a rejected attempt, those of the next one follow which differ.

        Args:
            path: Where the list is: `'orders'`, `('customer', 'orders')`; empty if the output is the list.
            item_type: The type of the elements, for type checkers.
            on_invalid: As for `partial_outputs`.

        Raises:
            StreamUsageError: No output of the run has a list there.
            Exception: As `partial_outputs`.
        """
        snapshots = cast('PartialOutputView[Any]', self.partial_outputs(on_invalid=on_invalid))
        steps = as_path(path)
        if self._outputs is not None:
            refuse_no_list(self._outputs, steps)
        return ItemView(snapshots, steps)

    def tool_calls(self) -> AsyncIterator[ToolCall]:
        """View the tool calls of the run, from its beginning: a `ToolCall` whenever something becomes of one.

        Its arguments are text and, where the type of the tool is known, a typed partial. Calls that the run did not get
        to end are told as `unfinished` at its end.

        Raises:
            Exception: As `text`.
        """
        return ToolCallView(self.events(), self._started().began, self._tool_types.get)

    @property
    def timeline(self) -> Timeline:
        """What the run did when, as far as it has come. `print(stream.timeline.text())` draws it."""
        pump = self._started()
        record, began = pump.record, pump.began
        end = pump.now if record.closed_at is None else record.closed_at
        events = ((at - began, event) for at, event in zip(record.times, record.items, strict=True))
        return timeline_of(events, end=end - began, over=record.closed)

    def _new_reader(self) -> OutputReader:
        assert self._outputs is not None
        return OutputReader(self._outputs, context=lambda: self._watch.context, results=self._results)

    def _judge_by(self, on_invalid: Literal['stop', 'retry']) -> None:
        pump, outputs, watch = self._pump, self._outputs, self._watch
        assert outputs is not None
        if pump.judge is None:
            in_text = ('native', 'prompted')
            certain = outputs.mode != 'auto'
            pump.judge_by(OutputJudge(self._new_reader(), on_invalid, lambda: certain or watch.output_mode in in_text))
        elif (other := pump.judge.on_invalid) != on_invalid:
            raise StreamUsageError(f"Another view has on_invalid={other!r}: use the same here, or 'report'.")

    # What is known at any moment

    @property
    def started(self) -> bool:
        """Whether the context was entered."""
        return self._pump.started

    @property
    def text_so_far(self) -> str:
        """All text that has been streamed, in order; of rejected attempts too, which events tell apart."""
        return self._started().digest.text

    @property
    def finish(self) -> Finish | None:
        """Why the run ended; `None` while it goes on."""
        return self._pump.finish

    @property
    def output(self) -> OutputT:
        """The validated output.

        Raises:
            StreamUsageError: The run goes on, or was stopped.
            Exception: As the run.
        """
        pump = self._started()
        if pump.record.error is not None:
            self._error_seen = True
            raise pump.record.error.with_traceback(pump.record.traceback)
        if pump.finish is None:
            raise StreamUsageError(
                'The output is not there yet: read a view to its end, or use `await stream.get_output()` '
                '(without `await` where the stream is one of run_stream_sync).'
            )
        if pump.finish == 'stopped':
            raise StreamUsageError('The run was stopped before it had an output; text_so_far holds what came.')
        return cast('OutputT', pump.driver.output)

    async def get_output(self) -> OutputT:
        """Wait for the end of the run and return `output`. Raises as `output` does.

        A tool, a hook or an output validator of the run itself cannot wait for it: `StreamUsageError`.
        """
        await self._started().wait()
        return self.output

    @property
    def result(self) -> AgentRunResult[OutputT] | None:
        """pydantic-ai's result, or `None` as long as there is none, and with `agent.run_stream`, which has none."""
        return self._pump.driver.result

    @property
    def messages(self) -> list[ModelMessage]:
        """The whole message history, ready for the next run at any moment, however this one ended.

        While the run goes on, it is what it would be if the run were stopped now. An interrupted run keeps the part of
        the reply that came. Tool calls without a result are closed, and a closing note tells the model what became of
        the reply, so that a run without a new prompt asks it again.
        """
        return self._pump.messages()

    @property
    def new_messages(self) -> list[ModelMessage]:
        """What the run has added to the history, in the same way as `messages`."""
        return self._pump.new_messages()

    @property
    def usage(self) -> RunUsage:
        """What the run has used. Providers report tokens at the end of a response."""
        return self._pump.driver.usage()

    @property
    def stats(self) -> StreamStats:
        """The figures of the stream so far."""
        return self._started().stats()

    async def stop(self, *, patience: float | None = None) -> None:
        """End the run and wait until it has let go of everything. Views end after what has come.

        Safe to call from any task of its loop, and again; a tool of the run does not wait. After `patience` seconds
        (`None`: never) views end, and this returns, although a tool may swallow the cancellation; leaving waits for it.
        """
        await self._started().stop(patience)

    def _started(self) -> Pump[OutputT]:
        if not self._pump.started:
            raise StreamUsageError(NOT_STARTED)
        return self._pump

    def _saw_error(self) -> None:
        self._error_seen = True
