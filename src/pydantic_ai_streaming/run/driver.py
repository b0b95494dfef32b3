"""The two ways of pydantic-ai to stream a run, seen as one: events go in a callback, the rest can be asked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeAlias, TypeVar

from pydantic_ai.agent import AgentRunEvents
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.result import StreamedRunResult
from pydantic_ai.run import AgentRunResult, AgentRunResultEvent
from pydantic_ai.usage import RunUsage

from ..core.wording import a
from ..errors import StreamUsageError
from ..reduce.differences import Differences
from ..reduce.events import StreamRecoveredEvent

__all__ = ['Driver', 'History', 'Run']

OutputT = TypeVar('OutputT')

Run: TypeAlias = (
    AbstractAsyncContextManager[AgentRunEvents[OutputT]] | AbstractAsyncContextManager[StreamedRunResult[Any, OutputT]]
)
"""What `agent.run_stream_events(...)` and `agent.run_stream(...)` return."""

Sink: TypeAlias = Callable[[Any], None]


class History(NamedTuple):
    """A message history, cut where the run began."""

    before: list[ModelMessage]
    """What the run was given; pydantic-ai may have merged messages of it, or a capability rewritten them."""

    added: list[ModelMessage]
    """What the run has added."""

    @classmethod
    def of(cls, messages: list[ModelMessage], added: list[ModelMessage]) -> Self:
        """The history of all messages, of which the last ones were added."""
        return cls(messages[: len(messages) - len(added)], added)

    @property
    def messages(self) -> list[ModelMessage]:
        """All of it."""
        return [*self.before, *self.added]


class Driver(Generic[OutputT]):
    """Runs a run to its end. Its context is entered, read and left inside `drive`, so in one task.

    Attributes:
        output: The output, when the run is complete.
        result: pydantic-ai's result, when the run is complete and has one.
    """

    def __init__(self, run: Run[OutputT]) -> None:
        self.output: OutputT | None = None
        self.result: AgentRunResult[OutputT] | None = None
        self._run = run
        self._source: _Source | None = None

    async def drive(self, sink: Sink) -> None:
        """Run to the end, calling `sink` with each event."""
        async with self._run as handle:
            if isinstance(handle, AgentRunEvents):
                self._source = events = _Events(handle)
                self.result = await events.read(sink)
                self.output = self.result.output if self.result is not None else None
            elif isinstance(handle, StreamedRunResult):  # pyright: ignore[reportUnnecessaryIsInstance] - any context fits
                self._source = text = _Text(handle)
                self.output = await text.read(sink)
            else:
                raise StreamUsageError(
                    f'The context that RunStream was given yields {a(handle)}: it has to be '
                    'agent.run_stream_events(...) or agent.run_stream(...), or one that yields what they yield.'
                )

    @property
    def passes_events(self) -> bool:
        """Whether the events that go to the sink are those of the model, not made from what it has said so far."""
        return isinstance(self._source, _Events)

    def recovered(self, event: StreamRecoveredEvent, shown: str) -> StreamRecoveredEvent:
        """What to tell of a recovery where events are made from what the model has said so far.

        A capability may have held back some of it, so what is taken back is what was `shown` of the response. What
        comes then is told anew, though it may begin like what was there.
        """
        if event.step != 'restart':
            return event
        if self._source is not None:
            self._source.begin_anew()
        return replace(event, text=shown)

    def history(self) -> History | None:
        """The history so far, or `None` if the run has not begun."""
        return None if self._source is None else self._source.history()

    def usage(self) -> RunUsage:
        """What has been used so far; a response counts when it is over."""
        return RunUsage() if self._source is None else self._source.usage()


class _Source(Protocol):
    def begin_anew(self) -> None: ...
    def history(self) -> History | None: ...
    def usage(self) -> RunUsage: ...


class _Events(Generic[OutputT]):
    """Over `agent.run_stream_events(...)`."""

    def __init__(self, handle: AgentRunEvents[OutputT]) -> None:
        self._handle = handle

    async def read(self, sink: Sink) -> AgentRunResult[OutputT] | None:
        result = None
        async for event in self._handle:
            if type(event) is AgentRunResultEvent:
                result = event.result
            sink(event)
        return result

    def begin_anew(self) -> None:
        """The events say it themselves."""

    def history(self) -> History | None:
        try:
            return History.of(self._handle.all_messages(), self._handle.new_messages())
        except UserError:
            return None

    def usage(self) -> RunUsage:
        try:
            return self._handle.usage
        except UserError:
            return RunUsage()


class _Text(Generic[OutputT]):
    """Over `agent.run_stream(...)`, which shows only the response that it takes for the final one."""

    def __init__(self, streamed: StreamedRunResult[Any, OutputT]) -> None:
        self._streamed = streamed
        self._partial: ModelResponse | None = None
        self._differences = Differences()

    async def read(self, sink: Sink) -> OutputT:
        async for response in self._streamed.stream_response(debounce_by=None):
            self._partial = response
            for event in self._differences.feed(response):
                sink(event)
        output = await self._streamed.get_output()
        self._partial = None
        return output

    def begin_anew(self) -> None:
        """What the response has from now on has not been told."""
        self._differences = Differences()

    def history(self) -> History:
        history = History.of(self._streamed.all_messages(), self._streamed.new_messages())
        if self._partial is not None and not (history.added and isinstance(history.added[-1], ModelResponse)):
            # What has come of the reply, which `run_stream` loses when it is left early.
            history.added.append(replace(self._partial, state='interrupted'))
        return history

    def usage(self) -> RunUsage:
        return self._streamed.usage
