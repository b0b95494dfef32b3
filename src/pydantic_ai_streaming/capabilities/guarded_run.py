"""One run of an agent with a `StreamGuard`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.capabilities import (
    AbstractCapability,
    CombinedCapability,
    ValidatedToolArgs,
    WrapModelRequestHandler,
    WrapRunHandler,
    WrapToolExecuteHandler,
)
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent, TextPart, ToolCallPart
from pydantic_ai.models import ModelRequestContext, StreamedResponse
from pydantic_ai.run import AgentRunResult
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.usage import RunUsage

from ..core.deadlines import Deadlines, Due
from ..errors import StreamTimeout, StreamTruncated, StreamUsageError
from ..reduce.events import StreamRecoveredEvent
from ..reduce.history import resumable
from ..run.durable import is_durable
from ..run.timekeeper import Timekeeper
from ..run.watch import ModelWatch, RequestObserver

__all__ = ['GuardedRun']


@dataclass(eq=False)
class GuardedRun(ModelWatch):
    """Watches one run: what `StreamGuard.for_run` returns."""

    deadlines: Deadlines = field(default_factory=Deadlines)

    _sentry: _Sentry = field(init=False, repr=False)
    _watches: list[ModelWatch] = field(default_factory=list[ModelWatch], init=False, repr=False)

    def __post_init__(self) -> None:
        self.observer = self._sentry = _Sentry(self)

    async def wrap_run(self, ctx: RunContext[Any], *, handler: WrapRunHandler) -> AgentRunResult[Any]:
        """Keep the time from the beginning of the run to its end."""
        self._check(ctx)
        self._sentry.begin(ctx)
        try:
            return await super().wrap_run(ctx, handler=handler)
        finally:
            self._sentry.end()

    def _check(self, ctx: RunContext[Any]) -> None:
        others = [one for one in _all(ctx.root_capability) if one is not self]
        if any(isinstance(other, GuardedRun) for other in others):
            raise StreamUsageError(
                'StreamGuard is mounted twice, on the agent or on the agent and the run: have one, with the settings '
                'of both.'
            )
        if is_durable(ctx.root_capability):
            raise StreamUsageError(
                'StreamGuard cannot be used in a durable workflow: there a step is run again as a whole, and its clock '
                "is not the provider's. Bound the step instead, for example with ModelSettings(timeout=...)."
            )
        self._watches = [other for other in others if isinstance(other, ModelWatch)]
        if self.recovery is not None and any(other.recovery is not None for other in self._watches):
            raise StreamUsageError(
                'Both RunStream and the StreamGuard of its agent have a recovery, so that each would multiply the '
                'requests of the other: leave one out.'
            )

    def whole(self, response: StreamedResponse | None) -> None:
        """Name the response that several attempts make, to `RunStream` too: it sees each attempt by itself."""
        for watch in (super(), *self._watches):
            watch.whole(response)

    @property
    def rejects(self) -> bool:
        """Whether `RunStream`, which sees it first, has rejected the response: what it leaves is not cut off."""
        return super().rejects or any(watch.rejects for watch in self._watches)

    def tell_others(self, event: StreamRecoveredEvent) -> None:
        """Tell `RunStream` of a recovery."""
        for watch in self._watches:
            watch.observer.response_recovered(event)

    async def wrap_model_request(
        self, ctx: RunContext[Any], *, request_context: ModelRequestContext, handler: WrapModelRequestHandler
    ) -> ModelResponse:
        """Know the run as it is at this request."""
        self._sentry.context = ctx
        return await super().wrap_model_request(ctx, request_context=request_context, handler=handler)

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: ValidatedToolArgs,
        handler: WrapToolExecuteHandler,
    ) -> Any:
        """End a tool when `total` passes."""
        total = self.deadlines.total
        if total is None:
            return await handler(args)
        scope = asyncio.timeout_at(self._sentry.began + total)
        try:
            async with scope:
                return await handler(args)
        except TimeoutError:
            if not scope.expired():
                raise
            self._sentry.context = ctx
            raise self._sentry.timeout_of_total() from None


class _Sentry(RequestObserver):
    """Ends what a run waits for when a deadline passes, in the place where it waits.

    The run itself is nobody's to cancel here: it may live in the task of whoever iterates it.
    """

    def __init__(self, watch: GuardedRun) -> None:
        self._watch = watch
        self._time: Timekeeper
        self.context: RunContext[Any]

    @property
    def began(self) -> float:
        """When the run began, on the loop's clock."""
        return self._time.began

    def begin(self, context: RunContext[Any]) -> None:
        """The run begins."""
        self._loop = asyncio.get_running_loop()
        self.context = context
        self._time = Timekeeper(
            self._loop,
            self._watch.deadlines,
            late=self._late,
            finished=lambda: self._watch.finished,
            end=self._watch.end_response,
            beat=self._watch.beat,
        )
        self._time.start(waiting=False)
        total = self._watch.deadlines.total
        self._total = None if total is None else self._time.began + total

    def end(self) -> None:
        """The run is over."""
        self._time.stop()

    # What the watch tells

    def request_opened(self, messages: Sequence[ModelMessage]) -> None:
        """The model is about to be asked."""
        self._check_total()
        self._time.opened()

    def request_closed(self) -> None:
        """The response is over."""
        self._time.closed(watch_on=True)

    def response_awaited(self) -> None:
        """The run waits for what the provider sends next."""
        now = self._time.awaited()
        if self._total is not None and now >= self._total:
            raise self.timeout_of_total()

    def response_left(self) -> None:
        """The run does something else."""
        self._time.left()

    def response_event(self, event: ModelResponseStreamEvent) -> None:
        """The provider has sent something."""
        self._time.took(event)

    def response_recovered(self, event: StreamRecoveredEvent) -> None:
        """The model is asked again."""
        self._watch.tell_others(event)

    def request_failed(self, error: Exception) -> None:
        """The run fails: have the error tell what there is."""
        if isinstance(error, StreamTimeout | StreamTruncated):
            error.text, error.messages, error.usage = self._text(), self._messages(), self._usage()

    # Time

    def _late(self, due: Due) -> None:
        if due.phase != 'total' and self._watch.finished and self._watch.end_response():
            return
        # If nobody waits for the model, a tool has a timeout of its own, and the next wait finds `total` passed.
        self._watch.fail_response(self._timeout(due))

    def _check_total(self) -> None:
        if self._total is not None and self._loop.time() >= self._total:
            raise self.timeout_of_total()

    def timeout_of_total(self) -> StreamTimeout:
        """The error for the run as a whole."""
        total = self._watch.deadlines.total
        assert total is not None
        return self._timeout(Due(self._time.began + total, 'total', total))

    def _timeout(self, due: Due) -> StreamTimeout:
        """The error for a deadline that has passed."""
        return StreamTimeout(
            phase=due.phase,
            limit=due.limit,
            elapsed=self._time.elapsed,
            text=self._text(),
            messages=self._messages(),
            usage=self._usage(),
        )

    # What there is of the run

    def _reply(self) -> ModelResponse | None:
        """What has come of the response that is not in the history yet."""
        reply, messages = self._watch.reply, self.context.messages
        over = bool(messages) and isinstance(messages[-1], ModelResponse)
        return None if over or reply is None else reply

    def _messages(self) -> list[ModelMessage]:
        reply = self._reply()
        messages = list(self.context.messages)
        return resumable(messages if reply is None else [*messages, _interrupted(reply, self.context.run_id)])

    def _text(self) -> str:
        reply, run = self._reply(), self.context.run_id
        own = [one for one in self.context.messages if isinstance(one, ModelResponse) and one.run_id == run]
        responses = own if reply is None else [*own, reply]
        return ''.join(part.content for one in responses for part in one.parts if isinstance(part, TextPart))

    def _usage(self) -> RunUsage:
        usage = copy(self.context.usage)
        if (reply := self._reply()) is not None:
            usage.incr(reply.usage)
            # As pydantic-ai counts it: a request of which nothing has come is none.
            usage.requests += bool(reply.parts)
            for attempt in reply.failed_attempts or ():
                if attempt.usage is not None:
                    usage.incr(attempt.usage)
        return usage


def _interrupted(reply: ModelResponse, run_id: str | None) -> ModelResponse:
    partial = copy(reply)
    partial.state, partial.run_id = 'interrupted', run_id
    return partial


def _all(capability: AbstractCapability[Any] | None) -> Iterator[AbstractCapability[Any]]:
    if isinstance(capability, CombinedCapability):
        for one in capability.capabilities:
            yield from _all(one)
    elif capability is not None:
        yield capability
