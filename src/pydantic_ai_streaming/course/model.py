"""The model of a lesson: scripted, or a real one with limits."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext

from ..demo.models import find_model
from ..testing.scripted import Script, ScriptedModel

__all__ = ['LIVE', 'LiveModel', 'lesson_model']

LIVE = 'LESSONS_LIVE'
"""The environment variable that names a real model, such as `openai:gpt-5-mini`."""
MAX_REQUESTS = 12
MAX_TOKENS = 2000
SILENCE = 60


def lesson_model(*responses: Script, gap: float = 0.05, loop: bool = True) -> Model:
    """The model that a lesson talks to: a script, or with `LESSONS_LIVE` in the environment a real one.

    Scripts arrive with real gaps, because an instant model hides most mistakes of streaming code.

    Args:
        responses: What the scripted model says, one for each model request (see `ScriptedModel`).
        gap: Seconds of silence before each piece of it.
        loop: Whether the script begins again after its last response.

    Raises:
        ModelUnavailableError: The real model is unknown, or its package or its API key is missing.

    Example:
        >>> lesson_model(['Hello ', 'there.']).model_name
        'scripted'
    """
    # pydantic-ai greets whoever runs an agent from a source tree, which would fall into what the lesson prints.
    os.environ.setdefault('PYDANTIC_AI_NO_BANNER', '1')
    if name := os.environ.get(LIVE):
        return LiveModel(find_model(name))
    return ScriptedModel(*responses, gap=gap, loop=loop)


class LiveModel(WrapperModel):
    """A real model for a lesson: at most 12 requests, of 2000 tokens at most, each silent for 60 s at most."""

    def __init__(self, wrapped: Model) -> None:
        super().__init__(wrapped)
        self._requests = 0

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask the model, if it has not been asked too often."""
        return await super().request(messages, self._limited(model_settings), model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Ask the model, if it has not been asked too often."""
        settings = self._limited(model_settings)
        async with super().request_stream(messages, settings, model_request_parameters, run_context) as response:
            yield response

    def _limited(self, settings: ModelSettings | None) -> ModelSettings:
        self._requests += 1
        if self._requests > MAX_REQUESTS:
            raise UsageLimitExceeded(f'A lesson makes {MAX_REQUESTS} requests to a real model at most')
        limited = ModelSettings(max_tokens=MAX_TOKENS, timeout=SILENCE)
        limited.update(settings or {})
        return limited
