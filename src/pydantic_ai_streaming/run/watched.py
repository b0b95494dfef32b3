"""The model of a run with a watch on it: each request is seen from its beginning to its end."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from pydantic_ai.exceptions import UnexpectedModelBehavior, UserError
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import (
    CompletedStreamedResponse,
    Model,
    ModelRequestParameters,
    StreamedResponse,
    infer_model,
)
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.output import OutputMode
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext

from ..errors import StreamTruncated
from .leaving import close_abandoned, close_left
from .recovering import RecoveringResponse
from .whole_response import cannot_stream

if TYPE_CHECKING:
    from .watch import ModelWatch

__all__ = ['WatchedModel', 'output_mode']


class WatchedModel(WrapperModel):
    """Tells a `ModelWatch` of each request, and asks again where a response breaks off, if there is a recovery."""

    def __init__(self, wrapped: Model, watch: ModelWatch) -> None:
        super().__init__(wrapped)
        self._watch = watch

    def prepare_messages(
        self, messages: list[ModelMessage], model_request_parameters: ModelRequestParameters | None = None
    ) -> list[ModelMessage]:
        """Prepare the messages, unless another model may be asked: then each prepares them for itself."""
        if self._has_fallback:
            return messages
        return super().prepare_messages(messages, model_request_parameters)

    @property
    def _has_fallback(self) -> bool:
        recovery = self._watch.recovery
        return recovery is not None and bool(recovery.fallback)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Stream a response that is watched, of as many attempts as it takes."""
        watch = self._watch
        try:
            if watch.recovery is None:
                attempt = self._attempt(1, messages, model_settings, model_request_parameters, run_context)
                async with attempt as response:
                    yield response
                return
            recovering = RecoveringResponse(
                watch.recovery,
                lambda number, asked: self._attempt(
                    number, asked, model_settings, model_request_parameters, run_context
                ),
                names=lambda: watch.names,
                messages=messages,
                parameters=model_request_parameters,
                told=watch.observer.response_recovered,
                text_is_data=lambda number: self._writes_data(number, model_settings, model_request_parameters),
                fail=watch.fail_response,
            )
            watch.whole(recovering)
            try:
                async with recovering:
                    yield recovering
            finally:
                watch.whole(None)
        except Exception as error:
            watch.observer.request_failed(error)
            raise

    def _writes_data(self, number: int, settings: ModelSettings | None, parameters: ModelRequestParameters) -> bool:
        """Whether the text of the response is a document: for the model that broke off, or for the one of a request."""
        modes = [self._watch.output_mode]
        if self._has_fallback:
            modes.append(output_mode(self._model(number), settings, parameters))
        return any(mode in ('native', 'prompted') for mode in modes)

    def _model(self, number: int) -> Model:
        recovery = self._watch.recovery
        asked = self.wrapped if recovery is None else recovery.model(number, self.wrapped)
        try:
            return infer_model(asked)
        except Exception as error:
            # Where a response has broken off, nobody would look for the name of a model.
            error.add_note(
                f'{asked!r} is in Recovery(fallback=...), and was asked as a response had broken off. '
                f'fallback=[infer_model({asked!r})], of pydantic_ai.models, fails where it is written.'
            )
            raise

    @asynccontextmanager
    async def _attempt(
        self,
        number: int,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
        context: RunContext[Any] | None,
    ) -> AsyncGenerator[StreamedResponse]:
        watch = self._watch
        model = self._model(number)
        if self._has_fallback:
            messages = model.prepare_messages(messages, parameters)
            settings = settings if model is self.wrapped else _without(settings, self.wrapped.settings)
        watch.asking(model, settings, parameters)
        watch.observer.request_opened(messages)
        try:
            async with AsyncExitStack() as stack:
                opening = stack.enter_async_context(model.request_stream(messages, settings, parameters, context))
                try:
                    response = await watch.opened(opening)
                except (NotImplementedError, AssertionError, UserError) as error:
                    if not cannot_stream(error):
                        raise
                    watch.observer.response_whole(model.model_name, str(error))
                    whole = await watch.opened(_whole(model, messages, settings, parameters))
                    watch.observer.response_left()
                    yield whole
                    return
                except UnexpectedModelBehavior as error:
                    if watch.on_truncation == 'raise' and error.message.startswith('Streamed response ended without'):
                        raise StreamTruncated(model_name=model.model_name) from error
                    raise
                watch.attach(response)
                watch.observer.response_left()
                stack.push_async_callback(close_left, response)
                yield response
        except Exception as error:
            await close_abandoned(error)
            raise
        finally:
            watch.detach()


def output_mode(model: Model, settings: ModelSettings | None, parameters: ModelRequestParameters) -> OutputMode:
    """How a model is asked for the output; `'auto'` where that cannot be told."""
    if parameters.output_mode != 'auto':
        return parameters.output_mode
    # What the model makes of it when it is asked; a second time, so its warnings are given then.
    with warnings.catch_warnings(action='ignore'), suppress(Exception):
        return model.prepare_request(settings, parameters)[1].output_mode
    return 'auto'


def _without(settings: ModelSettings | None, own: ModelSettings | None) -> ModelSettings | None:
    """The settings of a request without those that a model has brought along.

    pydantic-ai merges them before it asks. Another model brings its own, which they would override.
    """
    if not settings or not own:
        return settings
    kept = {key: value for key, value in settings.items() if key not in own or own[key] != value}
    return cast('ModelSettings', kept)


async def _whole(
    model: Model, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
) -> StreamedResponse:
    response = await model.request(messages, settings, parameters)
    return CompletedStreamedResponse(response, model_request_parameters=parameters, replay_events=True)
