"""What a record amounts to: the text so far, the figures, the rejected attempts. Read from it when it is asked for."""

from __future__ import annotations

from typing import Any

from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    PartDeltaEvent,
    TextPartDelta,
    ToolCallEvent,
    ToolResultEvent,
)

from ..core.record import Record
from ..core.stats import Meter
from .content import content_in, text_in
from .events import AttemptRejectedEvent, takes_back

__all__ = ['Digest']


class Digest:
    """Adds up a record on demand, each event once: while nobody asks, an event costs nothing."""

    def __init__(self, record: Record[Any], started: float) -> None:
        self._record = record
        self._offset = 0
        self._meter = Meter(started)
        self._text: list[str] = []
        self._length = 0
        self._response_start = 0
        self._taken_back = 0

    @property
    def text(self) -> str:
        """All text so far, in order, of rejected attempts too."""
        self._catch_up()
        if len(self._text) > 1:
            self._text[:] = [''.join(self._text)]
        return self._text[0] if self._text else ''

    @property
    def meter(self) -> Meter:
        """The figures so far."""
        self._catch_up()
        return self._meter

    @property
    def response_text(self) -> str:
        """The text of the last response so far."""
        return self.text[self._response_start :]

    def rejection(self, reason: str, *, tool_name: str | None = None) -> AttemptRejectedEvent:
        """The event to record when the response that has just ended is rejected."""
        text = self.response_text
        return AttemptRejectedEvent(
            attempt=self._taken_back + 1, text=text, start=self._response_start, reason=reason, tool_name=tool_name
        )

    def _catch_up(self) -> None:
        record = self._record
        # Taken once: a thread of a synchronous stream may ask while the record grows.
        end = len(record.times)
        for offset in range(self._offset, end):
            self._add(record.items[offset], record.times[offset])
        self._offset = end

    def _add(self, event: object, now: float) -> None:
        if type(event) is PartDeltaEvent and type(event.delta) is TextPartDelta:
            # Most events by far; the same as below, in half the time.
            if text := event.delta.content_delta:
                self._meter.content(now, len(text), text=True)
                self._text.append(text)
                self._length += len(text)
            return
        length = content_in(event)
        if length is not None:
            text = text_in(event)
            self._meter.content(now, length, text=bool(text))
            if text:
                self._text.append(text)
                self._length += length
        elif isinstance(event, ToolCallEvent | ToolResultEvent):
            # Tool events stand between two responses; the silence while a tool runs is nobody's gap.
            self._meter.response_ended()
            self._meter.tool_calls += isinstance(event, FunctionToolCallEvent)
            if isinstance(event, FunctionToolResultEvent):
                self._response_start = self._length
        elif takes_back(event):
            self._meter.response_ended()
            self._meter.attempts_rejected += isinstance(event, AttemptRejectedEvent)
            self._taken_back += 1
            self._response_start = self._length
