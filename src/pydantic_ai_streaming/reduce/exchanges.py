"""A message history as people see it: prompts, and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserContent, UserPromptPart

from .history import INTERRUPTED, INTERRUPTED_METADATA, UNUSABLE

__all__ = ['Exchange', 'exchanges']


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A prompt, and all that followed until the next one.

    Attributes:
        start: Index of its first message in the history.
        prompt: What was asked; `None` for what came before the first prompt.
        messages: Its messages, the one with the prompt first.
    """

    start: int
    prompt: str | Sequence[UserContent] | None
    messages: Sequence[ModelMessage]

    @property
    def text(self) -> str:
        """The text of the reply: that of its last response, which may have been interrupted."""
        for message in reversed(self.messages):
            if isinstance(message, ModelResponse):
                return ''.join(part.content for part in message.parts if isinstance(part, TextPart))
        return ''

    @property
    def interrupted(self) -> bool:
        """Whether the reply did not come to its end; so also while it waits for an approval."""
        replies = [message for message in self.messages if isinstance(message, ModelResponse)]
        if not replies or replies[-1].state == 'interrupted':
            return True
        last = self.messages[-1]
        if isinstance(last, ModelResponse):
            return bool(last.tool_calls)
        return (last.metadata or {}).items() >= INTERRUPTED_METADATA.items()


def exchanges(messages: Sequence[ModelMessage]) -> list[Exchange]:
    """Cut a history at its prompts.

    Example:
        >>> history = [ModelRequest.user_text_prompt('Hi'), ModelResponse(parts=[TextPart('Hello!')])]
        >>> [(exchange.prompt, exchange.text, exchange.interrupted) for exchange in exchanges(history)]
        [('Hi', 'Hello!', False)]
    """
    prompts = {index: prompt for index, message in enumerate(messages) if (prompt := _prompt_in(message)) is not None}
    starts = sorted({0, *prompts}) if messages else []
    return [
        Exchange(start=start, prompt=prompts.get(start), messages=messages[start:end])
        for start, end in zip_longest(starts, starts[1:])
    ]


def _prompt_in(message: ModelMessage) -> str | Sequence[UserContent] | None:
    if not isinstance(message, ModelRequest):
        return None
    # What closes an interrupted reply is no prompt; pydantic-ai may have merged it with one.
    prompts = [part.content for part in message.parts if isinstance(part, UserPromptPart)]
    return next((prompt for prompt in reversed(prompts) if prompt not in (INTERRUPTED, UNUSABLE)), None)
