"""Events from growing responses: what `agent.run_stream` shows, told as `agent.run_stream_events` would tell it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from pydantic_ai.messages import (
    BaseToolCallPart,
    ModelResponse,
    ModelResponsePart,
    ModelResponsePartDelta,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPartDelta,
)

__all__ = ['Differences']

Grown: TypeAlias = PartStartEvent | PartDeltaEvent


class Differences:
    """Fed with a response as it grows, tells what each state has beyond the one before.

    Example:
        >>> differences = Differences()
        >>> [event.event_kind for event in differences.feed(ModelResponse(parts=[TextPart('One')]))]
        ['part_start']
        >>> [event.delta.content_delta for event in differences.feed(ModelResponse(parts=[TextPart('One two')]))]
        [' two']
    """

    def __init__(self) -> None:
        self._parts: list[ModelResponsePart] = []

    def feed(self, response: ModelResponse) -> Iterator[Grown]:
        """The events that lead from the response as it was to what it is now."""
        before = self._parts
        for index, part in enumerate(response.parts):
            if index >= len(before):
                yield PartStartEvent(index=index, part=part)
            elif part is not before[index] and part != before[index]:
                delta = _delta(before[index], part)
                if delta is None:
                    # The part became something else: it is replaced, as pydantic-ai's own events say it.
                    yield PartStartEvent(index=index, part=part)
                else:
                    yield PartDeltaEvent(index=index, delta=delta)
        self._parts = list(response.parts)


def _delta(old: ModelResponsePart, new: ModelResponsePart) -> ModelResponsePartDelta | None:
    if isinstance(old, TextPart) and isinstance(new, TextPart) and new.content.startswith(old.content):
        return TextPartDelta(content_delta=new.content[len(old.content) :])
    if isinstance(old, ThinkingPart) and isinstance(new, ThinkingPart) and new.content.startswith(old.content):
        signature = new.signature if new.signature != old.signature else None
        return ThinkingPartDelta(content_delta=new.content[len(old.content) :], signature_delta=signature)
    if isinstance(old, BaseToolCallPart) and isinstance(new, BaseToolCallPart) and old.tool_name == new.tool_name:
        before, after = old.args or '', new.args or ''
        if isinstance(before, str) and isinstance(after, str) and after.startswith(before):
            return ToolCallPartDelta(args_delta=after[len(before) :], tool_call_id=new.tool_call_id)
    return None
