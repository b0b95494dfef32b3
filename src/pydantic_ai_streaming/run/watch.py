"""Sees the model requests of a run where they happen: when they open and close, and whether the model has finished.

pydantic-ai's events tell what the model says, but not when it is asked, nor that it has given its finish reason while
the connection stays open, nor that a stream ended without one. A capability sees all three, at the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from weakref import WeakSet

from pydantic_ai.capabilities import (
    AbstractCapability,
    CombinedCapability,
    RawOutput,
    WrapModelRequestHandler,
    WrapOutputProcessHandler,
    WrapOutputValidateHandler,
    WrapRunHandler,
    WrapToolExecuteHandler,
)
from pydantic_ai.exceptions import ModelConnectionError, ModelRetry
from pydantic_ai.messages import (
    AgentStreamEvent,
    ModelMessage,
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    TextPartDelta,
    ToolCallPart,
)
from pydantic_ai.models import Model, ModelRequestContext, ModelRequestParameters, StreamedResponse
from pydantic_ai.output import OutputContext, OutputMode
from pydantic_ai.run import AgentRunResult
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.toolsets import ToolsetTool

from ..aio.beat import Beat
from ..aio.clock import clock_of
from ..aio.closing import drain
from ..aio.interruption import Interruption
from ..errors import StreamTruncated
from ..reduce.content import is_more
from ..reduce.events import StreamRecoveredEvent
from ..reduce.recovery import Recovery
from ..reduce.truncation import is_truncated
from .observers import ModelNames
from .watched import WatchedModel, output_mode

__all__ = ['ModelWatch', 'OnTruncation', 'RequestObserver']

OnTruncation: TypeAlias = Literal['raise', 'mark']
"""What to do with a response that ended without a finish reason."""


class RequestObserver:
    """What a `ModelWatch` tells. Does nothing on its own."""

    def request_opened(self, messages: Sequence[ModelMessage]) -> None:
        """The model is about to be asked."""

    def request_closed(self) -> None:
        """The response is over and its connection closed, however that came."""

    def request_failed(self, error: Exception) -> None:
        """The run fails with this error of its model, after every recovery that there was."""

    def response_recovered(self, event: StreamRecoveredEvent) -> None:
        """A response broke off, and the model is asked again. The same event follows among those of the run."""

    def response_awaited(self) -> None:
        """The run waits for what the provider sends next."""

    def response_left(self) -> None:
        """The run does something else, as long as the next is not awaited: a capability of the agent takes its time."""

    def response_event(self, event: ModelResponseStreamEvent) -> None:
        """The provider has sent something, whatever becomes of it on its way. The response is left with it."""

    def response_truncated(self, model_name: str) -> None:
        """A response ended without a finish reason, and `on_truncation='mark'`."""

    def response_whole(self, model_name: str, reason: str) -> None:
        """The model cannot stream, so it was asked for a whole response."""


@dataclass(eq=False)
class ModelWatch(AbstractCapability[Any]):
    """Watches every model request of one run. Innermost: it sees what the provider's client yields."""

    observer: RequestObserver = field(default_factory=RequestObserver, repr=False)
    on_truncation: OnTruncation = 'raise'
    recovery: Recovery | None = None

    context: Any = field(default=None, init=False, repr=False)
    """What validators of the run find in `info.context`."""

    tools: Mapping[str, ToolsetTool[Any]] = field(default_factory=dict[str, ToolsetTool[Any]], init=False, repr=False)
    """The tools that the model was offered last."""

    alone: bool = field(default=False, init=False, repr=False)
    """Whether no other capability of the run comes between the model's events and whoever watches."""

    names: ModelNames = field(default=ModelNames(), init=False, repr=False)
    """Who was asked last, and who answers."""

    beat: Beat = field(default_factory=Beat, init=False, repr=False)
    """Where content is noted, in place of telling the observer of it, while that is wanted."""

    _output_mode: Callable[[], OutputMode] = field(default=lambda: 'auto', init=False, repr=False)

    _reply: ModelResponse | None = field(default=None, init=False, repr=False)
    _rejection: str | None = field(default=None, init=False, repr=False)
    _response: StreamedResponse | None = field(default=None, init=False, repr=False)
    _whole: StreamedResponse | None = field(default=None, init=False, repr=False)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]], init=False, repr=False)
    _at_work: WeakSet[asyncio.Task[Any]] = field(default_factory=WeakSet[asyncio.Task[Any]], init=False, repr=False)
    _interruption: Interruption = field(default_factory=Interruption, init=False, repr=False)

    async def wrap_run(self, ctx: RunContext[Any], *, handler: WrapRunHandler) -> AgentRunResult[Any]:
        """Know the task in which the hooks of the run wait for it."""
        self._tasks.add(_current_task())
        return await handler()

    async def wrap_model_request(
        self, ctx: RunContext[Any], *, request_context: ModelRequestContext, handler: WrapModelRequestHandler
    ) -> ModelResponse:
        """Know the task that holds the connection of a request."""
        self._tasks.add(_current_task())
        self.context = ctx.validation_context
        everybody = ctx.root_capability.capabilities if isinstance(ctx.root_capability, CombinedCapability) else [self]
        self.alone = not any(
            other.has_wrap_run_event_stream for other in everybody if not isinstance(other, ModelWatch)
        )
        self.tools = {} if ctx.tool_manager is None else ctx.tool_manager.tools or {}
        return await handler(request_context)

    async def wrap_output_validate(
        self,
        ctx: RunContext[Any],
        *,
        output_context: OutputContext,
        output: RawOutput,
        handler: WrapOutputValidateHandler,
    ) -> Any:
        """Have the model asked again for an output that was rejected while it streamed."""
        if self._rejection is not None and not ctx.partial_output:
            rejection, self._rejection = self._rejection, None
            raise ModelRetry(rejection)
        return await handler(output)

    async def wrap_output_process(
        self, ctx: RunContext[Any], *, output_context: OutputContext, output: Any, handler: WrapOutputProcessHandler
    ) -> Any:
        """Know the task of the run itself, in which output functions and output validators are called."""
        self._at_work.add(_current_task())
        return await handler(output)

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: dict[str, Any],
        handler: WrapToolExecuteHandler,
    ) -> Any:
        """Know the task of a tool."""
        self._at_work.add(_current_task())
        return await handler(args)

    def waits_for(self, task: asyncio.Task[Any]) -> bool:
        """Whether the run cannot end before this task has: a hook, a tool or an output validator of it is called there.

        Of a task that a tool has made, nothing is known.
        """
        return task in self._at_work or task in self._tasks

    def reject(self, reason: str) -> None:
        """End the response that is being streamed, and have the model told why.

        To be called while one of its events is handled. pydantic-ai counts it against the run's output retries.
        """
        self._rejection = reason
        self.beat.steady = False
        if self._response is not None:
            self._interrupt(None)  # a capability that reads ahead waits for the next event already

    @property
    def rejects(self) -> bool:
        """Whether the response that is being streamed was rejected, so that it ends where it is."""
        return self._rejection is not None

    def asking(self, model: Model, settings: ModelSettings | None, parameters: ModelRequestParameters) -> None:
        """Another request begins."""
        self._reply = self._rejection = None
        self.names = ModelNames(model.system, model.model_name)

        self._output_mode = lambda: output_mode(model, settings, parameters)

    @property
    def output_mode(self) -> OutputMode:
        """How the output of the last request was asked for; `'auto'` where that cannot be told."""
        return self._output_mode()

    async def end_leftovers(self) -> None:
        """End the tasks that pydantic-ai 2.68 leaves behind when a run is cancelled at certain instants.

        Between the start of such a task and the first wait for it nobody cancels it: the one that waits for the run's
        hooks, and the one that holds the connection of a response. To be called when the run is over.
        """
        for task in self._tasks - {asyncio.current_task()}:
            if not task.done():
                await drain(task)

    def listens_to(self, event: AgentStreamEvent) -> bool:
        """No: pydantic-ai would look through the methods of this class for each event of the run."""
        return False

    def get_wrapper_model(self, model: Model) -> Model:
        """Wrap the model of a request."""
        return WatchedModel(model, self)

    def wrap_run_event_stream(
        self, ctx: RunContext[Any], *, stream: AsyncIterable[AgentStreamEvent]
    ) -> AsyncIterable[AgentStreamEvent]:
        """Leave the events alone: without this, each would pass through a generator that does nothing."""
        return stream

    @property
    def reply(self) -> ModelResponse | None:
        """What has come of the response that is being streamed, or else of the last one."""
        response = self._whole or self._response
        return self._reply if response is None else response.get()

    @property
    def finished(self) -> bool:
        """Whether the model has given its finish reason in the response that is being streamed."""
        response = self._response
        if response is None:
            return False
        # What `get` takes it from, without the copies that it makes; some kinds of response know more.
        return response.finish_reason is not None or (
            type(response).get is not StreamedResponse.get and response.get().finish_reason is not None
        )

    def end_response(self) -> bool:
        """End the response that is being streamed, as if the provider had closed the connection.

        Returns whether there was one to end. The run goes on with what the model has said.
        """
        return self._interrupt(None)

    def fail_response(self, error: Exception) -> bool:
        """End the request or the response that is waited for with an error, as if the provider had failed with it.

        Returns whether there was one to end.
        """
        return self._interrupt(error)

    def _interrupt(self, error: Exception | None) -> bool:
        puller = self.beat.puller
        if puller is None or self._interruption.is_going_on:
            return False
        self._interruption.begin(puller, error)
        self.beat.steady = False
        return True

    async def opened(self, opening: Awaitable[StreamedResponse]) -> StreamedResponse:
        """Wait for a response to begin, as long as nobody fails it."""
        self.beat.puller = task = _current_task()
        self._interruption.expects(task)
        try:
            response = await opening
        except BaseException as error:
            if not self._interruption.ends(error):
                raise
        else:
            if not self._interruption.ends(None):
                return response
        finally:
            self.beat.puller = None
        failure = self._interruption.reason()
        assert failure is not None, 'only a failure ends what has not begun'
        raise failure

    def whole(self, response: StreamedResponse | None) -> None:
        """Name the response that several attempts make, while there is one."""
        if response is None:
            self._reply = self.reply
        self._whole = response

    def attach(self, response: StreamedResponse) -> None:
        """Watch a response as it is streamed."""
        self._response = response
        # Of several models (FallbackModel), the response says which one it is.
        provider, requested, _ = self.names
        self.names = ModelNames(response.provider_name or provider, requested, response.model_name)
        if type(response).__aiter__ is not StreamedResponse.__aiter__:
            aiter(response)  # one that makes its events in its own way makes them now
        if (begun := response._event_iterator) is not None:  # pyright: ignore[reportPrivateUsage]
            # FallbackModel has waited for the first event, and hands the stream over with it.
            response._event_iterator = self._watched(response, begun)  # pyright: ignore[reportPrivateUsage]
            return
        # `_get_event_iterator` is what each model class implements; everything that pydantic-ai adds (final results,
        # part ends, cancellation) is built on it, and the response keeps its own class and state.
        stream: Callable[[], AsyncIterator[ModelResponseStreamEvent]] = response._get_event_iterator  # pyright: ignore[reportPrivateUsage]
        setattr(response, '_get_event_iterator', lambda: self._watched(response, stream()))  # noqa: B010

    def detach(self) -> None:
        """The response is over."""
        self._reply = self.reply
        self._response = self.beat.puller = None
        self._interruption.ends(None)
        self.observer.request_closed()

    async def _watched(
        self, response: StreamedResponse, events: AsyncIterator[ModelResponseStreamEvent]
    ) -> AsyncGenerator[ModelResponseStreamEvent]:
        awaited, told, beat = self.observer.response_awaited, self.observer.response_event, self.beat
        pull, loop = events.__anext__, asyncio.get_running_loop()
        clock, interruption = clock_of(loop), self._interruption
        while True:
            if beat.steady:
                beat.back = clock()
            else:
                # One that is rejected is left in its middle: its connection is closed when its context is left.
                if self._rejection is not None or self._ended(None):
                    break
                interruption.expects(asyncio.current_task(loop))
                awaited()
            # Asked anew each time: every pull may come from another task.
            beat.puller = asyncio.current_task(loop)
            try:
                event = await pull()
            except BaseException as error:
                # What closes the connection is not to be interrupted.
                beat.puller = None
                is_over = self._ended(error) or isinstance(error, StopAsyncIteration)
                # The model has said all: that its connection ends badly is as little as that it stays open.
                if not is_over and not (isinstance(error, ModelConnectionError) and self.finished):
                    raise
                break
            beat.puller = None
            # `is_more`, with no call for text: there may be many events.
            if not beat.steady or not (
                (type(event) is PartDeltaEvent and type(event.delta) is TextPartDelta and event.delta.content_delta)
                or is_more(event)
            ):
                told(event)
                if interruption.is_going_on:
                    interruption.ignored()
                    beat.steady = False  # the next wait ends at once
            yield event
        self.observer.response_left()
        if not self.rejects and is_truncated(response.get()):
            self._truncated(response.model_name)

    def _ended(self, error: BaseException | None) -> bool:
        """Whether a wait for an event has ended because it was interrupted; if that was to fail it, fail.

        Without an error, what waited has taken no notice.
        """
        if not self._interruption.ends(error):
            return False
        if (failure := self._interruption.reason()) is not None:
            raise failure from None
        return True

    def _truncated(self, model_name: str) -> None:
        if self.on_truncation == 'raise':
            raise StreamTruncated(model_name=model_name)
        self.observer.response_truncated(model_name)


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None, 'pydantic-ai runs agents in tasks'
    return task
