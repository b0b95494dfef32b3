"""Lets a model that cannot stream be streamed: its response comes whole, in one piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext

__all__ = ['WholeResponses', 'cannot_stream']


def cannot_stream(error: Exception) -> bool:
    """Whether a model says with this error that it cannot stream.

    The kinds of model say it in different ways; `UserError` and `AssertionError` can also mean something else.
    """
    if isinstance(error, NotImplementedError):
        return True
    return isinstance(error, AssertionError | UserError) and 'stream' in str(error).lower()


class WholeResponses(WrapperModel):
    """Asks a model that cannot stream for a whole response, and replays that.

    A capability that wraps a run's events makes `agent.run()` stream, and with it a model fail that cannot.
    """

    @classmethod
    def of(cls, model: Model) -> Model | None:
        """The model wrapped; `None` if it is already."""
        return None if isinstance(model, cls) else cls(model)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Stream the response, or replay a whole one."""
        async with AsyncExitStack() as stack:
            opening = self.wrapped.request_stream(messages, model_settings, model_request_parameters, run_context)
            try:
                response = await stack.enter_async_context(opening)
            except Exception as error:
                if not cannot_stream(error):
                    raise
                whole = await self.wrapped.request(messages, model_settings, model_request_parameters)
                response = CompletedStreamedResponse(
                    whole, model_request_parameters=model_request_parameters, replay_events=True
                )
            yield response
