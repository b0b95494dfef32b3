"""A response that goes on after a failure: `RecoveringResponse`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias, cast

from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequestAttempt,
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    TextPart,
)
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.usage import RequestUsage

from ..errors import StreamUsageError
from ..reduce.events import StreamRecoveredEvent
from ..reduce.recovery import Recovery, Step, asking_to_go_on, break_of, is_content, next_step
from ..reduce.splicing import Splice
from .observers import ModelNames

__all__ = ['RecoveringResponse']

Attempt: TypeAlias = Callable[[int, list[ModelMessage]], AbstractAsyncContextManager[StreamedResponse]]
"""Asks a provider: the number of the request, counted from 1, and its messages."""


class RecoveringResponse(StreamedResponse):
    """One response to the run, of as many requests to providers as its `Recovery` allows.

    Whatever is above it, the agent's graph and every way to run it, sees one stream that goes on. That is why recovery
    is here, and not in a hook that runs another node: `run_stream` has no such hook, and would have to be left out.

    Args:
        recovery: The settings.
        attempt: Asks a provider.
        names: Tells who is asked.
        messages: What the model is asked with.
        parameters: The parameters of the request.
        told: Called with the event of each recovery, before it comes in the stream.
        text_is_data: Tells whether the text of the response is a document, if it goes on with the request of a number;
            raises for a model that cannot be asked.
        fail: Ends the request that is waited for with an error.
    """

    def __init__(
        self,
        recovery: Recovery,
        attempt: Attempt,
        *,
        names: Callable[[], ModelNames],
        messages: list[ModelMessage],
        parameters: ModelRequestParameters,
        told: Callable[[StreamRecoveredEvent], None],
        text_is_data: Callable[[int], bool],
        fail: Callable[[Exception], object],
    ) -> None:
        super().__init__(model_request_parameters=parameters)
        self._recovery = recovery
        self._attempt = attempt
        self._names = names
        self._messages = messages
        self._told = told
        self._text_is_data = text_is_data
        self._fail = fail
        self._splice = Splice()
        self._number = 1
        self._said: ModelResponse | None = None
        self._failed: list[ModelRequestAttempt] = []
        self._broke: Exception | None = None
        self._begun_at = datetime.now(UTC)
        self._announced: list[ModelResponseStreamEvent] = []
        self._current: StreamedResponse | None = None
        self._context: AbstractAsyncContextManager[StreamedResponse] | None = None
        self._over = False

    async def __aenter__(self) -> Self:
        await self._open(self._messages)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over = True
        await self._close(error)

    def __aiter__(self) -> AsyncIterator[ModelResponseStreamEvent]:
        """Stream the events of all attempts as those of one response."""
        if self._event_iterator is None:
            events: AsyncIterator[ModelResponseStreamEvent] = self._spliced()
            if self._request_deadline is not None:
                events = self._request_deadline.iterate(events)
            self._event_iterator = events
        return self._event_iterator

    async def _spliced(self) -> AsyncGenerator[ModelResponseStreamEvent]:
        splice = self._splice
        while True:
            while self._announced:
                yield self._announced.pop(0)
            assert self._current is not None
            pull = aiter(self._current).__anext__
            while True:
                try:
                    event = await pull()
                except StopAsyncIteration:
                    self._finished = not self._cancelled
                    return
                except Exception as error:
                    messages = self._next(error)
                    await self._close(error)
                    break
                if splice.plain:
                    if type(event) is not PartDeltaEvent:
                        splice.note(event)
                    yield event
                else:
                    for told in splice.add(event):
                        yield told
            while self._announced:
                yield self._announced.pop(0)
            if not await self._go_on(messages):
                return

    async def _go_on(self, messages: list[ModelMessage]) -> bool:
        """Ask again, unless the response is cancelled before or meanwhile. Returns whether it is not."""
        if not self._cancelled:
            try:
                await self._open(messages)
            except Exception:
                if not self._cancelled:
                    raise
        return not self._cancelled

    async def _open(self, messages: list[ModelMessage]) -> None:
        while True:
            context = self._attempt(self._number, messages)
            try:
                self._current = await context.__aenter__()
            except Exception as error:
                messages = self._next(error)
            else:
                self._context = context
                return

    async def _close(self, error: BaseException | None) -> None:
        context, self._context = self._context, None
        if context is not None:
            await context.__aexit__(type(error) if error else None, error, error.__traceback__ if error else None)

    def _next(self, error: Exception) -> list[ModelMessage]:
        """The messages of the next request after a failure, which is raised if there is to be none."""
        said = self.get()
        shown = any(is_content(part) for part in said.parts)
        step = None if self._cancelled else self._step(error, said, shown)
        if step is None:
            self._over = True
            raise self._reason(error)
        self._broke = error
        self._number += 1
        self._note_failure(error)
        event = self._event(step, error, said)
        # A restart that comes to nothing keeps what the attempt before it has brought.
        self._said = said if shown else self._said
        self._announced += [*self._splice.next(step, said), cast('Any', event)]
        self._current = None
        self._told(event)
        return asking_to_go_on(self._messages, said) if step == 'continue' else self._messages

    def _step(self, error: Exception, said: ModelResponse, shown: bool) -> Step | None:
        rules = partial(next_step, self._recovery, error, requests=self._number, shown=shown, response=said)
        if rules(text_is_data=False) is None:
            return None
        try:
            text_is_data = self._text_is_data(self._number + 1)
        except StreamUsageError as unusable:
            # Before anything is taken back for it; and why the response broke off is what whoever reads has to know.
            error.add_note(f'No other model was asked: {unusable}')
            return None
        return rules(text_is_data=text_is_data)

    def _reason(self, error: Exception) -> Exception:
        """What the run fails with: of a request that a model has refused to make, what it was made for."""
        if self._broke is None or not isinstance(error, UserError):
            return error
        self._broke.add_note(f'Request {self._number}, to {self._names().requested}, could not be made: {error}')
        return self._broke

    def _event(self, step: Step, error: Exception, said: ModelResponse) -> StreamRecoveredEvent:
        broke = break_of(error)
        assert broke is not None, 'there is a step for those that are known'
        text = ''.join(part.content for part in said.parts if isinstance(part, TextPart)) if step == 'restart' else ''
        return StreamRecoveredEvent(step=step, broke=broke, request=self._number, text=text)

    def _note_failure(self, error: Exception) -> None:
        now = datetime.now(UTC)
        current, names = self._current, self._names()
        self._failed.append(
            ModelRequestAttempt(
                model_name=(names.requested or '') if current is None else current.model_name,
                provider_name=names.provider if current is None else current.provider_name,
                outcome='error',
                error=f'{type(error).__name__}: {error}',
                timestamp=self._begun_at,
                duration=now - self._begun_at,
                usage=current.usage if current is not None and current.usage.has_values() else None,
            )
        )
        self._begun_at = now

    # What it amounts to

    def get(self) -> ModelResponse:
        """The response so far, all attempts taken together."""
        current = self._current
        response = ModelResponse(parts=[], model_name=self._names().requested) if current is None else current.get()
        parts = self._splice.parts(response.parts)
        if self._over and self._said is not None and not any(map(is_content, parts)):
            # Nothing has come of the last attempt: what an earlier one has brought is not lost.
            parts = list(self._said.parts)
        if not self._failed:
            return replace(response, state=self._state(response))
        attempts = [*self._failed, *(response.failed_attempts or ())]
        # What several requests have brought is known to no provider by an id.
        known = not self._splice.goes_on and parts == response.parts
        return replace(
            response,
            parts=parts,
            failed_attempts=attempts,
            provider_response_id=response.provider_response_id if known else None,
            state=self._state(response),
        )

    def _state(self, response: ModelResponse) -> Any:
        if response.state == 'suspended' or self._finished:
            return response.state
        return 'interrupted' if self._cancelled else 'incomplete'

    @property
    def usage(self) -> RequestUsage:
        """The usage of the last request; `failed_attempts` has that of the others."""
        return RequestUsage() if self._current is None else self._current.usage

    async def close_stream(self) -> None:
        """Close the connection of the attempt that goes on, or end the one that is about to."""
        # Whoever has stitched this response to others calls this, and not `cancel`.
        self._cancelled = self._over = True
        if self._current is not None:
            await self._current.cancel()
        else:
            self._fail(ConnectionAbortedError('The response was cancelled before it went on.'))

    def get_stream_cancel_errors(self) -> tuple[type[BaseException], ...]:
        """The errors of a connection that is closed from here."""
        own = super().get_stream_cancel_errors()
        return own if self._current is None else (*own, *self._current.get_stream_cancel_errors())

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        async for event in self._spliced():
            yield event

    @property
    def model_name(self) -> str:
        """The model that was asked last."""
        return (self._names().requested or '') if self._current is None else self._current.model_name

    @property
    def provider_name(self) -> str | None:
        """The provider that was asked last."""
        return None if self._current is None else self._current.provider_name

    @property
    def provider_url(self) -> str | None:
        """Where the provider was asked last."""
        return None if self._current is None else self._current.provider_url

    @property
    def timestamp(self) -> datetime:
        """When the response began."""
        return self._begun_at if self._current is None else self._current.timestamp
