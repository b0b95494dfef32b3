"""What the events of a run amount to: text, figures, and whose turn it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_ai.messages import (
    BaseToolCallPart,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    NativeToolCallPart,
    OutputToolCallEvent,
    OutputToolResultEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPartDelta,
)

from ..core.deadlines import Deadlines, Watchdog
from ..core.stats import Meter
from .events import AttemptRejectedEvent

__all__ = ['Progress']


class Progress:
    """Fed with the events of a run and the instants at which they came, keeps its text, `meter` and `watchdog`.

    The watchdog has to know whose turn it is. Whoever can see the model requests themselves says so with
    `request_opened` and `request_closed`; where nobody can, the tool events tell: while a tool runs, it is not the
    provider that is being waited for.

    Attributes:
        meter: The figures.
        watchdog: The deadlines.
    """

    def __init__(self, deadlines: Deadlines, now: float) -> None:
        self.meter = Meter(now)
        self.watchdog = Watchdog(deadlines, now)
        self.watchdog.waiting(now)
        self._text: list[str] = []
        self._text_length = 0
        self._response_start = 0
        self._attempt = 1
        self._sees_requests = False
        self._tools_running = 0
        self._handlers: dict[type, Callable[[Any, float], bool]] = {
            PartDeltaEvent: self._part_delta,
            PartStartEvent: self._part_start,
            FunctionToolCallEvent: self._tool_called,
            FunctionToolResultEvent: self._tool_returned,
            OutputToolCallEvent: self._output_tool_called,
            OutputToolResultEvent: self._tool_returned,
        }

    @property
    def text(self) -> str:
        """All text so far, in order, of rejected attempts too."""
        if len(self._text) > 1:
            # Joined once, so that asking again and again costs what is new.
            self._text[:] = [''.join(self._text)]
        return self._text[0] if self._text else ''

    def add(self, event: object, now: float) -> bool:
        """An event came. Returns whether a deadline may now pass earlier than was known."""
        handler = self._handlers.get(type(event))
        return False if handler is None else handler(event, now)

    def request_opened(self, now: float) -> None:
        """The model is being asked."""
        self._sees_requests = True
        self._response_begins(now)

    def request_closed(self) -> None:
        """The model's response is over, however it ended."""
        self.watchdog.paused()
        self.meter.response_ended()

    def attempt_rejected(self, reason: str, *, tool_name: str | None = None) -> AttemptRejectedEvent:
        """The last response has been rejected: what it showed is taken back."""
        start = self._response_start
        event = AttemptRejectedEvent(
            attempt=self._attempt, text=self.text[start:], start=start, reason=reason, tool_name=tool_name
        )
        self._attempt += 1
        self.meter.attempts_rejected += 1
        self._response_start = self._text_length
        return event

    def _response_begins(self, now: float) -> None:
        self._response_start = self._text_length
        self.meter.response_ended()
        self.watchdog.waiting(now)

    def _content(self, now: float, characters: int, *, text: bool = False, resumes: bool = False) -> bool:
        self.meter.content(now, characters, text=text)
        # After a tool of the provider silence counts again, from now: a deadline that nobody was watching for.
        resumes = resumes and not self.watchdog.is_waiting
        if resumes:
            self.watchdog.resumed(now)
        return self.watchdog.content(now, characters) or resumes

    def _part_delta(self, event: PartDeltaEvent, now: float) -> bool:
        delta = event.delta
        if type(delta) is TextPartDelta:
            text = delta.content_delta
            if not text:
                return False
            return self._text_came(text, now)
        if type(delta) is ThinkingPartDelta:
            thinking = delta.content_delta or ''
            if not (thinking or delta.signature_delta):
                return False
            return self._content(now, len(thinking), resumes=bool(thinking))
        if type(delta) is ToolCallPartDelta:
            if not (delta.args_delta or delta.tool_name_delta):
                return False
            return self._content(now, _length(delta.args_delta) + len(delta.tool_name_delta or ''))
        return self._content(now, 0)

    def _part_start(self, event: PartStartEvent, now: float) -> bool:
        part = event.part
        if isinstance(part, TextPart):
            return self._text_came(part.content, now) if part.content else False
        if isinstance(part, ThinkingPart):
            length = len(part.content)
            return self._content(now, length, resumes=length > 0) if length or part.signature else False
        if isinstance(part, BaseToolCallPart):
            is_native = isinstance(part, NativeToolCallPart)
            earlier = self._content(now, len(part.tool_name) + _length(part.args), resumes=not is_native)
            if is_native:
                # A tool that the provider runs may take its time in silence, as a tool of ours may.
                self.watchdog.paused()
            return earlier
        return self._content(now, 0, resumes=True)

    def _text_came(self, text: str, now: float) -> bool:
        self._text.append(text)
        length = len(text)
        self._text_length += length
        return self._content(now, length, text=True, resumes=True)

    def _tool_called(self, event: FunctionToolCallEvent, now: float) -> bool:
        self.meter.tool_calls += 1
        self.meter.response_ended()
        if not self._sees_requests:
            self._tools_running += 1
            self.watchdog.paused()
        return False

    def _output_tool_called(self, event: OutputToolCallEvent, now: float) -> bool:
        self.meter.response_ended()
        if not self._sees_requests:
            self._tools_running += 1
            self.watchdog.paused()
        return False

    def _tool_returned(self, event: FunctionToolResultEvent | OutputToolResultEvent, now: float) -> bool:
        if self._sees_requests:
            return False
        self._tools_running -= 1
        if self._tools_running > 0:
            return False
        self._tools_running = 0
        self._response_begins(now)
        return True


def _length(arguments: object) -> int:
    return len(arguments) if isinstance(arguments, str) else len(str(arguments)) if arguments else 0
