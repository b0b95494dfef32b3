"""What a scripted or replayed model was asked, and how its streams were left."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings

__all__ = ['CloseReason', 'RecordedRequest']

CloseReason: TypeAlias = Literal['complete', 'truncated', 'failed', 'cancelled', 'left']
"""How a stream ended.

- `complete`: the provider ended it after its finish reason.
- `truncated`: the provider ended it without one.
- `failed`: an exception of the script, or the silence that `ModelSettings.timeout` does not allow.
- `cancelled`: the consumer cancelled it, with `cancel()` or `close_stream()` or by cancelling the task that pulls.
- `left`: the consumer left the request before the end.
"""


@dataclass(kw_only=True)
class RecordedRequest:
    """One request to a model, with times in seconds on the event loop's clock.

    Attributes:
        messages: The messages as the model received them.
        settings: The settings as the model received them.
        parameters: The tools and the output that the request asked for.
        streamed: Whether a stream was asked for.
        opened_at: When the request was made.
        closed_at: When the stream ended or was closed; `None` while it is open.
        closed: How; `None` while it is open.
        pieces: How many pieces were sent so far, those without content included.
    """

    messages: list[ModelMessage]
    settings: ModelSettings | None
    parameters: ModelRequestParameters
    streamed: bool
    opened_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    closed_at: float | None = None
    closed: CloseReason | None = None
    pieces: int = 0

    def close(self, reason: CloseReason) -> None:
        """Note the first end; what comes after it does not count."""
        if self.closed is None:
            self.closed = reason
            self.closed_at = asyncio.get_running_loop().time()
