"""Whose turn it is: tells a watchdog when the provider is waited for and when content comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    NativeToolCallPart,
    NativeToolReturnPart,
    OutputToolCallEvent,
    OutputToolResultEvent,
    PartDeltaEvent,
    PartStartEvent,
    ToolCallPartDelta,
)

from ..core.deadlines import Watchdog
from .content import content_in

__all__ = ['Turns']


class Turns:
    """Feeds a watchdog with the events of a run.

    Whoever can see the model requests themselves says so with `request_opened` and `request_closed`; where nobody can,
    the tool events tell: while a tool runs, it is not the provider that is being waited for.
    """

    __slots__ = ('_handlers', '_native_tools', '_sees_requests', '_tools_running', 'watchdog')

    def __init__(self, watchdog: Watchdog) -> None:
        self.watchdog = watchdog
        self._sees_requests = False
        self._tools_running = 0
        self._native_tools = 0
        self._handlers: dict[type, Callable[[Any, float], bool]] = {
            PartDeltaEvent: self._delta,
            PartStartEvent: self._start,
            FunctionToolCallEvent: self._tool_called,
            FunctionToolResultEvent: self._tool_returned,
            OutputToolCallEvent: self._tool_called,
            OutputToolResultEvent: self._tool_returned,
        }

    def add(self, event: object, now: float) -> bool:
        """An event came. Returns whether a deadline may now pass earlier than was known."""
        handler = self._handlers.get(type(event))
        return False if handler is None else handler(event, now)

    def request_opened(self, now: float) -> None:
        """The model is being asked."""
        self._sees_requests = True
        self._native_tools = 0
        self.watchdog.waiting(now)

    def request_closed(self, now: float) -> None:
        """The model's response is over, however it ended."""
        self.watchdog.paused(now)

    def _delta(self, event: PartDeltaEvent, now: float) -> bool:
        length = content_in(event)
        if length is None:
            return False
        # What still comes of a native tool's arguments does not end its turn.
        resumed = not isinstance(event.delta, ToolCallPartDelta) and length > 0 and self._providers_turn(now)
        return self.watchdog.content(now, length) or resumed

    def _start(self, event: PartStartEvent, now: float) -> bool:
        length = content_in(event)
        if length is None:
            return False
        part = event.part
        if isinstance(part, NativeToolCallPart):
            # A tool that the provider runs may take its time in silence, as a tool of ours may.
            earlier = self.watchdog.content(now, length)
            self._native_tools += 1
            self.watchdog.paused(now)
            return earlier
        if isinstance(part, NativeToolReturnPart):
            self._native_tools -= 1
        over = self._native_tools <= 0 if isinstance(part, NativeToolReturnPart) else length > 0
        resumed = over and self._providers_turn(now)
        return self.watchdog.content(now, length) or resumed

    def _providers_turn(self, now: float) -> bool:
        """The provider writes again after its tools. Returns whether that is new, so that silence counts again."""
        if self.watchdog.is_waiting:
            return False
        self._native_tools = 0
        self.watchdog.resumed(now)
        return True

    def _tool_called(self, event: object, now: float) -> bool:
        if not self._sees_requests:
            self._tools_running += 1
            self.watchdog.paused(now)
        return False

    def _tool_returned(self, event: object, now: float) -> bool:
        if self._sees_requests:
            return False
        self._tools_running = max(0, self._tools_running - 1)
        if self._tools_running:
            return False
        self.watchdog.waiting(now)
        return True
