"""Growing responses become the events that they would have been."""

from __future__ import annotations

from pydantic_ai.messages import (
    ModelResponse,
    ModelResponsePart,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)

from pydantic_ai_streaming.reduce.content import content_in, text_in, thinking_in
from pydantic_ai_streaming.reduce.differences import Differences, Grown


def feed(*states: list[ModelResponsePart]) -> list[Grown]:
    differences = Differences()
    return [event for parts in states for event in differences.feed(ModelResponse(parts=parts))]


def test_the_events_say_what_grew_and_nothing_twice() -> None:
    events = feed(
        [ThinkingPart('Hm')],
        [ThinkingPart('Hm, yes')],
        [ThinkingPart('Hm, yes', signature='s'), TextPart('One')],
        [ThinkingPart('Hm, yes', signature='s'), TextPart('One two')],
        [ThinkingPart('Hm, yes', signature='s'), TextPart('One two')],
    )
    assert ''.join(map(text_in, events)) == 'One two'
    assert ''.join(map(thinking_in, events)) == 'Hm, yes'
    assert [content_in(event) for event in events] == [2, 5, 0, 3, 4]


def test_arguments_of_tool_calls_grow_too() -> None:
    start, more = feed([ToolCallPart('a', '{"x"', 'id')], [ToolCallPart('a', '{"x": 1}', 'id')])
    assert isinstance(start, PartStartEvent)
    assert isinstance(more, PartDeltaEvent)
    assert more.delta.args_delta == ': 1}'  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def test_a_part_that_became_something_else_starts_anew() -> None:
    events = feed([TextPart('Draft')], [TextPart('Final')], [ThinkingPart('Hm')])
    assert [type(event) for event in events] == [PartStartEvent] * 3
