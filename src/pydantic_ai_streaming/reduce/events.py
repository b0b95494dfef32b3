"""What a record holds: pydantic-ai's own events, and the few that only this library can tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic_ai.messages import AgentStreamEvent
from pydantic_ai.run import AgentRunResultEvent

__all__ = [
    'AttemptRejectedEvent',
    'ConnectionHeldOpenEvent',
    'ResponseTruncatedEvent',
    'RunEvent',
    'WholeResponseEvent',
]


@dataclass(frozen=True, kw_only=True)
class AttemptRejectedEvent:
    """Output validation has rejected a response, and the model is asked again.

    pydantic-ai retries without a word to whoever watches: what they have seen of the attempt no longer counts.

    Attributes:
        attempt: Which attempt it was, counted from 1.
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


RunEvent: TypeAlias = (
    AgentStreamEvent
    | AgentRunResultEvent[Any]
    | AttemptRejectedEvent
    | ResponseTruncatedEvent
    | ConnectionHeldOpenEvent
    | WholeResponseEvent
)
"""Everything that `RunStream.events` yields."""
