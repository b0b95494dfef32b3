"""Agents behind MLflow's `ResponsesAgent`: `StreamedResponses`."""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from pydantic_ai.agent import AbstractAgent
from pydantic_ai.capabilities import ReinjectSystemPrompt

from ..core.deadlines import Deadlines
from ..reduce.recovery import Recovery
from ..run.misuse import check_settings
from ..run.stream import RunStream
from ..run.sync import run_stream_sync
from .responses_events import ResponseEvents
from .responses_input import conversation_of

if TYPE_CHECKING:
    from mlflow.pyfunc import ResponsesAgent  # pyright: ignore[reportPrivateImportUsage] - where MLflow documents it

__all__ = ['RequestOptions', 'ResponsesRequest', 'StreamedResponses']


class _Dumped(Protocol):
    def model_dump(self, *, exclude_none: bool) -> dict[str, Any]: ...


ResponsesRequest: TypeAlias = Mapping[str, Any] | _Dumped
"""A request as a dict, or as MLflow's `ResponsesAgentRequest`."""

RequestOptions: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Makes of a request, as a dict, what the run gets beside its history: arguments of `agent.run_stream_events`."""


class StreamedResponses:
    """An agent that speaks the protocol of MLflow's `ResponsesAgent`, streamed or not.

    `responses_agent()` gives MLflow its model; `invoke` and `stream` are for its `AgentServer`, which is asynchronous
    and stands still while a synchronous function runs. All four of them make the same events (`ResponseEvents` says
    which), and what is not streamed is the `response` of the last. A run that fails raises after what came of it,
    whether at the model or at a deadline; so does one that was cut off (`StreamTruncated`). Whoever leaves a stream
    early ends the run: close the generator, as MLflow does.

    What a request has as its input is the conversation: the client keeps it, and nothing here does. What it says as
    `system` is added to the instructions of the agent. Its other parameters (`temperature`, `tools`) are passed over;
    `options` may take them up. For text at a pace that one can read, give the agent the capability `SmoothText`.

    Args:
        agent: The agent.
        deadlines: As for `RunStream`.
        recovery: As for `RunStream`.
        options: What a run gets beside its history, for each request: `deps`, `model_settings`, `usage_limits`.

    Raises:
        TypeError: The agent or a setting is something else.

    Example:
        ```python
        from pydantic_ai import Agent
        from pydantic_ai_streaming.integrations.mlflow import StreamedResponses
        from pydantic_ai_streaming.testing import ScriptedModel

        responses = StreamedResponses(Agent(ScriptedModel(['At ', 'noon.'])))
        for event in responses.predict_stream({'input': [{'role': 'user', 'content': 'When does it sail?'}]}):
            print(event['type'])
        #> response.output_text.delta
        #> response.output_text.delta
        #> response.output_item.done
        #> response.completed
        ```
    """

    def __init__(
        self,
        agent: AbstractAgent[Any, Any],
        *,
        deadlines: Deadlines | None = None,
        recovery: Recovery | None = None,
        options: RequestOptions | None = None,
    ) -> None:
        if not isinstance(agent, AbstractAgent):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
            raise TypeError(f'StreamedResponses({agent!r}): give it an Agent')
        if options is not None and not callable(options):
            raise TypeError(f'options={options!r}: give a function that makes them of a request')
        check_settings(deadlines, 'raise', recovery)
        self._agent = agent
        self._deadlines = deadlines
        self._recovery = recovery
        self._options = options

    def predict_stream(self, request: ResponsesRequest) -> Generator[dict[str, Any]]:
        """Answer a request, event by event.

        The run lives in the thread of `run_stream_sync`, and begins with the first event that is asked for.

        Args:
            request: As a dict, or as MLflow's `ResponsesAgentRequest`.

        Raises:
            ValueError: The input is none that can be answered.
            StreamTimeout: A deadline has passed.
            StreamTruncated: The reply was cut off.
            Exception: What the run failed with.
        """
        events = ResponseEvents()
        run = self._run(request)
        with run_stream_sync(run, deadlines=self._deadlines, recovery=self._recovery) as stream:
            for event in stream.events():
                yield from events.add(event)

    def predict(self, request: ResponsesRequest) -> dict[str, Any]:
        """Answer a request with the whole response. Raises as `predict_stream`."""
        told: dict[str, Any] = {}
        for told in self.predict_stream(request):  # noqa: B007 - it is the last that counts
            pass
        return told['response']

    async def stream(self, request: ResponsesRequest) -> AsyncGenerator[dict[str, Any]]:
        """Answer a request, event by event, without holding up others. Raises as `predict_stream`."""
        events = ResponseEvents()
        stream = RunStream(self._run(request), deadlines=self._deadlines, recovery=self._recovery)
        await stream.__aenter__()
        try:
            async for event in stream.events():
                for told in events.add(event):
                    yield told
        finally:
            await stream.__aexit__(*sys.exc_info())

    async def invoke(self, request: ResponsesRequest) -> dict[str, Any]:
        """Answer a request with the whole response, without holding up others. Raises as `predict_stream`."""
        told: dict[str, Any] = {}
        async for told in self.stream(request):  # noqa: B007 - it is the last that counts
            pass
        return told['response']

    def responses_agent(self) -> ResponsesAgent:
        """MLflow's model of it, for `mlflow.models.set_model`, and for whatever takes a `ResponsesAgent`.

        Raises:
            ImportError: MLflow is not installed; the message names the extra.

        Example:
            ```python
            from pydantic_ai import Agent
            from pydantic_ai_streaming.integrations.mlflow import StreamedResponses
            from pydantic_ai_streaming.testing import ScriptedModel

            responses = StreamedResponses(Agent(ScriptedModel(['At ', 'noon.'])))
            try:
                model = responses.responses_agent()
            except ImportError as error:
                print(error)
            ```
        """
        return _model_type()(self)

    def _run(self, request: ResponsesRequest) -> Any:
        asked = dict(request) if isinstance(request, Mapping) else request.model_dump(exclude_none=True)
        conversation = conversation_of(asked.get('input') or ())
        options = {} if self._options is None else dict(self._options(asked))
        instructions = [*_as_list(options.pop('instructions', None)), *conversation.instructions]
        # A history from elsewhere lacks the agent's own system prompt, and pydantic-ai adds it to new ones only.
        capabilities = [*(options.pop('capabilities', None) or ()), ReinjectSystemPrompt()]
        return self._agent.run_stream_events(
            message_history=conversation.messages,
            instructions=instructions or None,
            capabilities=capabilities,
            **options,
        )


def _as_list(instructions: Any) -> list[Any]:
    if instructions is None:
        return []
    return [instructions] if isinstance(instructions, str) or callable(instructions) else list(instructions)


@functools.cache
def _model_type() -> Callable[[StreamedResponses], ResponsesAgent]:
    try:
        from mlflow.pyfunc import ResponsesAgent  # pyright: ignore[reportPrivateImportUsage] - where MLflow documents it
        from mlflow.types.responses import (
            ResponsesAgentRequest,
            ResponsesAgentResponse,
            ResponsesAgentStreamEvent,
        )
    except ImportError as error:
        raise ImportError(
            f"responses_agent() needs MLflow: pip install 'pydantic-ai-streaming[mlflow]'. {error}"
        ) from error

    class StreamedResponsesAgent(ResponsesAgent):
        """Events and responses of `StreamedResponses`, as MLflow's own types check them."""

        def __init__(self, responses: StreamedResponses) -> None:
            self._responses = responses

        def predict(self, request: ResponsesAgentRequest) -> ResponsesAgentResponse:
            return ResponsesAgentResponse(**self._responses.predict(request))

        def predict_stream(self, request: ResponsesAgentRequest) -> Generator[ResponsesAgentStreamEvent, None, None]:
            for event in self._responses.predict_stream(request):
                yield ResponsesAgentStreamEvent(**event)

    return StreamedResponsesAgent
