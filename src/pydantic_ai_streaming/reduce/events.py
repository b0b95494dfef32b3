"""What a record holds: pydantic-ai's own events, and the few that only this library can tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeGuard

from pydantic_ai.messages import AgentStreamEvent, CustomEvent
from pydantic_ai.run import AgentRunResultEvent

from .recovery import Break, Step

__all__ = [
    'AttemptRejectedEvent',
    'ConnectionHeldOpenEvent',
    'ResponseTruncatedEvent',
    'RunEvent',
    'StreamRecoveredEvent',
    'WholeResponseEvent',
    'takes_back',
]


@dataclass(frozen=True, kw_only=True)
class AttemptRejectedEvent:
    """Output validation has rejected a response, and the model is asked again.

    pydantic-ai retries without a word to whoever watches: what they have seen of the attempt no longer counts.

    Attributes:
        attempt: Which attempt it was, counted from 1. One that broke off and was begun anew counts too, as in
            `PartialOutput.attempt`.
        text: The text of the attempt, which is taken back; empty if it had none.
        start: Where that text begins in `RunStream.text_so_far`, in code points.
        reason: What the model is told.
        tool_name: The output tool that was called, or `None` for output as text.
    """

    attempt: int
    text: str
    start: int
    reason: str
    tool_name: str | None = None
    event_kind: Literal['attempt_rejected'] = 'attempt_rejected'


@dataclass(frozen=True, kw_only=True)
class ResponseTruncatedEvent:
    """A response ended without a finish reason: it is probably cut off. Only with `on_truncation='mark'`."""

    model_name: str
    event_kind: Literal['response_truncated'] = 'response_truncated'


@dataclass(frozen=True, kw_only=True)
class ConnectionHeldOpenEvent:
    """The model had finished, but the provider kept the connection open, so it was closed from here.

    Attributes:
        waited: Seconds between the last event of the response and the closing.
    """

    waited: float
    event_kind: Literal['connection_held_open'] = 'connection_held_open'


@dataclass(frozen=True, kw_only=True)
class WholeResponseEvent:
    """The model cannot stream: its response comes whole, in one piece.

    Attributes:
        model_name: The model.
        reason: What it said when it was asked to stream.
    """

    model_name: str
    reason: str
    event_kind: Literal['whole_response'] = 'whole_response'


@dataclass(kw_only=True)
class StreamRecoveredEvent(CustomEvent):
    """A response broke off, and the model is asked again. What comes next of it follows this event.

    It is an event of the run like those of pydantic-ai, so that user interfaces get it too: as `data-stream_recovered`
    with the AI SDK, as a custom event with AG-UI. It tells nothing of the error but its kind.

    Attributes:
        step: `'retry'`: nothing was shown. `'continue'`: what was shown stays, and goes on. `'restart'`: what was shown
            of this response is taken back.
        broke: How it broke off: `'stall'`, `'cut'` or `'truncated'`.
        request: Which request for this response comes now, counted from 1, so 2 for the first recovery.
        text: The text that is taken back; empty unless it is a restart.
    """

    step: Step
    broke: Break
    request: int
    text: str = ''


def takes_back(event: object) -> TypeGuard[AttemptRejectedEvent | StreamRecoveredEvent]:
    """Whether an event says that what the response has shown no longer counts."""
    if type(event) is StreamRecoveredEvent:
        return event.step == 'restart'
    return type(event) is AttemptRejectedEvent


RunEvent: TypeAlias = (
    AgentStreamEvent
    | AgentRunResultEvent[Any]
    | AttemptRejectedEvent
    | ResponseTruncatedEvent
    | ConnectionHeldOpenEvent
    | WholeResponseEvent
)
"""Everything that `RunStream.events` yields."""
