"""What counts as content: what a model says, in contrast to what only keeps a connection alive."""

from __future__ import annotations

from pydantic_ai.messages import (
    BaseToolCallPart,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPartDelta,
)

__all__ = ['content_in', 'is_more', 'text_in', 'thinking_in']


def content_in(event: object) -> int | None:
    """Characters of content that an event brings, or `None` if it brings no content.

    Text, thinking and tool arguments are content, and so are signatures and files, of length 0. Empty deltas are not.

    Example:
        >>> content_in(PartDeltaEvent(index=0, delta=TextPartDelta(content_delta='Hello')))
        5
        >>> content_in(PartDeltaEvent(index=0, delta=TextPartDelta(content_delta=''))) is None
        True
    """
    if type(event) is PartDeltaEvent:
        delta = event.delta
        if type(delta) is TextPartDelta:
            return len(delta.content_delta) if delta.content_delta else None
        if type(delta) is ThinkingPartDelta:
            thinking = delta.content_delta or ''
            return len(thinking) if thinking or delta.signature_delta else None
        if type(delta) is ToolCallPartDelta:
            name, arguments = delta.tool_name_delta or '', delta.args_delta or ''
            return len(name) + _length(arguments) if name or arguments else None
        return 0
    return _content_in_start(event) if type(event) is PartStartEvent else None


def is_more(event: object) -> bool:
    """Whether an event goes on with a part, and brings content.

    Example:
        >>> is_more(PartDeltaEvent(index=0, delta=TextPartDelta(content_delta='Hello')))
        True
        >>> is_more(PartDeltaEvent(index=0, delta=TextPartDelta(content_delta='')))
        False
    """
    return type(event) is PartDeltaEvent and content_in(event) is not None


def _content_in_start(event: PartStartEvent) -> int | None:
    part = event.part
    if isinstance(part, TextPart):
        return len(part.content) if part.content else None
    if isinstance(part, ThinkingPart):
        return len(part.content) if part.content or part.signature else None
    if isinstance(part, BaseToolCallPart):
        return len(part.tool_name) + _length(part.args)
    return 0


def _length(arguments: object) -> int:
    return len(arguments) if isinstance(arguments, str) else len(str(arguments)) if arguments else 0


def text_in(event: object) -> str:
    """The text that an event brings, or the empty string.

    Example:
        >>> text_in(PartDeltaEvent(index=0, delta=TextPartDelta(content_delta='Hello')))
        'Hello'
    """
    if type(event) is PartDeltaEvent:
        delta = event.delta
        if type(delta) is TextPartDelta:
            return delta.content_delta or ''
    elif type(event) is PartStartEvent:
        part = event.part
        if isinstance(part, TextPart):
            return part.content
    return ''


def thinking_in(event: object) -> str:
    """The thinking that an event brings as text, or the empty string (signatures and encrypted thinking have none)."""
    if type(event) is PartDeltaEvent:
        delta = event.delta
        if type(delta) is ThinkingPartDelta:
            return delta.content_delta or ''
    elif type(event) is PartStartEvent:
        part = event.part
        if isinstance(part, ThinkingPart):
            return part.content
    return ''
