"""One call of a tool, as it can be seen: `ToolCall`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from pydantic_ai.messages import CustomEvent

from ..partials.argument_reading import ArgumentReading
from ..partials.partial_output import PartialOutput
from ..partials.shapes import Shape

__all__ = ['ENDED', 'ToolCall', 'ToolCallKind', 'ToolCallState']

ToolCallKind: TypeAlias = Literal['function', 'output', 'native']
"""Who runs a tool: the agent; nobody, as its arguments are the output; the provider."""

ToolCallState: TypeAlias = Literal[
    'calling', 'called', 'waiting', 'running', 'returned', 'retried', 'failed', 'denied', 'skipped', 'unfinished'
]
"""How far a tool call is.

Its arguments stream (`calling`), and are complete (`called`); it waits for an approval, or for somebody else to run it
(`waiting`); it runs (`running`). It ends as `returned`, `retried` (the model is told what is wrong and may call again),
`failed`, `denied`, `skipped` (it was not run, as the output was there already) or `unfinished` (the run ended first).
"""

ENDED: frozenset[ToolCallState] = frozenset({'returned', 'retried', 'failed', 'denied', 'skipped', 'unfinished'})


class ToolCall:
    """A call of a tool as far as it is. It never changes: each change gives a new one with the same `number`.

    Attributes:
        number: Which call of the run it is, counted from 0. Ids may come again in later requests; numbers do not.
        tool_call_id: The id that the provider gave it, or pydantic-ai.
        name: The tool's name.
        kind: Who runs it.
        state: How far it is.
        attempt: Which call of this tool in a row it is, counted from 1: calls that were retried come before it.
        request: Which response of the run it is in, counted from 1; 0 if it is from before the run.
        valid: Whether the arguments are valid, once pydantic-ai has said so.
        result: What the tool has returned, or what the model was told instead.
        progress: The last event that the tool has sent from inside with `ctx.emit`.
        times: When it came into each state, in seconds since the run began.
    """

    __slots__ = (
        '_arguments',
        '_began',
        '_length',
        '_ran',
        '_reading',
        '_until',
        'attempt',
        'kind',
        'name',
        'number',
        'progress',
        'request',
        'result',
        'state',
        'times',
        'tool_call_id',
        'valid',
    )

    def __init__(
        self, number: int, tool_call_id: str, name: str, kind: ToolCallKind, *, attempt: int, request: int
    ) -> None:
        self.number = number
        self.tool_call_id = tool_call_id
        self.name = name
        self.kind: ToolCallKind = kind
        self.state: ToolCallState = 'calling'
        self.attempt = attempt
        self.request = request
        self.valid: bool | None = None
        self.result: Any = None
        self.progress: CustomEvent | None = None
        self._ran: Sequence[int] = ()  # begins and ends of all calls; shared, and it grows
        self._began = self._until = 0  # of them, where this one began, and how many there were last
        self.times: Mapping[ToolCallState, float] = {}
        self._arguments: list[str] = []
        self._length = 0
        self._reading: ArgumentReading | None = None

    @property
    def partial(self) -> PartialOutput[Any] | None:
        """The arguments so far as a typed value, where the type of the tool is known.

        They are read when this is asked for: `changes` are those since the last time that it was.
        """
        return None if self._reading is None else self._reading.at(self._length)

    @property
    def arguments(self) -> str:
        """The arguments so far, as JSON text."""
        return ''.join(self._arguments[: self._length])

    @property
    def beside(self) -> tuple[int, ...]:
        """The numbers of the calls that ran at the same time, in the order in which they began."""
        if not self._until:
            return ()
        running: dict[int, None] = {}
        for number in self._ran[: self._began]:
            if number >= 0:
                running[number] = None
            else:
                running.pop(~number, None)
        return *running, *(number for number in self._ran[self._began + 1 : self._until] if number >= 0)

    def begun(self, ran: Sequence[int], now: float) -> ToolCall:
        """The same call, which begins to run at `now` (seconds).

        Args:
            ran: The numbers of all calls as they begin to run, and their complements (`~number`) as they end. It goes
                on growing; what ran beside a call is read from it when somebody asks, as telling each of the calls that
                run of each that begins would take time that grows with their square.
            now: The instant.
        """
        call = self.changed('running', now)
        call._ran, call._began, call._until = ran, len(ran), len(ran) + 1
        return call

    @property
    def ended(self) -> bool:
        """Whether nothing more will become of it."""
        return self.state in ENDED

    @property
    def duration(self) -> float | None:
        """Seconds from the begin of its running to its end; `None` as long as it has no end, or if it never ran."""
        began = self.times.get('running')
        return None if began is None or not self.ended else self.times[self.state] - began

    def __repr__(self) -> str:
        took = '' if self.duration is None else f', {self.duration:.2f} s'
        return f'ToolCall({self.number}: {self.name}({self.arguments}), {self.state}{took})'

    def changed(self, state: ToolCallState | None = None, now: float = 0.0) -> ToolCall:
        """The same call, to be changed; at `now` (seconds) in another state, if one is given."""
        call = ToolCall.__new__(ToolCall)
        call.number, call.tool_call_id, call.name, call.kind = self.number, self.tool_call_id, self.name, self.kind
        call.state, call.attempt, call.request = self.state, self.attempt, self.request
        call.valid, call.result, call.progress = self.valid, self.result, self.progress
        call._ran, call._began = self._ran, self._began
        call._until = len(self._ran) if self.state == 'running' else self._until
        call.times, call._arguments, call._length = self.times, self._arguments, self._length
        call._reading = self._reading
        if state is not None and state != call.state:
            call.state, call.times = state, {**self.times, state: now}
        return call

    def extended(self, piece: str, shape: Shape | None) -> ToolCall:
        """The same call with more of its arguments, which are of this shape, if that is known."""
        call = self.changed()
        if shape is not None and call._reading is None:
            call._reading = ArgumentReading(shape, call._arguments)
        call._arguments.append(piece)  # shared: each call knows how many of them are its own
        call._length += 1
        return call

    def emptied(self) -> ToolCall:
        """The same call without its arguments, which come anew."""
        call = self.changed()
        call._arguments, call._length, call._reading = [], 0, None
        return call
