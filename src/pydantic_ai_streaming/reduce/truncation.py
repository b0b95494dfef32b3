"""Whether a response was cut off: its stream ended cleanly, but the model never said that it had finished."""

from __future__ import annotations

from pydantic_ai.messages import ModelResponse, ToolCallPart

__all__ = ['REPORTS_FINISH_REASON', 'is_truncated']

REPORTS_FINISH_REASON = frozenset(
    {
        'anthropic',
        'azure',
        'bedrock',
        'cohere',
        'deepseek',
        'google',
        'google-cloud',
        'google-gla',
        'google-vertex',
        'groq',
        'huggingface',
        'mistral',
        'openai',
        'openrouter',
        'scripted',
    }
)
"""Providers whose every complete response carries a finish reason. Of others nothing can be told: some servers that
speak OpenAI's protocol never send one, so a missing one proves nothing there."""


def is_truncated(response: ModelResponse) -> bool:
    """Whether a response that has ended lacks the finish reason that its provider always gives.

    The signal is `provider_details['finish_reason']`, the provider's own word; `ModelResponse.finish_reason` will not
    do, because pydantic-ai fills in `'stop'` for OpenAI chat models when it is missing.

    Not told apart, because the stream holds nothing to tell: a response of a provider outside
    `REPORTS_FINISH_REASON`, and one cut between its last content and the finish reason, whose text is whole though it
    counts as truncated.

    Example:
        >>> is_truncated(ModelResponse(parts=[], provider_name='openai', finish_reason='stop'))
        True
        >>> is_truncated(ModelResponse(parts=[], provider_name='openai', provider_details={'finish_reason': 'stop'}))
        False
    """
    if response.provider_name not in REPORTS_FINISH_REASON or response.state == 'suspended':
        return False
    details = response.provider_details or {}
    # A refusal of OpenAI's structured output replaces the finish reason.
    return not (details.get('finish_reason') or details.get('refusal') or _is_failed_groq_call(response))


def _is_failed_groq_call(response: ModelResponse) -> bool:
    # Groq ends a tool call that does not fit its schema with an error event, which pydantic-ai turns into a call with
    # whole arguments, so that the model can be asked again. No finish reason comes with it.
    last = response.parts[-1] if response.parts else None
    return response.provider_name == 'groq' and isinstance(last, ToolCallPart) and isinstance(last.args, dict)
