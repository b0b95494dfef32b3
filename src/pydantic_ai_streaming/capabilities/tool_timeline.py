"""Tools that one can see working, wherever an agent's events are read: `ToolTimeline`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Self, TypeAlias

from pydantic_ai.capabilities import CapabilityOrdering
from pydantic_ai.messages import (
    AgentStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    ToolCallPart,
    ToolCallPartDelta,
)
from pydantic_ai.tools import RunContext

from ..aio.timed import Timed
from ..reduce.timeline import Activity, TimelineReader
from ..reduce.tool_call import ToolCall
from .mounted import Mounted, Rejections
from .shown import TimelineEvent, ToolCallUpdateEvent
from .smooth_text import SmoothText

__all__ = ['ToolTimeline']

_Spans: TypeAlias = list[tuple[Activity, float, float]]

MILLISECONDS = 3
"""Digits of the seconds that are sent."""

INSTANT = 0.01
"""Seconds: a response ends just before its tools begin, and their handling just after they end. The timeline, which is
sent whole, is not sent again for that."""


@dataclass
class ToolTimeline(Mounted):
    """Adds `ToolCallUpdateEvent`s and `TimelineEvent`s to an agent's runs: what tools do, and what took how long.

    A tool call is told whenever it comes into another state, each call with an `id` of its own. The timeline, with one
    `id` for the run, is told when a tool begins or ends, and when a response or the work on it is over: each time all
    of it, unless it says no more than 10 ms before. They reach whoever reads the events of a run, and through
    `VercelAIAdapter` and `AGUIAdapter` the browser. In a run that fails, calls that did not get to their end are told
    as `unfinished` before the error.

    `agent.run_stream` runs tools beside its final output without telling anybody, so they stay `called` there.

    Mounted twice it works once. Inside a durable workflow the times are those at which events were replayed.

    Example:
        ```python
        import asyncio

        from pydantic_ai import Agent
        from pydantic_ai_streaming.capabilities import ToolCallUpdateEvent, ToolTimeline
        from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

        agent = Agent(ScriptedModel([ToolCall('dice', {'sides': 6})], ['Four.']), capabilities=[ToolTimeline()])


        @agent.tool_plain
        def dice(sides: int) -> int:
            return 4


        async def main():
            async with agent.run_stream_events('Roll') as events:
                async for event in events:
                    if isinstance(event, ToolCallUpdateEvent):
                        print(event.number, event.tool, event.state)


        asyncio.run(main())
        #> 0 dice calling
        #> 0 dice called
        #> 0 dice running
        #> 0 dice returned
        ```
    """

    _: KW_ONLY

    id: str | None = 'tool_timeline'

    _events: ToolEvents | None = field(default=None, init=False, repr=False, compare=False)

    def get_ordering(self) -> CapabilityOrdering:
        """Inside `SmoothText`: the times are those at which things happened."""
        return CapabilityOrdering(wrapped_by=[SmoothText])

    def begun(self, ctx: RunContext[Any], now: float) -> Self:
        """The copy for one run."""
        copy = replace(self)
        copy._events = ToolEvents(Rejections(ctx), id=str(ctx.run_id), started=now)
        return copy

    def wrap_run_event_stream(
        self, ctx: RunContext[Any], *, stream: AsyncIterable[AgentStreamEvent]
    ) -> AsyncIterable[AgentStreamEvent]:
        """Add to the events of one node."""
        if self._events is None:
            return stream
        self._events.begin(ctx, asyncio.get_running_loop().time())
        return Timed(stream, self._events, ahead=False)  # nothing is due later


class ToolEvents:
    """Passes the events of a run on, and adds one when something becomes of a tool call.

    Args:
        rejections: Tell when an attempt at the output was rejected.
        id: Of the run.
        started: When it began, in seconds.
    """

    next_due = None

    def __init__(self, rejections: Rejections, *, id: str, started: float) -> None:  # noqa: A002 - as in the events
        self._rejections = rejections
        self._reader = TimelineReader()
        self._id = id
        self._started = started
        self._ready: list[Any] = []
        self._told: dict[int, tuple[object, ...]] = {}
        self._passed = False
        self._delta: tuple[int, type] | None = None  # where the last delta was, and what it brought
        self._kind: type | None = None  # of the part that began last
        self._spans: _Spans = []

    @property
    def finished(self) -> bool:
        """Whether nothing waits."""
        return not self._ready

    def begin(self, ctx: RunContext[Any], now: float) -> None:
        """The model is asked, or its response handled."""
        rejection = self._rejections.asked(ctx)
        if rejection is not None:
            self._reader.add(rejection, now - self._started)

    def feed(self, event: Any, now: float) -> None:
        """Take an event that came at `now` (seconds)."""
        self._ready.append(event)
        if type(event) is PartDeltaEvent and self._says_nothing_new(event):
            return
        self._passed = True
        if type(event) is PartStartEvent:
            self._delta, self._kind = None, type(event.part)
        self._rejections.see(event)
        calls = self._reader.add(event, now - self._started)
        if calls and self._tell(calls):
            self._tell_timeline(now)

    def _says_nothing_new(self, event: PartDeltaEvent) -> bool:
        """Whether it only goes on where the one before was. Arguments are not shown; of native tools they tell more."""
        before, self._delta = self._delta, (event.index, type(event.delta))
        if before != self._delta:
            return False
        delta = event.delta
        return type(delta) is not ToolCallPartDelta or (self._kind is ToolCallPart and not delta.tool_name_delta)

    def due(self, now: float) -> Sequence[Any]:
        """What to pass on."""
        ready, self._ready = self._ready, []
        return ready

    def close(self, now: float) -> None:
        """A response, or the handling of one, is over."""
        if self._passed:
            self._passed = False
            self._tell_timeline(now)

    def flush(self, now: float) -> Sequence[Any]:
        """All that waits; the calls that are open do not get to their end."""
        if self._tell(self._reader.finish(now - self._started)):
            self._tell_timeline(now)
        return self.due(now)

    def _tell(self, calls: Sequence[ToolCall]) -> bool:
        """Tell the calls that are in another state. Returns whether one has begun to run, or has ended."""
        acts = False
        for call in calls:
            looks = call.state, call.kind, call.name, call.tool_call_id
            if self._told.get(call.number) != looks:
                self._told[call.number] = looks
                self._ready.append(self._update(call))
                acts = acts or call.ended or call.state == 'running'
        return acts

    def _update(self, call: ToolCall) -> ToolCallUpdateEvent:
        duration = call.duration
        return ToolCallUpdateEvent(
            id=f'{self._id}:call:{call.number}',
            number=call.number,
            call_id=call.tool_call_id,
            tool=call.name,
            kind=call.kind,
            state=call.state,
            attempt=call.attempt,
            request=call.request,
            times={state: round(at, MILLISECONDS) for state, at in call.times.items()},
            duration=None if duration is None else round(duration, MILLISECONDS),
            beside=call.beside,
        )

    def _tell_timeline(self, now: float) -> None:
        duration = now - self._started
        spans: _Spans = [
            (span.activity, round(span.start, MILLISECONDS), round(span.end, MILLISECONDS))
            for span in self._reader.spans(duration)
        ]
        if not _is_news(spans, self._spans):
            return
        self._spans = spans
        self._ready.append(
            TimelineEvent(id=f'{self._id}:timeline', spans=spans, duration=round(duration, MILLISECONDS))
        )


def _is_news(spans: _Spans, told: _Spans) -> bool:
    """Whether a timeline shows what the one that was told last does not: another bar, or more than an instant."""
    if not spans or not told:
        return bool(spans)
    bars, shown = (sum(activity != 'waiting' for activity, _, _ in one) for one in (spans, told))
    return bars != shown or spans[-1][2] - told[-1][2] >= INSTANT
