"""The rules of recovery: what is done about which break, and what a model is asked to go on with."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.exceptions import ModelConnectionError, ModelRateLimitError, ModelServerError
from pydantic_ai.messages import (
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models.test import TestModel

from pydantic_ai_streaming import Phase, Recovery, StreamTimeout, StreamTruncated
from pydantic_ai_streaming.reduce.recovery import GO_ON, asking_to_go_on, asks_to_go_on, break_of, can_go_on, next_step

TEXT = ModelResponse(parts=[ThinkingPart('Hm.'), TextPart('The capital')])
CALL = ModelResponse(parts=[TextPart('Let me look.'), ToolCallPart('look', '{"a')])


def timeout(phase: Phase) -> StreamTimeout:
    return StreamTimeout(phase=phase, limit=1, elapsed=2)


CUT = ModelConnectionError('m', 'Connection error.')
TRUNCATED = StreamTruncated(model_name='m')


def step(recovery: Recovery, error: Exception, **given: Any) -> str | None:
    defaults: dict[str, Any] = {'requests': 1, 'shown': True, 'response': TEXT, 'text_is_data': False}
    return next_step(recovery, error, **{**defaults, **given})


@pytest.mark.parametrize(
    ('error', 'kind'),
    [
        (timeout('first'), 'stall'),
        (timeout('idle'), 'stall'),
        (timeout('rate'), 'stall'),
        (timeout('total'), None),
        (CUT, 'cut'),
        (ModelServerError('m', 'overloaded'), 'cut'),
        (TRUNCATED, 'truncated'),
        (ModelRateLimitError('m', 'too many'), None),
        (ValueError('a bug'), None),
    ],
)
def test_only_what_asking_again_may_help_is_a_break(error: Exception, kind: str | None) -> None:
    assert break_of(error) == kind


def test_before_anything_was_shown_every_recovery_is_a_retry() -> None:
    for by in ('retry', 'restart', 'continue'):
        assert step(Recovery(by=by), CUT, shown=False) == 'retry'


def test_after_content_the_setting_decides() -> None:
    assert step(Recovery(by='retry'), CUT) is None
    assert step(Recovery(by='restart'), CUT) == 'restart'
    assert step(Recovery(by='continue'), CUT) == 'continue'


@pytest.mark.parametrize('given', [{'response': CALL}, {'text_is_data': True}])
def test_what_cannot_be_gone_on_from_is_restarted(given: dict[str, Any]) -> None:
    assert step(Recovery(by='continue'), CUT, **given) == 'restart'


def test_the_limit_of_requests_counts_the_first_one() -> None:
    assert step(Recovery(requests=3), CUT, requests=2) == 'continue'
    assert step(Recovery(requests=3), CUT, requests=3) is None


def test_only_the_breaks_that_are_named_are_recovered_from() -> None:
    assert step(Recovery(after=['stall']), CUT) is None
    assert step(Recovery(after=['stall']), timeout('idle')) == 'continue'


def test_the_models_of_a_fallback_are_asked_in_their_order_and_the_last_one_stays() -> None:
    own, second, third = TestModel(), TestModel(), TestModel()
    recovery = Recovery(fallback=[second, third], requests=5)
    assert [recovery.model(n, own) for n in range(1, 6)] == [own, second, third, third, third]
    assert Recovery(fallback=[second, third]).limit == 3


@pytest.mark.parametrize(
    ('parts', 'can'),
    [
        ([TextPart('The')], True),
        ([ThinkingPart('Hm.'), TextPart('The')], True),
        ([ThinkingPart('Hm.')], False),
        ([TextPart('The'), ThinkingPart('Hm.')], False),
        ([TextPart(' \n')], False),
        ([TextPart('The'), ToolCallPart('look', '{}')], False),
        ([], False),
    ],
)
def test_a_model_can_go_on_from_text_only(parts: list[ModelResponsePart], can: bool) -> None:
    assert can_go_on(ModelResponse(parts=parts)) == can


def test_what_a_model_is_asked_to_go_on_with_ends_with_what_it_has_said_and_the_request() -> None:
    asked = ModelRequest(parts=[UserPromptPart('Capital of Peru?')], instructions='Be brief.')
    said = ModelResponse(
        parts=[ThinkingPart('Hm.'), TextPart('The capital', id='m1')],
        provider_response_id='r1',
        provider_details={'conversation_id': 'c1'},
    )
    messages = asking_to_go_on([asked], said)
    assert messages[0] is asked
    partial, request = messages[1:]
    assert isinstance(partial, ModelResponse)
    # Nothing by which the provider would take it for something that it knows.
    assert partial.parts == [TextPart('The capital')]
    assert (partial.provider_response_id, partial.provider_details) == (None, None)
    assert isinstance(request, ModelRequest)
    assert isinstance(prompt := request.parts[0], UserPromptPart)
    assert (prompt.content, request.instructions) == (GO_ON, 'Be brief.')
    assert asks_to_go_on(messages)
    assert not asks_to_go_on([asked])
    assert [part.part_kind for part in asked.parts] == ['user-prompt']
    assert asked.metadata is None


@pytest.mark.parametrize(
    'settings',
    [
        {'by': 'again'},
        {'requests': 1},
        {'after': ['boredom']},
        {'after': 'stall'},
        {'fallback': 'openai:gpt-5'},
        {'fallback': ['gpt-5']},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match='Recovery'):
        Recovery(**settings)


def test_a_fallback_that_is_no_model_is_refused_before_it_is_needed() -> None:
    with pytest.raises(TypeError, match='Recovery'):
        Recovery(fallback=[TestModel])  # pyright: ignore[reportArgumentType] - what this is about
    assert Recovery(fallback=['test', 'no-key-yet:model', TestModel()]).limit == 4
