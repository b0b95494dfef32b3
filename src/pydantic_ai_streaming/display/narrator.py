"""Tells what happens in a run: text goes on where it stopped, tools and rejected attempts have their own lines."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from pydantic_ai.messages import (
    BaseToolCallPart,
    FinalResultEvent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    ThinkingPart,
    ToolCallPartDelta,
)

from ..reduce.events import (
    AttemptRejectedEvent,
    ResponseTruncatedEvent,
    StreamRecoveredEvent,
    WholeResponseEvent,
)
from .marks import Mark
from .sheet import Surface

__all__ = ['Narrator']

LONGEST_ARGUMENTS = 400
LONGEST_RESULT = 200
TICK = 0.1
"""Seconds between two updates of the status, which counts tenths of a second."""


class Narrator:
    """Writes the pieces of a run on a surface, one call for each.

    While a tool runs or the model thinks, the status says for how long, by a timer of the event loop and not by a task.

    Attributes:
        shown: How many code points of the run's text it was given.
    """

    def __init__(self, surface: Surface) -> None:
        self.shown = 0
        self._surface = surface
        self._loop = asyncio.get_running_loop()
        self._busy: dict[str, tuple[str, float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._open: int | None = None  # the part whose arguments stream on the open line
        self._call_id = ''  # of its call
        self._room: float = 0
        self._held = ''  # arguments that came with their call, and for which there is no room
        self._told: set[str] = set()
        self._handlers: dict[type, Callable[[Any], None]] = {
            PartStartEvent: self._part_starts,
            PartDeltaEvent: self._part_goes_on,
            PartEndEvent: self._part_ends,
            FinalResultEvent: self._is_output,
            FunctionToolCallEvent: self._tool_runs,
            FunctionToolResultEvent: self._tool_returns,
            AttemptRejectedEvent: self._attempt_rejected,
            ResponseTruncatedEvent: self._truncated,
            StreamRecoveredEvent: self._recovered,
            WholeResponseEvent: self._whole,
        }

    def tell(self, piece: str) -> None:
        """Write one piece."""
        if isinstance(piece, Mark):
            if not isinstance(piece.event, PartDeltaEvent | PartEndEvent | FinalResultEvent):
                self._leave()
            self._handlers[type(piece.event)](piece.event)
        elif piece:
            self._leave()
            self.shown += len(piece)
            self._surface.text(piece)

    def close(self, rest: str = '') -> None:
        """Nothing more is told. `rest` is text that had not been shown yet."""
        self._busy.clear()
        self._tick()
        self._leave()
        self._surface.text(rest)

    def _part_starts(self, event: PartStartEvent) -> None:
        part = event.part
        if isinstance(part, BaseToolCallPart):
            self._open, self._call_id, self._room = event.index, part.tool_call_id, LONGEST_ARGUMENTS
            self._surface.start(f'→ {part.tool_name} ')
            args = part.args if isinstance(part.args, str) else part.args_as_json_str() if part.args else ''
            self._argue(args[:LONGEST_ARGUMENTS])
            # Whether it is the output's comes next, before anything else of the call.
            self._held = args[LONGEST_ARGUMENTS:]
        elif isinstance(part, ThinkingPart):
            self._begin('thinking', 'thinking')

    def _part_goes_on(self, event: PartDeltaEvent) -> None:
        # Of calls whose arguments come at the same time, one has the line; the others are told when they run.
        delta = event.delta
        if isinstance(delta, ToolCallPartDelta) and isinstance(delta.args_delta, str) and event.index == self._open:
            self._argue(delta.args_delta)

    def _part_ends(self, event: PartEndEvent) -> None:
        self._end('thinking')
        if event.index == self._open and isinstance(event.part, BaseToolCallPart):
            self._told.add(event.part.tool_call_id)
            self._leave()

    def _is_output(self, event: FinalResultEvent) -> None:
        # These arguments are what the run answers with: all of them are shown, as text would be.
        if self._open is not None and event.tool_call_id == self._call_id:
            self._room = math.inf
            self._argue('')

    def _argue(self, text: str) -> None:
        text, self._held = self._held + text, ''
        if self._room < 0 or not text:
            return
        whole = len(text) <= self._room
        self._surface.extend(text if whole else f'{text[: int(self._room)]}…')
        self._room = self._room - len(text) if whole else -1

    def _leave(self) -> None:
        """Go on elsewhere: the line with arguments is not gone on with."""
        self._argue('')
        self._open = None

    def _tool_runs(self, event: FunctionToolCallEvent) -> None:
        part = event.part
        if part.tool_call_id not in self._told:
            self._surface.line(f'→ {part.tool_name} {_short(part.args_as_json_str(), LONGEST_ARGUMENTS)}')
        self._begin(part.tool_call_id, part.tool_name)

    def _tool_returns(self, event: FunctionToolResultEvent) -> None:
        part = event.part
        seconds = self._end(part.tool_call_id)
        # Read again after the end of the run, everything happens at once.
        took = f' {seconds:.1f} s' if seconds >= 0.05 else ''
        how = '' if part.outcome == 'success' else f' {part.outcome}'
        self._surface.line(f'← {part.tool_name}{how}{took}: {_short(str(part.content), LONGEST_RESULT)}')

    def _attempt_rejected(self, event: AttemptRejectedEvent) -> None:
        erased = self._surface.take_back(event.text)
        what = 'removed' if erased or not event.text else 'the text above no longer counts'
        self._surface.line(f'✗ attempt {event.attempt} was rejected, {what}: {_short(event.reason, LONGEST_RESULT)}')

    def _recovered(self, event: StreamRecoveredEvent) -> None:
        broke = {'stall': 'stalled', 'cut': 'was cut off', 'truncated': 'ended too early'}[event.broke]
        if event.step == 'restart':
            erased = self._surface.take_back(event.text)
            what = 'begins anew' if erased or not event.text else 'begins anew, the text above no longer counts'
        else:
            what = 'goes on' if event.step == 'continue' else 'is asked for again'
        self._surface.line(f'↻ the reply {broke} and {what}')

    def _truncated(self, event: ResponseTruncatedEvent) -> None:
        self._surface.line(f'… {event.model_name} ended without a finish reason: the reply is probably cut off')

    def _whole(self, event: WholeResponseEvent) -> None:
        self._surface.line(f'· {event.model_name} cannot stream: its response comes whole')

    # What goes on

    def _begin(self, key: str, name: str) -> None:
        self._busy[key] = name, self._loop.time()
        self._tick()

    def _end(self, key: str) -> float:
        _, since = self._busy.pop(key, ('', self._loop.time()))
        self._tick()
        return self._loop.time() - since

    def _tick(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._busy:
            names = ', '.join(dict.fromkeys(name for name, _ in self._busy.values()))
            since = min(since for _, since in self._busy.values())
            self._surface.status(f'· {names} … {self._loop.time() - since:.1f} s')
            self._timer = self._loop.call_later(TICK, self._tick)


def _short(text: str, length: int) -> str:
    text = ' '.join(text.split())
    return text if len(text) <= length else text[: length - 1] + '…'
