"""The stream of one scripted response: a wire that can be silent, fail, be cut and be closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Literal

from pydantic_ai.exceptions import ModelTimeoutError
from pydantic_ai.messages import ModelResponseStreamEvent
from pydantic_ai.models import StreamedResponse
from pydantic_ai.usage import RequestUsage

from .requests import CloseReason, RecordedRequest
from .steps import (
    EndEarly,
    Event,
    Fail,
    Finish,
    Hang,
    KeepAlive,
    Part,
    Response,
    Stall,
    Step,
    Text,
    Thinking,
    ToolCall,
    Usage,
)

__all__ = ['ScriptedStream', 'StreamClosedError']

_PIECES = (Text, Thinking, ToolCall, Part, Event, KeepAlive)


class StreamClosedError(ConnectionError):
    """A pull met a stream that was closed under it, as the transport of a real client reports it."""


@dataclass(frozen=True)
class _CallPiece(Step):
    """A part of a tool call as it is sent: the name comes with the first piece only."""

    number: int
    tool_call_id: str
    name: str | None
    args: str | dict[str, object] | None


@dataclass(kw_only=True)
class ScriptedStream(StreamedResponse):
    """A `StreamedResponse` that follows one response of a script; `ScriptedModel` makes it."""

    script: Response
    gap: float
    usage_reported: Literal['end', 'pieces']
    request: RecordedRequest
    names: tuple[str, str]
    next_call_id: Callable[[], str]
    _timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _first: Step | None = None
    _tokens: int = 0

    def __post_init__(self) -> None:
        self._steps = self._flat()
        self._parts = count()
        self._kind: type[Step] | None = None
        self._part = 0

    async def open(self) -> None:
        """Wait for the first step, as real clients do: what fails before it fails the request."""
        self._first = await self._arrive()

    def shut(self, reason: CloseReason) -> None:
        """Close the wire; whoever waits for its next piece gets `StreamClosedError`."""
        self.request.close(reason)
        self._closing.set()

    async def close_stream(self) -> None:
        """Close the wire on behalf of the consumer."""
        self.shut('cancelled')

    def get_stream_cancel_errors(self) -> tuple[type[BaseException], ...]:
        """What a pull raises on a stream that was cancelled."""
        return (StreamClosedError,)

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        step, self._first = self._first, None
        while step is not None:
            for event in self._events(step):
                yield event
            step = await self._arrive()

    async def _arrive(self) -> Step | None:
        """The next step, after its silence; `None` at the end."""
        step = next(self._steps, None)
        try:
            if step is not None:
                await self._silence(None if isinstance(step, Stall) else step.wait or 0)
                if isinstance(step, Fail):
                    raise step.exception.with_traceback(None)
        except asyncio.CancelledError:
            self.shut('cancelled')
            raise
        except BaseException:
            self.shut('failed')
            raise
        if step is None or isinstance(step, EndEarly):
            self.shut('complete' if self.finish_reason else 'truncated')
            return None
        return step

    async def _silence(self, seconds: float | None) -> None:
        """Wait, for ever with `None`, or until the stream is closed or the client's timeout has passed."""
        limit = (self.request.settings or {}).get('timeout')
        limit = limit if isinstance(limit, int | float) else None
        too_long = limit is not None and (seconds is None or seconds > limit)
        if seconds == 0:
            await asyncio.sleep(0)
        else:
            try:
                async with asyncio.timeout(limit if too_long else seconds):
                    await self._closing.wait()
            except TimeoutError:
                pass
        if self._closing.is_set():
            raise StreamClosedError('The stream was closed while its next piece was awaited')
        if too_long:
            raise ModelTimeoutError(
                self.model_name, f'Nothing arrived for {limit:g} seconds', phase='read', in_stream=True
            )

    def _flat(self) -> Iterator[Step]:
        """The steps with their waits filled in, tool calls in pieces, and the end that the script left unsaid."""
        calls = finished = False
        for item in self.script.steps:
            step = Text(item) if isinstance(item, str) else item
            if step.wait is None:
                step = replace(step, wait=self.gap if isinstance(step, _PIECES) else 0)
            if isinstance(step, Hang):
                if not finished:
                    yield Finish('tool_call' if calls else 'stop', wait=step.wait)
                yield Stall()
            elif isinstance(step, ToolCall):
                calls = True
                yield from self._call(step)
            else:
                finished = finished or isinstance(step, Finish)
                yield step
        if not finished:
            yield Finish('tool_call' if calls else 'stop', wait=0)

    def _call(self, call: ToolCall) -> Iterator[Step]:
        number = next(self._parts)
        call_id = call.tool_call_id or self.next_call_id()
        pieces = call.cut()
        if call.pieces == 'mapping' and not isinstance(call.args, str | None):
            args: str | dict[str, object] | None = dict(call.args)
        else:
            args = None if pieces else call.json or None
        yield _CallPiece(number, call_id, call.name, args, wait=call.wait)
        for piece in pieces:
            yield _CallPiece(number, call_id, None, piece, wait=self.gap)

    def _events(self, step: Step) -> Iterator[ModelResponseStreamEvent]:
        if isinstance(step, Usage):
            self._usage = step.request_usage
        elif isinstance(step, Finish):
            self.finish_reason = step.reason
            self.provider_details = step.provider_details
            self.provider_response_id = step.provider_response_id
            if not self._reports_itself:
                self._usage = RequestUsage(output_tokens=self._tokens)
        else:
            self.request.pieces += 1
            self._count(step)
            yield from self._piece(step)

    def _piece(self, step: Step) -> Iterator[ModelResponseStreamEvent]:
        manager = self._parts_manager
        match step:
            case Text():
                yield from manager.handle_text_delta(vendor_part_id=self._same_part(Text), content=step.text)
            case Thinking():
                yield from manager.handle_thinking_delta(
                    vendor_part_id=self._same_part(Thinking),
                    content=None if step.signature and not step.text else step.text,
                    signature=step.signature,
                    provider_name=self.provider_name if step.signature else None,
                )
            case _CallPiece():
                self._kind = None
                yield from manager.handle_tool_call_delta_events(
                    vendor_part_id=('call', step.number),
                    tool_name=step.name,
                    args=step.args,
                    tool_call_id=step.tool_call_id,
                )
            case Part():
                self._kind = None
                yield manager.handle_part(vendor_part_id=None, part=deepcopy(step.part))
            case Event():
                manager.apply_event(step.event)
                yield deepcopy(step.event)  # a script may run again, and its readers write into what they get
            case _:
                pass

    def _same_part(self, kind: type[Step]) -> int:
        """Pieces of the same kind in a row are one part."""
        if kind is not self._kind:
            self._kind, self._part = kind, next(self._parts)
        return self._part

    def _count(self, step: Step) -> None:
        content = getattr(step, 'text', None) or isinstance(step, _CallPiece)
        self._tokens += 1 if content else 0
        if self.usage_reported == 'pieces' and not self._reports_itself:
            self._usage = RequestUsage(output_tokens=self._tokens)

    @property
    def _reports_itself(self) -> bool:
        return any(isinstance(step, Usage) for step in self.script.steps)

    @property
    def model_name(self) -> str:
        """The name of the model that made it."""
        return self.names[0]

    @property
    def provider_name(self) -> str | None:
        """The system of the model that made it."""
        return self.names[1]

    @property
    def provider_url(self) -> str | None:
        """There is none."""
        return None

    @property
    def timestamp(self) -> datetime:
        """When the request was made, by the real clock."""
        return self._timestamp
