"""Tells what the structured output of a run is while it comes: `OutputEvents`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_ai.messages import FunctionToolResultEvent, OutputToolResultEvent
from pydantic_ai.tools import RunContext
from pydantic_core import from_json, to_json

from ..partials.frames import path_of
from ..partials.json_patch import json_patch, jsonable, patched, pointer
from ..partials.outputs import Outputs
from ..partials.partial_output import PartialOutput
from ..partials.shapes import MISSING, Context
from ..reduce.output_reader import OutputReader
from .mounted import Rejections
from .shown import PartialOutputEvent

__all__ = ['OutputEvents']


class OutputEvents:
    """Passes the events of a run on, and adds one when its output has changed, but not too often.

    Args:
        outputs: What the run may answer with.
        rejections: Tell when an attempt was rejected.
        id: Of the events that are added.
        every: Seconds between two of them at least.
        rate: Bytes per second that they take at most, in the long run.
        patches: Whether to tell what has changed in place of all that there is.
        context: Tells what validators find in `info.context`.
    """

    def __init__(
        self,
        outputs: Outputs,
        rejections: Rejections,
        *,
        id: str,  # noqa: A002 - as in the events
        every: float,
        rate: float,
        patches: bool,
        context: Callable[[], Context] = lambda: None,
    ) -> None:
        self._outputs = outputs
        self._rejections = rejections
        self._reader = OutputReader(outputs, context=context)
        self._id = id
        self._every = every
        self._rate = rate
        self._patches = patches
        self._ready: list[Any] = []
        self._pieces: list[str] = []  # not read yet: in one go they cost less, and nothing is told before
        self._changed = self._hidden = False
        self._not_before = -math.inf
        self._document: Any = None
        self._log: object = None  # of the document
        self._last: PartialOutput[Any] | None = None
        self._accepted: dict[str, Any] = {}  # validated outputs by the id of their call, not told yet
        self._settled: list[str] = []  # the ids, as the calls stand in the response
        self._asks_again: Callable[[str], bool] = lambda _: False
        self._undone = False

    @property
    def next_due(self) -> float | None:
        """When there is something to tell; `None` if there is not."""
        return self._not_before if self._changed else None

    @property
    def finished(self) -> bool:
        """Whether nothing waits."""
        return not self._ready and not self._changed

    def begin(self, ctx: RunContext[Any]) -> None:
        """The model is asked, or its response handled."""
        rejection = self._rejections.asked(ctx)
        self._asks_again = lambda tool: _is_function(ctx, tool)
        self._read_on()
        if rejection is not None:
            self._reader.take(rejection)

    def asked(self, schemas: Mapping[str, object]) -> None:
        """The model is asked for this: JSON schemas by the name of the tool, or `TEXT`.

        A run may have an output type of its own; what it is cannot be seen, only that it is another.
        """
        self._hidden = any(self._outputs.schemas.get(name) != schema for name, schema in schemas.items())

    def accept(self, output: Any, call_id: str = '') -> None:
        """This is a validated output, of the call with this id if it came with one.

        It need not be the run's: with `end_strategy='exhaustive'` every call of an output tool is carried out, in any
        order, and the first of the response counts. None does if a function asks for a retry beside them.
        """
        self._accepted[call_id] = output

    def feed(self, event: Any, now: float) -> None:
        """Take an event that came at `now` (seconds)."""
        self._ready.append(event)
        if self._hidden:
            self._see(event)
            return
        piece = self._reader.more(event)
        if piece is not None:
            self._pieces.append(piece)
            self._changed = True
            return
        self._see(event)
        self._read_on()
        if self._reader.take(event):
            self._changed = True

    def _see(self, event: Any) -> None:
        if type(event) is OutputToolResultEvent:
            self._rejections.see(event)
            self._settled.append(event.part.tool_call_id)
        elif type(event) is FunctionToolResultEvent and event.part.outcome == 'retried':
            self._undone = self._undone or self._asks_again(event.part.tool_name)

    def _read_on(self) -> None:
        if self._pieces:
            text = ''.join(self._pieces)
            self._pieces.clear()
            self._reader.read(text)

    def due(self, now: float) -> Sequence[Any]:
        """What to pass on at `now`."""
        if self._changed and now >= self._not_before:
            self._tell(now)
        ready, self._ready = self._ready, []
        return ready

    def close(self, now: float) -> None:
        """A response, or the handling of one, is over."""
        if self._changed:
            self._tell(now)
        if self._accepted and not self._undone and not self._hidden:
            first = next((one for one in self._settled if one in self._accepted), next(iter(self._accepted)))
            self._tell_output(self._accepted[first])
        self._forget()

    def flush(self, now: float) -> Sequence[Any]:
        """All that waits, at once."""
        self._forget()
        self._not_before = -math.inf
        return self.due(now)

    def _forget(self) -> None:
        self._accepted.clear()
        self._settled.clear()
        self._undone = False

    def _tell(self, now: float) -> None:
        self._changed = False
        self._read_on()
        reader = self._reader.reader
        partial = None if reader is None else reader.snapshot()
        if partial is None:
            return
        self._last = partial
        event = PartialOutputEvent(
            id=self._id,
            streaming=_streaming(partial),
            errors=_errors(partial),
            attempt=partial.attempt,
        )
        if self._patches:
            event.patch = json_patch(partial, text='str_ins')
            size = len(to_json(event.patch))
        else:
            moment = partial.moment
            if moment is not None and moment.log is not self._log:
                self._log, self._document = moment.log, None
            self._document = patched(self._document, json_patch(partial, text='str_ins'))
            # A copy: the next patch changes the document in place.
            written = to_json(self._document)
            event.value, size = from_json(written), len(written)
        self._not_before = now + max(self._every, size / self._rate)
        self._ready.append(event)

    def _tell_output(self, output: Any) -> None:
        attempt = 1 if self._last is None else self._last.attempt
        self._ready.append(PartialOutputEvent(id=self._id, value=jsonable(output), attempt=attempt, is_final=True))


def _is_function(ctx: RunContext[Any], tool_name: str) -> bool:
    """Whether a run has this tool as a function: of another kind, or one that the model made up, it undoes nothing."""
    tools = None if ctx.tool_manager is None else ctx.tool_manager.tools
    tool = None if tools is None else tools.get(tool_name)
    return tool is not None and tool.tool_def.kind == 'function'


def _streaming(partial: PartialOutput[Any]) -> str | None:
    moment = partial.moment
    if moment is None:
        return None
    if len(moment.counts) == 1 and moment.coming is MISSING:
        return None
    path = path_of(moment.frame) if moment.coming is MISSING else path_of(moment.frame, moment.coming)
    depth = len(moment.prefix)
    return pointer(path[depth:]) if path[:depth] == moment.prefix else ''


def _errors(partial: PartialOutput[Any]) -> list[dict[str, str]]:
    return [{'path': pointer(part.path), 'type': part.type, 'message': part.message} for part in partial.errors]
