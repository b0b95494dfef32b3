"""What a person is shown of a run, in order: its text, and marks where something else happens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Self

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

from ..aio.paced import Paced
from ..core.pacing import Smoothing
from ..reduce.content import text_in
from ..reduce.events import (
    AttemptRejectedEvent,
    ResponseTruncatedEvent,
    RunEvent,
    StreamRecoveredEvent,
    WholeResponseEvent,
)
from ..run.stream import RunStream
from ..run.views import TextView, check_smoothing

__all__ = ['Mark', 'piece_in', 'pieces']

_MARKED = (
    AttemptRejectedEvent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ResponseTruncatedEvent,
    StreamRecoveredEvent,
    WholeResponseEvent,
)


class Mark(str):
    """An empty piece of text that stands where something else than text happens.

    Attributes:
        event: What happens there.

    Example:
        >>> mark = Mark(WholeResponseEvent(model_name='tiny', reason='cannot stream'))
        >>> mark, mark.event.model_name
        ('', 'tiny')
    """

    __slots__ = ('event',)
    event: RunEvent

    def __new__(cls, event: RunEvent) -> Self:
        """Make the empty piece for an event."""
        mark = super().__new__(cls)
        mark.event = event
        return mark


def piece_in(event: RunEvent) -> str:
    """What an event shows: its text, a `Mark`, or the empty string for nothing."""
    match event:
        case PartDeltaEvent(delta=ToolCallPartDelta()) | FinalResultEvent(tool_name=str()):
            return Mark(event)
        case PartStartEvent(part=part) | PartEndEvent(part=part) if isinstance(part, BaseToolCallPart | ThinkingPart):
            return Mark(event)
        case _:
            return Mark(event) if isinstance(event, _MARKED) else text_in(event)


def pieces(
    stream: RunStream[Any], smoothing: Smoothing | None, read: Callable[[RunEvent], str] = piece_in
) -> AsyncIterator[str]:
    """View a run from its beginning: pieces of text, paced or as they come, and a `Mark` for what is no text.

    Args:
        stream: The run.
        smoothing: How to pace the text.
        read: What an event shows.

    Raises `TypeError` for a smoothing that is none. The view raises what `RunStream.text` raises, after everything that
    came before it.
    """
    check_smoothing(smoothing)
    cursor = stream.events()
    return TextView(cursor, read) if smoothing is None else Paced(cursor, read, smoothing)
