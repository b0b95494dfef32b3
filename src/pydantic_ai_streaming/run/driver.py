"""The two ways of pydantic-ai to stream a run, seen as one: events go in a callback, the rest can be asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic_ai.agent import AgentRunEvents
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.result import StreamedRunResult
from pydantic_ai.run import AgentRunResult, AgentRunResultEvent
from pydantic_ai.usage import RunUsage

from ..reduce.differences import Differences

__all__ = ['Driver', 'EventsDriver', 'Run', 'TextDriver']

OutputT = TypeVar('OutputT')

Run: TypeAlias = (
    AbstractAsyncContextManager[AgentRunEvents[OutputT]] | AbstractAsyncContextManager[StreamedRunResult[Any, OutputT]]
)
"""What `agent.run_stream_events(...)` and `agent.run_stream(...)` return."""

Sink: TypeAlias = Callable[[Any], None]


class Driver(ABC, Generic[OutputT]):
    """Runs a run to its end. The context of the run is entered and left inside `drive`, so in one task."""

    def __init__(self) -> None:
        self.output: OutputT | None = None
        self.result: AgentRunResult[OutputT] | None = None

    @abstractmethod
    async def drive(self, sink: Sink) -> None:
        """Run to the end, calling `sink` with each event."""

    @abstractmethod
    def messages(self) -> list[ModelMessage] | None:
        """The history so far, or `None` if the run has not begun."""

    @abstractmethod
    def usage(self) -> RunUsage:
        """What has been used so far, as far as the provider reported it."""


class EventsDriver(Driver[OutputT]):
    """Over `agent.run_stream_events(...)`."""

    def __init__(self, run: AbstractAsyncContextManager[AgentRunEvents[OutputT]]) -> None:
        super().__init__()
        self._run = run
        self._handle: AgentRunEvents[OutputT] | None = None

    async def drive(self, sink: Sink) -> None:
        """Run to the end, calling `sink` with each event."""
        async with self._run as handle:
            self._handle = handle
            async for event in handle:
                if type(event) is AgentRunResultEvent:
                    self.result = event.result
                    self.output = event.result.output
                sink(event)

    def messages(self) -> list[ModelMessage] | None:
        """The history so far, or `None` if the run has not begun."""
        if self._handle is None:
            return None
        try:
            return self._handle.all_messages()
        except UserError:
            return None

    def usage(self) -> RunUsage:
        """What has been used so far; a response counts when it is over."""
        try:
            return self._handle.usage if self._handle is not None else RunUsage()
        except UserError:
            return RunUsage()


class TextDriver(Driver[OutputT]):
    """Over `agent.run_stream(...)`, which shows only the response that it takes for the final one."""

    def __init__(self, run: AbstractAsyncContextManager[StreamedRunResult[Any, OutputT]]) -> None:
        super().__init__()
        self._run = run
        self._streamed: StreamedRunResult[Any, OutputT] | None = None
        self._partial: ModelResponse | None = None

    async def drive(self, sink: Sink) -> None:
        """Run to the end, calling `sink` with an event for whatever a response has grown by."""
        differences = Differences()
        async with self._run as streamed:
            self._streamed = streamed
            async for response in streamed.stream_response(debounce_by=None):
                self._partial = response
                for event in differences.feed(response):
                    sink(event)
            self.output = await streamed.get_output()
        self._partial = None

    def messages(self) -> list[ModelMessage] | None:
        """The history so far, with what has come of the reply, which `run_stream` loses when it is left early."""
        if self._streamed is None:
            return None
        history = self._streamed.all_messages()
        if self._partial is not None and not (history and isinstance(history[-1], ModelResponse)):
            history = [*history, replace(self._partial, state='interrupted')]
        return history

    def usage(self) -> RunUsage:
        """What has been used so far."""
        return self._streamed.usage if self._streamed is not None else RunUsage()
