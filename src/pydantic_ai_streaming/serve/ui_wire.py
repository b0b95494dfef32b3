"""The protocols of user interfaces, as pydantic-ai writes them: of the AI SDK, and AG-UI."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from pydantic_ai.exceptions import RunCancelled
from pydantic_core import PydanticSerializationError, to_json

from ..reduce.events import AttemptRejectedEvent, ConnectionHeldOpenEvent, ResponseTruncatedEvent, WholeResponseEvent
from ..run.stream import RunStream
from .wire import AG_UI, AI_SDK, CHAT, MESSAGE, RUN, Ending, WireFormat, ending_of

if TYPE_CHECKING:
    from pydantic_ai.ui import NativeEvent, UIEventStream

__all__ = ['AGUI', 'AISDK']

OURS = AttemptRejectedEvent, ConnectionHeldOpenEvent, ResponseTruncatedEvent, WholeResponseEvent
"""Events that pydantic-ai does not know."""

VERSIONS = 5, 6, 7


class _Failed(Exception):
    """Stands for an error whose text is nobody's business."""


class _UIFormat(WireFormat):
    @abstractmethod
    def _event_stream(self, stream_id: str, details: Mapping[str, Any]) -> UIEventStream[Any, Any, Any, Any]: ...

    @abstractmethod
    def _payload(self, event: Any) -> str: ...

    async def encode(
        self,
        stream: RunStream[Any] | None,
        ending: Callable[[], Awaitable[Ending]],
        *,
        stream_id: str,
        details: Mapping[str, Any],
    ) -> AsyncIterator[str]:
        events = self._event_stream(stream_id, details)
        tell = events.on_error

        def tell_without_text(error: Exception) -> AsyncIterator[Any]:
            if not isinstance(error, _Failed):  # of the encoder itself, such as of a payload that has no JSON form
                error = _Failed(ending_of(stream, error, stream_id=f'{stream_id} ({self.name})').message)
            return tell(error)

        events.on_error = tell_without_text
        async for event in events.transform_stream(_native(stream, ending)):
            yield self._payload(event)


async def _native(stream: RunStream[Any] | None, ending: Callable[[], Awaitable[Ending]]) -> AsyncIterator[NativeEvent]:
    """The events that pydantic-ai knows of a run, and at the end an error that it may tell."""
    if stream is not None:
        events = stream.events()
        while not events.exhausted:
            for _, event in events.take():
                if not isinstance(event, OURS):
                    yield event
            if not events.exhausted:
                await events.wait()
    how = await ending()
    if how.error_id is not None:
        raise _Failed(how.message)
    if how.finish == 'stopped':
        raise RunCancelled('The run was stopped.')


def _escaped(event: Any) -> str:
    """An event with half of a surrogate pair, as of an emoji that a provider has cut: JSON has it as an escape."""
    return json.dumps(event.model_dump(mode='json', by_alias=True, exclude_none=True))


class AISDK(_UIFormat):
    """The UI message stream of Vercel's AI SDK, which `useChat` reads.

    Args:
        version: Of the AI SDK in the browser: 5, 6 or 7.

    Raises:
        ImportError: What pydantic-ai needs for it is missing; the message says what to install.
        ValueError: There is no such version.
    """

    name = AI_SDK
    mark = b'v'
    headers = {'x-vercel-ai-ui-message-stream': 'v1'}  # noqa: RUF012 - a ClassVar of the base

    def __init__(self, *, version: Literal[5, 6, 7] = 6) -> None:
        if version not in VERSIONS:
            raise ValueError(f'version={version!r}: the AI SDK that is spoken here is {VERSIONS}')
        self.version: Literal[5, 6, 7] = version
        self.reading = {'sdk_version': version}  # with 5, which is the default there, approvals are not read
        self._made = import_module('pydantic_ai.ui.vercel_ai').VercelAIEventStream

    def _event_stream(self, stream_id: str, details: Mapping[str, Any]) -> UIEventStream[Any, Any, Any, Any]:
        # An answer to an approval goes on with the message that has asked for it. Under another id the client would
        # keep both, and send the approval again.
        return self._made(sdk_version=self.version, server_message_id=details.get(MESSAGE, stream_id))

    def _payload(self, event: Any) -> str:
        try:
            return event.encode(self.version)
        except PydanticSerializationError:
            return _escaped(event)

    def cut_off(self, how: Ending) -> list[str]:  # noqa: D102 - as WireFormat
        error = to_json({'type': 'error', 'errorText': how.message}).decode()
        return [error, '[DONE]']


class AGUI(_UIFormat):
    """The events of the AG-UI protocol, as `@ag-ui/client` reads them.

    Raises:
        ImportError: What pydantic-ai needs for it is missing; the message says what to install.
    """

    name = AG_UI
    mark = b'a'

    def __init__(self) -> None:
        self._made = import_module('pydantic_ai.ui.ag_ui').AGUIEventStream

    def _event_stream(self, stream_id: str, details: Mapping[str, Any]) -> UIEventStream[Any, Any, Any, Any]:
        # A client knows its own names; the stream is in the ids of the events.
        return self._made(thread_id=details.get(CHAT, stream_id), run_id=details.get(RUN, stream_id))

    def _payload(self, event: Any) -> str:
        try:
            return event.model_dump_json(by_alias=True, exclude_none=True)
        except PydanticSerializationError:
            return _escaped(event)

    def cut_off(self, how: Ending) -> list[str]:  # noqa: D102 - as WireFormat
        return [to_json({'type': 'RUN_ERROR', 'message': how.message}).decode()]
