"""Whose turn it is: tells a watchdog when the provider is waited for and when content comes."""

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
)

from ..core.deadlines import Watchdog
from .content import content_in

__all__ = ['Turns']


class Turns:
    """Feeds a watchdog with the events of a run.

    Whoever can see the model requests themselves says so with `request_opened` and `request_closed`; where nobody can,
    the tool events tell: while a tool runs, it is not the provider that is being waited for.
    """

    __slots__ = ('_handlers', '_sees_requests', '_tools_running', 'watchdog')

    def __init__(self, watchdog: Watchdog) -> None:
        self.watchdog = watchdog
        self._sees_requests = False
        self._tools_running = 0
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
        self.watchdog.waiting(now)

    def request_closed(self, now: float) -> None:
        """The model's response is over, however it ended."""
        self.watchdog.paused(now)

    def _delta(self, event: PartDeltaEvent, now: float) -> bool:
        length = content_in(event)
        if length is None:
            return False
        if not self.watchdog.is_waiting:
            self.watchdog.resumed(now)
        return self.watchdog.content(now, length)

    def _start(self, event: PartStartEvent, now: float) -> bool:
        earlier = self._came(event, now)
        if isinstance(event.part, NativeToolCallPart):
            # A tool that the provider runs may take its time in silence, as a tool of ours may.
            self.watchdog.paused(now)
        return earlier

    def _came(self, event: PartStartEvent, now: float) -> bool:
        length = content_in(event)
        if length is None:
            return False
        resumed = not self.watchdog.is_waiting and not isinstance(event.part, BaseToolCallPart)
        if resumed:
            self.watchdog.resumed(now)
        return self.watchdog.content(now, length) or resumed

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
