"""Histories of runs that did not complete go straight into the next run."""

from __future__ import annotations

from copy import deepcopy

from inline_snapshot import snapshot
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    RetryFeedbackPart,
    RetryInfo,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)

from pydantic_ai_streaming.reduce.history import INTERRUPTED, UNUSABLE, reason_of, rejection_in, resumable

ASKED = ModelRequest.user_text_prompt('Capital of Peru?')


def describe(part: ModelRequestPart | ModelResponsePart) -> str:
    content: object = getattr(part, 'content', '')
    return f'{part.part_kind}: {content}'


def shape(messages: list[ModelMessage]) -> list[tuple[str, list[str]]]:
    return [(m.kind, [describe(part) for part in m.parts]) for m in messages]


def test_a_partial_reply_stays_and_is_closed_by_a_note() -> None:
    partial = ModelResponse(parts=[TextPart('The capital is')], state='interrupted')
    assert shape(resumable([ASKED, partial])) == snapshot(
        [
            ('request', ['user-prompt: Capital of Peru?']),
            ('response', ['text: The capital is']),
            ('request', ['user-prompt: The previous reply was interrupted before it was complete.']),
        ]
    )


def test_a_reply_of_which_nothing_came_is_left_out() -> None:
    assert resumable([ASKED, ModelResponse(parts=[], state='interrupted')]) == [ASKED]


def test_a_whole_reply_that_could_not_be_used_says_so() -> None:
    whole = ModelResponse(parts=[TextPart('Paris')])
    assert shape(resumable([ASKED, whole]))[-1] == ('request', [f'user-prompt: {UNUSABLE}'])
    assert INTERRUPTED != UNUSABLE


def test_tool_calls_without_a_result_are_closed() -> None:
    calls = ModelResponse(parts=[ToolCallPart('a', '{}', 'id-1'), ToolCallPart('b', '{"x": ', 'id-2')])
    done = ModelRequest(parts=[ToolReturnPart('a', 'ready', 'id-1')], state='interrupted')
    last = resumable([ASKED, calls, done])[-1]
    assert isinstance(last, ModelRequest)
    answers = [part for part in last.parts if isinstance(part, ToolReturnPart)]
    assert {part.tool_call_id for part in answers} == {'id-1', 'id-2'}
    assert 'ready' in [part.model_response_str() for part in answers]


def test_the_messages_of_the_caller_are_not_changed() -> None:
    given: list[ModelMessage] = [ASKED, ModelResponse(parts=[ToolCallPart('a', '{"x', 'id-1')], state='interrupted')]
    before = deepcopy(given)
    resumable(given)
    assert given == before


def test_making_a_history_resumable_twice_changes_nothing_more() -> None:
    once = resumable([ASKED, ModelResponse(parts=[TextPart('The')], state='interrupted')])
    assert resumable(once) == once


def test_a_history_without_messages_stays_empty() -> None:
    assert resumable([]) == []


def test_the_reason_of_a_rejection_is_read_from_the_request_that_follows_it() -> None:
    feedback = RetryFeedbackPart('not a prime', retry=RetryInfo('model_retry'))
    assert rejection_in([ASKED, ModelRequest(parts=[feedback])]) is feedback
    assert reason_of(feedback) == 'not a prime'
    assert rejection_in([ASKED]) is None
    assert rejection_in([]) is None
