"""The events that the capabilities add to a run: `PartialOutputEvent`, `ToolCallUpdateEvent`, `TimelineEvent`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.messages import CustomEvent

from ..reduce.timeline import Activity
from ..reduce.tool_call import ToolCallKind, ToolCallState

__all__ = ['PartialOutputEvent', 'ShownEvent', 'TimelineEvent', 'ToolCallUpdateEvent']


@dataclass(kw_only=True)
class ShownEvent(CustomEvent, abstract=True):
    """Something to show, which a later event with the same `id` takes the place of.

    The UI adapters send it to the browser as `{type: 'data-' + name, id, data}`: `VercelAIAdapter` as that data part,
    which `useChat` changes in place, `AGUIAdapter` as the value of a `CUSTOM` event. It is no part of the history.

    Attributes:
        id: What it tells of; unique in a conversation.
    """

    id: str

    @property
    def transient(self) -> bool:
        """Whether it only says what has changed, so that it is not to be kept in place of what came before."""
        return False

    def shown(self) -> dict[str, Any]:
        """What the browser gets as `data`."""
        return {key: value for key, value in super().to_payload().items() if key != 'id'}

    def to_payload(self) -> Any:
        """The chunk that `VercelAIAdapter` passes on as it is."""
        # Plain models, without a web framework; loaded only where an adapter asks.
        from pydantic_ai.ui.vercel_ai.response_types import DataChunk

        return DataChunk(type=f'data-{self.name}', id=self.id, data=self.shown(), transient=self.transient or None)


@dataclass(kw_only=True)
class PartialOutputEvent(ShownEvent, name='streaming.partial_output'):
    """The structured output of a run as far as it has come.

    What is in `value` is complete and valid, except for the place at `streaming`, what that lies in, and the places of
    `errors`; what is not in it has not come.

    Attributes:
        value: The output so far as JSON, with the values as they were validated; at the end all of it, with defaults.
        patch: In place of `value`, what has changed: a JSON Patch with `str_ins` for text that grows at its end.
        streaming: A JSON Pointer to the innermost place that is still coming; `None` if none is.
        errors: What is invalid, each with `path` (a JSON Pointer), `type` and `message`.
        attempt: Which attempt at the output it is, counted from 1. What is taken back counts: an attempt that was
            rejected, and one that broke off and was begun anew, even if nothing of the output had come.
        is_final: Whether it is the validated output.
    """

    value: Any = None
    patch: list[dict[str, Any]] | None = None
    streaming: str | None = None
    errors: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    attempt: int = 1
    is_final: bool = False

    @property
    def transient(self) -> bool:
        """Whether it is a patch."""
        return self.patch is not None

    def shown(self) -> dict[str, Any]:
        """What the browser gets: `value` or `patch`, and the rest."""
        left_out = 'patch' if self.patch is None else 'value'
        return {key: value for key, value in super().shown().items() if key != left_out}


@dataclass(kw_only=True)
class ToolCallUpdateEvent(ShownEvent, name='streaming.tool_call'):
    """A tool call came into another state.

    Arguments and results are left out: the protocols have messages of their own for them, with the same tool call id.

    Attributes:
        number: Which call of the run it is, counted from 0.
        call_id: The tool call's id.
        tool: The tool's name.
        kind: Who runs it: the agent (`function`), nobody (`output`), the provider (`native`).
        state: How far it is.
        attempt: Which call of this tool in a row it is, counted from 1.
        request: Which response of the run it is in, counted from 1.
        times: When it came into each state, in seconds since the run began.
        duration: Seconds that it ran; `None` as long as it has no end, or if it never ran.
        beside: The numbers of the calls that ran at the same time.
    """

    number: int
    call_id: str
    tool: str
    kind: ToolCallKind
    state: ToolCallState
    attempt: int = 1
    request: int = 1
    times: Mapping[ToolCallState, float] = field(default_factory=dict[ToolCallState, float])
    duration: float | None = None
    beside: Sequence[int] = ()


@dataclass(kw_only=True)
class TimelineEvent(ShownEvent, name='streaming.timeline'):
    """What the run did when, so far: whom each instant belonged to.

    Attributes:
        spans: Stretches of time without gaps: whom it belongs to (`waiting`, `thinking`, `model`, `tool`), its start
            and its end in seconds since the run began.
        duration: Seconds from the beginning to the end.
    """

    spans: Sequence[tuple[Activity, float, float]] = ()
    duration: float = 0.0
