"""What counts as cut off, provider by provider. The recorded streams are the other half of this test."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart

from pydantic_ai_streaming.reduce.truncation import REPORTS_FINISH_REASON, is_truncated


def response(provider: str | None, details: dict[str, Any] | None = None, **more: Any) -> ModelResponse:
    fields: dict[str, Any] = {'parts': [TextPart('Half a rep')], **more}
    return ModelResponse(**fields, provider_name=provider, provider_details=details)


@pytest.mark.parametrize('provider', sorted(REPORTS_FINISH_REASON))
def test_a_missing_finish_reason_tells(provider: str) -> None:
    assert is_truncated(response(provider))
    assert is_truncated(response(provider, {'timestamp': 1}))
    assert not is_truncated(response(provider, {'finish_reason': 'length'}))


def test_the_finish_reason_that_pydantic_ai_makes_up_tells_nothing() -> None:
    assert is_truncated(response('openai', {}, finish_reason='stop'))


@pytest.mark.parametrize('provider', [None, 'function', 'test', 'some-local-server'])
def test_a_provider_that_may_never_send_a_finish_reason_is_not_judged(provider: str | None) -> None:
    assert not is_truncated(response(provider))


def test_a_tool_call_that_groq_rejected_is_no_truncation() -> None:
    whole = [ToolCallPart('weather', {'city': 'Paris'})]
    assert not is_truncated(response('groq', parts=whole))
    assert is_truncated(response('groq', parts=[ToolCallPart('weather', '{"city": "Par')]))
    assert is_truncated(response('openai', parts=whole))


def test_a_response_that_the_provider_is_still_working_on_is_no_truncation() -> None:
    assert not is_truncated(response('openai', state='suspended'))


def test_a_refusal_is_no_truncation() -> None:
    assert not is_truncated(response('openai', {'refusal': 'I cannot help with that.'}))
