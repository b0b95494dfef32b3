"""A model that follows a script: what it sends, when, and how it fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.native_tools import SUPPORTED_NATIVE_TOOLS, AbstractNativeTool
from pydantic_ai.profiles import ModelProfile, ModelProfileSpec
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext

from ..core.numbers import check_number
from .requests import RecordedRequest
from .scripted_stream import ScriptedStream
from .steps import Response, Step

__all__ = ['Script', 'ScriptEndedError', 'ScriptedModel']

Script: TypeAlias = Response | Sequence[Step | str] | Step | str
"""One response: its steps in order, or a single step; a `str` is a piece of text."""


class ScriptEndedError(RuntimeError):
    """A run made more model requests than the script has responses."""


class ScriptedModel(Model):
    """A model that answers each request with the next response of its script, piece by piece.

    It behaves like pydantic-ai's clients for real providers: a request opens when the first piece arrives, so that an
    exception before it is raised while opening; the finish reason and `provider_details['finish_reason']` are there
    only if the stream came to its end; `ModelSettings.timeout` limits the silence between pieces, and keep-alives
    defeat it; a cancelled stream wakes whoever waits for its next piece.

    Args:
        responses: One for each model request, in order.
        gap: Seconds of silence before each piece, on the event loop's clock.
        loop: Start again after the last response instead of raising `ScriptEndedError`.
        usage: How output tokens are reported: with the finish reason (`'end'`) or as the pieces go (`'pieces'`), one
            for each piece with content. A `Usage` step in a response replaces this.
        can_stream: `False` for a model that knows `request()` only: streaming raises `NotImplementedError`.
        settings: Settings that this model brings along.
        profile: A profile that replaces parts of the default one.

    Attributes:
        requests: What was asked, when, and how each stream was closed.

    Raises:
        ScriptEndedError: On a request after the last response.

    Example:
        ```python
        from pydantic_ai import Agent

        from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

        model = ScriptedModel(
            [ToolCall('weather', {'city': 'Paris'}, pieces=5)],
            ['It is ', 'sunny.'],
        )
        agent = Agent(model)


        @agent.tool_plain
        def weather(city: str) -> str:
            return f'sunny in {city}'


        assert agent.run_sync('How is the weather?').output == 'It is sunny.'
        assert [request.closed for request in model.requests] == ['complete', 'complete']
        ```
    """

    def __init__(
        self,
        *responses: Script,
        gap: float = 0.0,
        loop: bool = False,
        usage: Literal['end', 'pieces'] = 'end',
        can_stream: bool = True,
        settings: ModelSettings | None = None,
        profile: ModelProfileSpec | None = None,
    ) -> None:
        if not responses:
            raise ValueError('A script needs at least one response')
        check_number('gap', gap)
        if not gap >= 0:
            raise ValueError(f'gap is {gap!r}; it must be a number of seconds, 0 or more')
        if profile is None:
            profile = ModelProfile(supports_json_schema_output=True, supports_json_object_output=True)
        super().__init__(settings=settings, profile=profile)
        self.requests: list[RecordedRequest] = []
        self._responses = [_response(script) for script in responses]
        self._gap = gap
        self._loop = loop
        self._usage: Literal['end', 'pieces'] = usage
        self._can_stream = can_stream
        self._calls = 0

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Answer with the next response as a whole, after as many seconds as its pieces take."""
        stream = self._start(messages, model_settings, model_request_parameters, streamed=False)
        try:
            await stream.open()
            async for _ in stream:
                pass
        finally:
            stream.request.close('left')
        return stream.get()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Answer with the next response, piece by piece."""
        if not self._can_stream:
            async with super().request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as nothing:
                yield nothing
        stream = self._start(messages, model_settings, model_request_parameters, streamed=True)
        try:
            await stream.open()
            yield stream
        finally:
            stream.shut('left')

    @property
    def model_name(self) -> str:
        """Always `scripted`, so that nobody takes its output for a model's."""
        return 'scripted'

    @property
    def system(self) -> str:
        """Always `scripted`."""
        return 'scripted'

    @classmethod
    def supported_native_tools(cls) -> frozenset[type[AbstractNativeTool]]:
        """All, since a script can say anything."""
        return SUPPORTED_NATIVE_TOOLS

    def _start(
        self,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
        *,
        streamed: bool,
    ) -> ScriptedStream:
        settings, parameters = self.prepare_request(settings, parameters)
        number = len(self.requests)
        if number >= len(self._responses) and not self._loop:
            noun = 'response' if len(self._responses) == 1 else 'responses'
            raise ScriptEndedError(
                f'The script has {len(self._responses)} {noun}, and this is model request {number + 1}. '
                'Add a response, or loop=True to begin again. The request: '
                f'{messages[-1] if messages else "without messages"}'
            )
        request = RecordedRequest(messages=list(messages), settings=settings, parameters=parameters, streamed=streamed)
        self.requests.append(request)
        response = self._responses[number % len(self._responses)]
        return ScriptedStream(
            parameters,
            script=response,
            gap=self._gap if response.gap is None else response.gap,
            usage_reported=self._usage,
            request=request,
            names=(self.model_name, self.system),
            next_call_id=self._next_call_id,
        )

    def _next_call_id(self) -> str:
        self._calls += 1
        return f'call_{self._calls}'


def _response(script: Script) -> Response:
    if isinstance(script, Response):
        return script
    return Response([script] if isinstance(script, Step | str) else list(script))
