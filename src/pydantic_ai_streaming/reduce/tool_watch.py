"""Follows the tool calls of a run through its events: `ToolWatch`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic_ai.messages import (
    CustomEvent,
    DeferredToolRequestsEvent,
    DeferredToolResultsEvent,
    FinalResultEvent,
    NativeToolCallPart,
    NativeToolReturnPart,
    OutputToolCallEvent,
    OutputToolResultEvent,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    ToolCallEvent,
    ToolCallPart,
    ToolCallPartDelta,
    ToolResultEvent,
)
from pydantic_ai.tools import ToolApproved
from pydantic_core import from_json

from ..partials.raw import json_of
from ..partials.shapes import Shape
from .events import StreamRecoveredEvent, takes_back
from .tool_call import ENDED, ToolCall, ToolCallKind, ToolCallState

__all__ = ['ToolWatch']

OUTCOMES: dict[str, ToolCallState] = {
    'success': 'returned',
    'failed': 'failed',
    'denied': 'denied',
    'interrupted': 'unfinished',
    'retried': 'retried',
}


class ToolWatch:
    """Fed with the events of a run, tells what they change about its tool calls.

    Args:
        shape_of: The shape of a tool's arguments, by its name; `None` for one that is not known.

    Attributes:
        calls: Every call as far as it is, by number.
    """

    def __init__(self, shape_of: Callable[[str], Shape | None] | None = None) -> None:
        self.calls: list[ToolCall] = []
        self._shape_of = shape_of
        self._request = 0
        self._open: dict[int, int] = {}  # the number of the call at each index of the response
        self._by_id: dict[str, list[int]] = {}  # the calls of the last response that has the id
        self._dicts: dict[int, dict[str, Any]] = {}  # arguments that come as a dict, or as pieces of one
        self._running: set[int] = set()
        self._ran: list[int] = []  # the calls as they begin to run; their complements as they end
        self._output_tools: set[str] = set()  # as far as they were seen to be such
        self._retried: dict[str, int] = {}
        self._after_response = True
        self._handlers: dict[type, Callable[[Any, float], ToolCall | None]] = {
            PartStartEvent: self._part,
            PartDeltaEvent: self._delta,
            PartEndEvent: self._part_end,
            FinalResultEvent: self._final,
        }

    def add(self, event: object, now: float) -> list[ToolCall]:
        """Take in an event that came at `now`, in seconds since the run began. Returns the calls that it has changed.

        A call whose `beside` alone has grown is told with its next change.
        """
        handler = self._handlers.get(type(event))
        if handler is not None:
            call = handler(event, now)
            return [] if call is None else [call]
        if isinstance(event, ToolCallEvent):
            return [self._called(event, now)]
        if isinstance(event, ToolResultEvent):
            return [self._returned(event, now)]
        if isinstance(event, CustomEvent) and event.tool_call_id in self._by_id:
            call = self.calls[self._found(event.tool_call_id)].changed()
            call.progress = event
            return [self._keep(call)]
        if isinstance(event, DeferredToolRequestsEvent):
            waiting = [*event.requests.approvals, *event.requests.calls]
            return [self._wait(self._known(part, now), now) for part in waiting]
        if isinstance(event, DeferredToolResultsEvent):
            return self._resolved(event, now)
        if takes_back(event):
            self._after_response = True
            if isinstance(event, StreamRecoveredEvent):
                # They were begun in what is taken back, and the run does not know of them.
                return self._give_up((self.calls[number] for number in self._open.values()), now)
        return []

    def finish(self, now: float) -> list[ToolCall]:
        """The run is over. Returns the calls that did not get to an end, except those that wait for somebody."""
        left = self._give_up(self.calls, now)
        self._running.clear()
        return left

    def _give_up(self, calls: Iterable[ToolCall], now: float) -> list[ToolCall]:
        left = [call for call in calls if call.state not in ENDED and call.state != 'waiting']
        return [self._keep(call.changed('unfinished', now)) for call in left]

    # While the response streams

    def _part(self, event: PartStartEvent, now: float) -> ToolCall | None:
        part = event.part
        before = None if self._after_response else self._open.get(event.index)
        if isinstance(part, ToolCallPart | NativeToolCallPart):
            if before is not None and self.calls[before].tool_call_id == part.tool_call_id:
                # A client may begin a part anew, on the index that it has.
                self._restart(before, now)
                return self._take(self.calls[before], part.args, now)
            self._count(event.index)
            call = self._new(part, now)
            self._open[event.index] = call.number
            return self._take(call, part.args, now)
        self._count(event.index)
        if isinstance(part, NativeToolReturnPart) and part.tool_call_id in self._by_id:
            return self._end(self._found(part.tool_call_id), OUTCOMES[part.outcome], part.content, now)
        return None

    def _count(self, index: int) -> None:
        """A part begins: the first one of a response, if its index is 0."""
        if index == 0 or self._after_response:
            self._open.clear()
            self._after_response = False
            self._request += 1

    def _restart(self, number: int, now: float) -> None:
        call = self.calls[number].emptied()
        call.state, call.times = 'calling', {'calling': now}
        self._keep(call)
        self._dicts.pop(number, None)
        self._stop(number)

    def _delta(self, event: PartDeltaEvent, now: float) -> ToolCall | None:
        delta = event.delta
        number = self._open.get(event.index)
        if number is None or type(delta) is not ToolCallPartDelta:
            return None
        call = self.calls[number]
        if delta.tool_name_delta:
            call = call.changed()
            call.name += delta.tool_name_delta
        if delta.tool_call_id and delta.tool_call_id != call.tool_call_id:
            call = call.changed()
            call.tool_call_id = delta.tool_call_id
            self._by_id.setdefault(delta.tool_call_id, []).append(number)
        return self._take(call, delta.args_delta, now)

    def _part_end(self, event: PartEndEvent, now: float) -> ToolCall | None:
        number = self._open.get(event.index)
        if number is None:
            return None
        call = self.calls[number]
        args = getattr(event.part, 'args', None)
        if call.state != 'calling' or (isinstance(args, str) and args and not _is_whole(args)):
            # A part ends in the middle of its arguments too, where a response breaks off. What the model itself has
            # left unfinished is told as called when pydantic-ai looks at it.
            return None
        return self._keep(self._begin(call, now) if call.kind == 'native' else call.changed('called', now))

    def _take(self, call: ToolCall, args: str | Mapping[str, Any] | None, now: float) -> ToolCall:
        if isinstance(args, Mapping):
            arguments = self._dicts[call.number] = {**self._dicts.get(call.number, {}), **args}
            call = self._more(call.emptied(), json_of(arguments))
        elif args:
            call = self._more(call, args)
        if args and call.kind == 'native' and call.state == 'calling' and _is_whole(call.arguments):
            # That its part has ended shows only when the next one begins, which is when it has returned.
            call = self._begin(call, now)
        return self._keep(call)

    def _more(self, call: ToolCall, piece: str) -> ToolCall:
        return call.extended(piece, None if self._shape_of is None else self._shape_of(call.name))

    def _final(self, event: FinalResultEvent, now: float) -> ToolCall | None:
        if event.tool_name is None or event.tool_call_id not in self._by_id:
            return None
        number = self._by_id[event.tool_call_id][-1]
        if self.calls[number].kind == 'output':
            return None
        return self._keep(self._for_output(self.calls[number]))

    def _for_output(self, call: ToolCall) -> ToolCall:
        self._output_tools.add(call.name)
        call = call.changed()
        call.kind = 'output'
        return call

    # When the agent acts on it

    def _called(self, event: ToolCallEvent, now: float) -> ToolCall:
        self._after_response = True
        call = self._known(event.part, now, uncalled=True).changed()
        call.valid = event.args_valid
        if isinstance(event, OutputToolCallEvent):
            call = self._for_output(call)
        return self._keep(self._begin(call, now) if event.args_valid else call.changed('called', now))

    def _returned(self, event: ToolResultEvent, now: float) -> ToolCall:
        self._after_response = True
        part = event.part
        call = self._known(ToolCallPart(part.tool_name, tool_call_id=part.tool_call_id), now)
        if isinstance(event, OutputToolResultEvent):
            call = self._keep(self._for_output(call))
        outcome = OUTCOMES[part.outcome]
        if outcome == 'returned' and call.request and 'running' not in call.times and 'waiting' not in call.times:
            outcome = 'skipped'
        return self._end(call.number, outcome, part.content, now)

    def _wait(self, call: ToolCall, now: float) -> ToolCall:
        """It may have begun to run: a tool can ask for an approval, or for somebody else, from inside."""
        self._stop(call.number)
        call = call.changed('waiting', now)
        call.times = {state: at for state, at in call.times.items() if state != 'running'}
        return self._keep(call)

    def _resolved(self, event: DeferredToolResultsEvent, now: float) -> list[ToolCall]:
        """A handler inside the run has answered. What it approved runs now, and no other event says so."""
        results = event.results.to_tool_call_results()
        approved = [key for key, result in results.items() if isinstance(result, ToolApproved) and key in self._by_id]
        return [self._keep(self._begin(self.calls[self._found(key)], now)) for key in approved]

    def _new(self, part: ToolCallPart | NativeToolCallPart, now: float) -> ToolCall:
        kind: ToolCallKind = 'output' if part.tool_name in self._output_tools else 'function'
        if isinstance(part, NativeToolCallPart):
            kind = 'native'
        call = ToolCall(
            len(self.calls),
            part.tool_call_id,
            part.tool_name,
            kind,
            attempt=self._retried.get(part.tool_name, 0) + 1,
            request=self._request,
        )
        call.times = {'calling': now}
        same = self._by_id.setdefault(part.tool_call_id, [])
        if same and self.calls[same[-1]].request != self._request:
            same.clear()
        same.append(call.number)
        self.calls.append(call)
        return call

    def _known(self, part: ToolCallPart, now: float, *, uncalled: bool = False) -> ToolCall:
        if part.tool_call_id not in self._by_id:
            # Called before the run (a deferred call that was approved), or in a response that was not streamed.
            call = self._new(part, now)
            return self._take(call, part.args_as_json_str() if part.args else None, now)
        return self.calls[self._found(part.tool_call_id, uncalled=uncalled)]

    def _found(self, tool_call_id: str, *, uncalled: bool = False) -> int:
        """The call with this id. If a response has several, they are called and return in their order."""
        same = self._by_id[tool_call_id]
        for number in same:
            call = self.calls[number]
            if not call.ended and not (uncalled and 'running' in call.times and call.state != 'waiting'):
                return number
        return same[-1]

    def _begin(self, call: ToolCall, now: float) -> ToolCall:
        if call.state == 'running':
            return call
        call = call.begun(self._ran, now)
        self._running.add(call.number)
        self._ran.append(call.number)
        return call

    def _stop(self, number: int) -> None:
        if number in self._running:
            self._running.remove(number)
            self._ran.append(~number)

    def _end(self, number: int, state: ToolCallState, result: Any, now: float) -> ToolCall:
        call = self.calls[number].changed(state, now)
        call.result = result
        self._stop(number)
        if state == 'retried':
            self._retried[call.name] = call.attempt
        else:
            self._retried.pop(call.name, None)
        return self._keep(call)

    def _keep(self, call: ToolCall) -> ToolCall:
        self.calls[call.number] = call
        return call


def _is_whole(arguments: str) -> bool:
    if not arguments.rstrip().endswith('}'):
        return False
    try:
        from_json(arguments)
    except ValueError:
        return False
    return True
