"""A model that writes down what another one streams, with its timing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic_ai.agent import AbstractAgent
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent, PartStartEvent
from pydantic_ai.models import KnownModelName, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext
from pydantic_ai.usage import RequestUsage

from .recording_file import EndLine, EventLine, RequestLine, append, create
from .requests import CloseReason

__all__ = ['RecordingModel', 'record']


class RecordingModel(WrapperModel):
    """A model that passes on what the wrapped one streams and writes it to a file, for `ReplayModel` to play again.

    The file holds what the model said, word for word, its timing, finish reason and usage; what it was asked is not
    written. Each event is a line that is written at once, so that a killed process leaves a readable file. The format
    is described in `pydantic_ai_streaming.testing.recording_file`.

    Args:
        wrapped: The model to record, or its name.
        path: A new file. Its folder must exist.

    Raises:
        FileExistsError: The file exists; a recording is never overwritten.

    Example:
        ```python
        import tempfile
        from pathlib import Path

        from pydantic_ai import Agent

        from pydantic_ai_streaming.testing import RecordingModel, ReplayModel, ScriptedModel

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'hello.jsonl'
            live = Agent(RecordingModel(ScriptedModel(['Hello ', 'world']), path))
            live.run_sync('Hello?')
            assert Agent(ReplayModel(path)).run_sync('Hello?').output == 'Hello world'
        ```
    """

    def __init__(self, wrapped: Model | KnownModelName | str, path: str | PathLike[str]) -> None:
        super().__init__(wrapped)
        self._path = Path(path)
        self._requests = 0
        self._began: float | None = None
        create(self._path, pydantic_ai=version('pydantic-ai-slim'))

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Record a whole response, as one event for each part."""
        tape = self._tape(streamed=False)
        try:
            response = await super().request(messages, model_settings, model_request_parameters)
        except BaseException as error:
            tape.failed(error)
            raise
        tape.whole(response)
        return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Record a stream as it is read."""
        tape = self._tape(streamed=True)
        try:
            async with self.wrapped.request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                tape.tap(stream)
                try:
                    yield stream
                finally:
                    tape.left(stream)
        except BaseException as error:
            tape.failed(error)  # it could not be opened: what happens later is written before
            raise

    def _tape(self, *, streamed: bool) -> _Tape:
        now = asyncio.get_running_loop().time()
        self._began = now if self._began is None else self._began
        line = RequestLine(
            request=self._requests,
            at=_seconds(now - self._began),
            streamed=streamed,
            model_name=self.model_name,
            provider_name=self.system,
        )
        self._requests += 1
        append(self._path, line)
        return _Tape(self._path, request=line.request, began=now)


class _Tape:
    """The lines of one request."""

    def __init__(self, path: Path, *, request: int, began: float) -> None:
        self._path = path
        self._request = request
        self._began = began
        self._usage = RequestUsage()
        self._events = 0
        self._ended = False
        self._stream: StreamedResponse | None = None

    def tap(self, stream: StreamedResponse) -> None:
        """Write each event that is pulled from the stream.

        The client's own iterator is replaced on the stream, rather than the stream by a wrapper: its state, usage and
        cancellation stay those of the client, whatever pydantic-ai adds to them.
        """
        self._stream = stream
        events = stream._get_event_iterator  # pyright: ignore[reportPrivateUsage]

        async def tapped() -> AsyncIterator[ModelResponseStreamEvent]:
            try:
                async for event in events():
                    self._event(event, stream.usage)
                    yield event
            except BaseException as error:
                self.failed(error)
                raise
            self._whole_end(stream.get())

        stream._get_event_iterator = tapped  # pyright: ignore[reportPrivateUsage]

    def whole(self, response: ModelResponse) -> None:
        """Write a response that came as a whole."""
        for index, part in enumerate(response.parts):
            self._event(PartStartEvent(index=index, part=part), self._usage)
        self._whole_end(response)

    def left(self, stream: StreamedResponse) -> None:
        """The reader is done with the stream, perhaps before its end."""
        response = stream.get()
        if not self._events and response.state == 'complete':
            self.whole(response)  # a stream that only plays a complete response does not pull from its client
        else:
            self._end(response, 'cancelled' if stream.cancelled else 'left')

    def failed(self, error: BaseException) -> None:
        """The model raised an exception, or whoever waited for it was cancelled."""
        response = self._stream.get() if self._stream else None
        if isinstance(error, Exception):
            text = f'{type(error).__name__}: {error}'
            self._end(response, 'failed', error=text, status_code=getattr(error, 'status_code', None))
        else:
            self._end(response, 'left' if isinstance(error, GeneratorExit) else 'cancelled')

    def _event(self, event: ModelResponseStreamEvent, usage: RequestUsage) -> None:
        self._events += 1
        changed = usage if usage != self._usage else None
        self._usage = RequestUsage() + usage
        append(self._path, EventLine(request=self._request, at=self._at(), event=event, usage=changed))

    def _whole_end(self, response: ModelResponse) -> None:
        self._end(response, 'complete' if response.finish_reason else 'truncated')

    def _end(
        self,
        response: ModelResponse | None,
        closed: CloseReason,
        *,
        error: str | None = None,
        status_code: int | None = None,
    ) -> None:
        """Write the end; only the first one counts."""
        if self._ended:
            return
        self._ended = True
        line = EndLine(
            request=self._request,
            at=self._at(),
            closed=closed,
            finish_reason=response.finish_reason if response else None,
            provider_details=response.provider_details if response else None,
            provider_response_id=response.provider_response_id if response else None,
            usage=response.usage if response else None,
            error=error,
            status_code=status_code,
        )
        append(self._path, line)

    def _at(self) -> float:
        return _seconds(asyncio.get_running_loop().time() - self._began)


def _seconds(exact: float) -> float:
    return round(exact, 6)


@contextmanager
def record(agent: AbstractAgent[Any, Any], path: str | PathLike[str]) -> Generator[RecordingModel]:
    """Record every model request that an agent makes in this block, whichever way it is run.

    Args:
        agent: An agent with a model.
        path: A new file.

    Raises:
        FileExistsError: The file exists; a recording is never overwritten.
        pydantic_ai.exceptions.UserError: The agent has no model of its own. Wrap the model that it is run with in a
            `RecordingModel` instead.

    Example:
        ```python
        import tempfile
        from pathlib import Path

        from pydantic_ai import Agent

        from pydantic_ai_streaming.testing import ReplayModel, ScriptedModel, record

        agent = Agent(ScriptedModel(['Hello ', 'world']))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'hello.jsonl'
            with record(agent, path):
                agent.run_sync('Hello?')
            assert Agent(ReplayModel(path)).run_sync('Hello?').output == 'Hello world'
        ```
    """
    if agent.model is None:
        raise UserError('The agent has no model to record; give RecordingModel(model, path) to its run instead')
    model = RecordingModel(agent.model, path)
    with agent.override(model=model):
        yield model
