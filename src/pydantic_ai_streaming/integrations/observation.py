"""One run as telemetry sees it: its span, and the figures that it adds to the instruments."""

from __future__ import annotations

import time
from typing import Any

from opentelemetry.trace import Span, StatusCode
from pydantic_ai.exceptions import RunTimedOut
from pydantic_ai.messages import (
    NativeToolCallPart,
    PartDeltaEvent,
    PartStartEvent,
    TextPartDelta,
    ThinkingPartDelta,
    ToolCallEvent,
    ToolCallPartDelta,
    ToolResultEvent,
)

from ..core.chunks import Chunks
from ..core.record import Signal
from ..core.telling import told_to
from ..errors import StreamTimeout, StreamTruncated
from ..reduce.content import content_in
from ..reduce.events import AttemptRejectedEvent, ConnectionHeldOpenEvent, WholeResponseEvent
from ..reduce.timeline import timeline_of
from ..reduce.tool_call import ToolCall
from ..run.pump import Pump
from .conventions import OWN, Attributes, Instruments, chat_attributes

__all__ = ['Observation']

BATCH = 256
"""Events that are looked at together."""

WARNING = 13
"""A warning, in the numbers of OpenTelemetry's severities, which logfire takes for the level of a span."""


class Observation(Signal):
    """Follows a run through its record to its end, and ends the span there.

    It is the signal that the record sets when it has grown by so much, and at its end. Whatever goes wrong in here is
    logged: telemetry never ends a run.

    Args:
        run: The run, which begins.
        span: Its span.
        instruments: What its figures go into.
        stall_after: Seconds of silence that are a stall.
        include_content: Whether texts may go into the span.
    """

    def __init__(
        self, run: Pump[Any], span: Span, instruments: Instruments, *, stall_after: float, include_content: bool
    ) -> None:
        self._run = run
        self._span = span
        self._instruments = instruments
        self._stall_after = stall_after
        self._include_content = include_content
        self._epoch = time.time_ns()
        self._offset = 0
        self._chunks = Chunks()
        self._taken: list[float] = []  # by chunks whose times are not recorded yet
        self._chat: Attributes = {}
        self._last: float | None = None  # when content came last in the response that is being streamed
        self._native = False  # whether a tool of the provider may be at work since then
        self._called_tools = False
        self._stalls = 0

    def watch(self) -> None:
        """Look at the record again when it has grown."""
        # An event at a time would cost three times as much: each time, what it needs has left the processor's cache.
        self._run.record.watch_later(self, self._offset + BATCH)

    def done(self) -> bool:
        """Always `False`: it can be set again and again."""
        return False

    def set_result(self, result: None, /) -> None:
        """The record has changed."""
        record = self._run.record
        try:
            if record.closed:
                self._end()
                return
            self._catch_up()
            self.watch()
        except Exception:
            told_to(__name__).exception('Telemetry of a run has failed; the run goes on without.')
            self._span.end()

    # While it goes on

    def _catch_up(self) -> None:
        record = self._run.record
        start, self._offset = self._offset, len(record)
        for offset in range(start, self._offset):
            event, now = record.items[offset], record.times[offset]
            if content_in(event) is None:
                self._add(event, now)
                continue
            if self._last is None:
                self._chat = chat_attributes(self._run.names_at(offset))
            self._content(event, now)
        self._flush()

    def _content(self, event: object, now: float) -> None:
        last = self._last
        if last is not None and now - last >= self._stall_after and not self._native:
            self._stalled(last, now)
        self._last = now
        took = self._chunks.content(now)
        if took is not None:
            self._taken.append(took)
        if type(event) is PartStartEvent:
            self._native = isinstance(event.part, NativeToolCallPart)
            self._called_tools = self._called_tools or self._native
        elif self._native and type(event) is PartDeltaEvent:
            self._native = isinstance(event.delta, ToolCallPartDelta)

    def _add(self, event: object, now: float) -> None:
        if isinstance(event, ToolCallEvent | ToolResultEvent):
            self._called_tools = True
            self._response_ended()
        elif isinstance(event, AttemptRejectedEvent):
            self._response_ended()
            reason: Attributes = {'reason': event.reason} if self._include_content else {}
            self._tell('attempt rejected', now, {'attempt': event.attempt, 'characters': len(event.text), **reason})
        elif isinstance(event, ConnectionHeldOpenEvent):
            self._tell('connection held open', now, {'seconds': event.waited})
        elif isinstance(event, WholeResponseEvent):
            self._tell('whole response', now, {'gen_ai.request.model': event.model_name})

    def _flush(self) -> None:
        record, attributes = self._instruments.chunk.record, self._chat
        for took in self._taken:
            record(took, attributes)
        self._taken.clear()

    def _response_ended(self) -> None:
        took = self._chunks.response_ended()
        if took is not None:
            self._taken.append(took)
        self._flush()
        self._last = None
        self._native = False

    def _stalled(self, since: float, now: float) -> None:
        self._stalls += 1
        self._instruments.stalls.add(1, self._chat)
        self._tell('stall', now, {'seconds': now - since, 'since': since - self._run.began})

    def _tell(self, name: str, now: float, attributes: Attributes) -> None:
        self._span.add_event(name, attributes, timestamp=self._epoch + int((now - self._run.began) * 1e9))

    # At its end

    def _end(self) -> None:
        run, span, end = self._run, self._span, self._run.record.closed_at or 0.0
        error = run.record.error
        self._catch_up()
        if isinstance(error, StreamTimeout) and error.phase in ('first', 'idle'):
            # The silence that the run was stopped for.
            if self._last is None:
                self._chat = chat_attributes(run.names_at(len(run.record)))
            self._stalled(end - error.limit if self._last is None else self._last, end)
        self._response_ended()
        outcome: Attributes = {f'{OWN}outcome': run.finish or 'timed_out'}
        if isinstance(error, StreamTimeout | RunTimedOut):
            outcome[f'{OWN}timeout.phase'] = error.phase if isinstance(error, StreamTimeout) else 'run'
        if error is not None:
            outcome['error.type'] = type(error).__qualname__
        agent: Attributes = {} if run.agent_name is None else {'gen_ai.agent.name': run.agent_name}
        figures = self._figures(end)
        tools = self._tool_seconds(end, agent)
        if span.is_recording():
            span.set_attributes({**agent, **outcome, **figures, **tools, **self._texts()})
            self._show_end(error)
        instruments = self._instruments
        instruments.run.record(end - run.began, {**agent, **outcome})
        for instrument, name in (
            (instruments.first_text, 'time_to_first_text'),
            (instruments.longest_gap, 'longest_gap'),
        ):
            if OWN + name in figures:
                instrument.record(figures[OWN + name], {**agent, f'{OWN}outcome': outcome[f'{OWN}outcome']})
        span.end()

    def _figures(self, end: float) -> Attributes:
        stats = self._run.stats()
        known: Attributes = {
            'characters': stats.characters,
            'text_characters': stats.text_characters,
            'pieces': stats.pieces,
            'responses': stats.requests,
            'tool_calls': stats.tool_calls,
            'attempts_rejected': stats.attempts_rejected,
            'stalls': self._stalls,
            'duration': end - self._run.began,
        }
        if stats.first_content is not None:
            known['time_to_first_content'] = stats.first_content
        if stats.first_text is not None:
            known['time_to_first_text'] = stats.first_text
        if stats.pieces > stats.requests:
            known |= {'longest_gap': stats.longest_gap, 'writing': stats.writing}
        return {OWN + name: value for name, value in known.items()}

    def _tool_seconds(self, end: float, agent: Attributes) -> Attributes:
        """Records how long each tool ran, and returns how long any did."""
        if not self._called_tools:
            return {}
        run = self._run
        events = (
            (at - run.began, event)
            for at, event in zip(run.record.times, run.record.items, strict=True)
            # Most events by far, and none of them says anything of a tool.
            if not (type(event) is PartDeltaEvent and isinstance(event.delta, TextPartDelta | ThinkingPartDelta))
        )
        timeline = timeline_of(events, end=end - run.began, over=True)
        for call in timeline.calls:
            if call.duration is not None and call.kind != 'output':
                self._instruments.tool.record(call.duration, {**agent, **_tool_attributes(call)})
        return {f'{OWN}tool_seconds': timeline.share('tool')}

    def _texts(self) -> Attributes:
        return {f'{OWN}text': self._run.digest.text} if self._include_content else {}

    def _show_end(self, error: BaseException | None) -> None:
        run, span = self._run, self._span
        finish = run.finish or 'timed_out'
        reason = f' ({error.phase})' if isinstance(error, StreamTimeout) else ''
        if run.agent_name is not None:
            span.update_name(f'stream {run.agent_name}')
        span.set_attribute(
            'logfire.msg', f'stream of {run.agent_name or "agent"} {finish.replace("_", " ")}{reason}: {run.stats()}'
        )
        if error is not None:
            # Errors of this package say how much has come, not what. Others may quote it.
            safe = self._include_content or isinstance(error, StreamTimeout | StreamTruncated)
            message: Attributes = {'exception.message': str(error)} if safe else {}
            span.add_event('exception', {'exception.type': type(error).__qualname__, **message})
            span.set_status(StatusCode.ERROR, str(error) if safe else type(error).__qualname__)
        elif finish == 'truncated':
            span.set_attribute('logfire.level_num', WARNING)


def _tool_attributes(call: ToolCall) -> Attributes:
    attributes: Attributes = {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': call.name,
        'gen_ai.tool.type': 'extension' if call.kind == 'native' else 'function',
    }
    if call.state not in ('returned', 'skipped'):
        attributes['error.type'] = call.state
    return attributes
