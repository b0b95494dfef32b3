"""A message history that the next run can take, however the run ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic_ai.messages import (
    BaseToolReturnPart,
    FunctionToolResultEvent,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    RetryFeedbackPart,
    UserPromptPart,
    repair_messages,
)

__all__ = [
    'INTERRUPTED',
    'INTERRUPTED_METADATA',
    'UNUSABLE',
    'reason_of',
    'rejection_in',
    'resumable',
    'with_results',
    'without_notes',
]

INTERRUPTED = 'The previous reply was interrupted before it was complete.'
"""What closes an interrupted reply in the history. It is sent to the model, with the next prompt or alone."""

INTERRUPTED_METADATA = {'pydantic_ai_streaming': 'interrupted'}
"""Metadata of the request that closes what was interrupted."""

UNUSABLE = 'The previous reply could not be used.'
"""What closes a reply that was whole, but with which the run failed, for example because no attempt was valid."""

NOTES = INTERRUPTED, UNUSABLE


def resumable(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    """What a run that did not complete has added to the history, made ready for the next run.

    - What had come of the reply stays, marked `state='interrupted'`; a reply of which nothing had come is left out.
    - Tool calls without a result get one that says that they were interrupted, as pydantic-ai does it. What the model
      has to say to the results never came, which the metadata of their request tells.
    - The reply is followed by a request that says what became of it (`INTERRUPTED` or `UNUSABLE`). Without it a run
      with no new prompt would take the partial reply for the answer and ask nobody; with a new prompt the two are
      sent as one.

    The messages of the caller are not changed.

    Example:
        >>> from pydantic_ai.messages import TextPart
        >>> partial = ModelResponse(parts=[TextPart('The capital is')], state='interrupted')
        >>> [message.kind for message in resumable([ModelRequest.user_text_prompt('Capital of Peru?'), partial])]
        ['request', 'response', 'request']
    """
    history = list(messages)
    if history and isinstance(last := history[-1], ModelResponse) and not last.parts:
        history.pop()
    history = repair_messages(history)
    last = history[-1] if history else None
    if isinstance(last, ModelResponse):
        whole = last.state == 'complete'
        note = ModelRequest(
            parts=[UserPromptPart(UNUSABLE if whole else INTERRUPTED, timestamp=last.timestamp)],
            timestamp=last.timestamp,
            run_id=last.run_id,
            conversation_id=last.conversation_id,
            metadata={'pydantic_ai_streaming': 'unusable'} if whole else {**INTERRUPTED_METADATA},
        )
        history.append(note)
    elif last is not None and any(isinstance(part, BaseToolReturnPart) for part in last.parts):
        history[-1] = replace(last, metadata={**(last.metadata or {}), **INTERRUPTED_METADATA})
    return history


def without_notes(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    """A history for people: without the notes that tell the model what became of an interrupted reply.

    Such a note is a user's prompt in the history, and a page would show it as one. The model is to get it, so give a
    run `messages` as they are.

    Example:
        >>> from pydantic_ai.messages import TextPart
        >>> stopped = ModelResponse(parts=[TextPart('The capital is')], state='interrupted')
        >>> history = resumable([ModelRequest.user_text_prompt('Capital of Peru?'), stopped])
        >>> [message.kind for message in without_notes(history)]
        ['request', 'response']
    """
    return [shown for message in messages if (shown := _without_note(message)) is not None]


def _without_note(message: ModelMessage) -> ModelMessage | None:
    if not isinstance(message, ModelRequest):
        return message
    # pydantic-ai may have merged the note with a prompt.
    parts = [part for part in message.parts if not (isinstance(part, UserPromptPart) and part.content in NOTES)]
    if len(parts) == len(message.parts):
        return message
    return replace(message, parts=parts) if parts else None


def with_results(messages: list[ModelMessage], events: Sequence[object]) -> list[ModelMessage]:
    """The history of a run whose tools are at work, with the results that are there already.

    pydantic-ai adds them to the history when all tools of a response have ended.

    Args:
        messages: What the run has added to the history.
        events: The events of the run.
    """
    if not messages or not isinstance(last := messages[-1], ModelResponse) or not last.tool_calls:
        return messages
    results: list[ModelRequestPart] = []
    for event in reversed(events):
        if isinstance(event, PartStartEvent | PartDeltaEvent):
            break
        if isinstance(event, FunctionToolResultEvent):
            results.insert(0, event.part)
    if not results:
        return messages
    return [*messages, ModelRequest(parts=results, run_id=last.run_id, conversation_id=last.conversation_id)]


def rejection_in(messages: Sequence[ModelMessage]) -> RetryFeedbackPart | None:
    """What says why the last response was rejected, if the request that ends these messages has it; else `None`."""
    if messages and isinstance(last := messages[-1], ModelRequest):
        for part in last.parts:
            if isinstance(part, RetryFeedbackPart):
                return part
    return None


def reason_of(part: RetryFeedbackPart) -> str:
    """Why a response was rejected, in words."""
    if isinstance(part.content, str):
        return part.content
    return '; '.join(f'{".".join(map(str, error["loc"])) or "output"}: {error["msg"]}' for error in part.content)
