"""What a client is told of a run, frame by frame: JSON objects, each of a type that it names."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from pydantic_ai.messages import CustomEvent
from pydantic_core import to_json, to_jsonable_python

from ..aio.paced import Paced
from ..core.pacing import Smoothing
from ..core.telling import told_to
from ..errors import StreamUsageError
from ..partials.json_patch import json_patch
from ..partials.partial_output import PartialOutput
from ..reduce.content import text_in, thinking_in
from ..reduce.events import AttemptRejectedEvent, RunEvent, StreamRecoveredEvent
from ..reduce.tool_call import ToolCall
from ..run.output_views import PartialOutputView
from ..run.stream import RunStream
from ..run.tool_views import ToolCallView
from ..run.views import TextView

__all__ = ['FRAMES', 'Frame', 'FrameType', 'FrameView', 'frame', 'stats_frame']

logger = told_to(__name__)

Frame: TypeAlias = str
"""A JSON object on one line, whose `type` is a `FrameType`."""

FrameType: TypeAlias = Literal[
    'start', 'text', 'thinking', 'retraction', 'tool_call', 'progress', 'output', 'stats', 'end', 'error'
]
"""What a frame tells.

The stream begins (`start`); text and thinking; text that is taken back, as validation has rejected it; a tool call of
which something has become; what a tool tells from inside; a change of the structured output; the figures; how the run
ended; that something has gone wrong. `end` or `error` is the last one, always.
"""

FRAMES: Final[frozenset[FrameType]] = frozenset(get_args(FrameType))
"""All types of frames."""


def frame(type: FrameType, **fields: Any) -> Frame:  # noqa: A002 - the name on the wire
    r"""Write a frame.

    What has no JSON form of its own is written as a string. Infinite numbers and NaN are `null`: browsers read no
    others. So is a field that cannot be written at all, such as one that contains itself; the log says why.

    Example:
        >>> frame('text', text='one\n')
        '{"type":"text","text":"one\\n"}'
    """
    fields = {'type': type, **fields}
    try:
        return to_json(fields, inf_nan_mode='null', fallback=str, bytes_mode='base64').decode()
    except Exception:
        # Half of a surrogate pair, which a model may write as an escape: UTF-8 has no form for it, JSON has.
        return json.dumps({name: _plain(name, value) for name, value in fields.items()})


def _plain(name: str, value: object) -> Any:
    try:
        return to_jsonable_python(value, inf_nan_mode='null', fallback=str, bytes_mode='base64')
    except Exception:  # of `__str__`, too, which may be anybody's
        logger.exception('%r of a frame cannot be written as JSON, and is null', name)
        return None


def stats_frame(stream: RunStream[Any]) -> Frame:
    """The figures of a run."""
    return frame('stats', **dataclasses.asdict(stream.stats))


class FrameView(AsyncIterator[Frame]):
    """Yields the frames of a run, from its beginning: those that its events make, without `start` and what ends it.

    Holds no task and no scope, so it can be dropped anywhere. It ends and raises as `RunStream.text`.

    Args:
        stream: A run that was entered.
        include: The types to yield.
        smoothing: How to pace the text; what is no text is told in its place, after all the text before it.
    """

    def __init__(self, stream: RunStream[Any], include: Collection[FrameType], smoothing: Smoothing | None) -> None:
        self._reader = _Reader(stream, include)
        self._cursor = stream.events()
        read = self._reader.read
        self._pieces = TextView(self._cursor, read) if smoothing is None else Paced(self._cursor, read, smoothing)
        self._ready: Iterator[Frame] = iter(())
        self._over = False

    def __aiter__(self) -> FrameView:
        return self

    async def __anext__(self) -> Frame:
        while True:
            if (ready := next(self._ready, None)) is not None:
                return ready
            try:
                self._ready = iter(self._frames(await self._pieces.__anext__()))
            except Exception:  # that of the run, or StopAsyncIteration
                if self._over or not self._cursor.exhausted:
                    raise
                # What did not get to its end is told before the end is.
                self._ready, self._over = iter(self._reader.end()), True

    @property
    def exhausted(self) -> bool:
        """Whether all events of a run are read that will ever be told."""
        return self._cursor.exhausted

    def rest(self) -> Iterator[Frame]:
        """Everything that has not been told of a run that is over, without waiting."""
        yield from self._ready
        if isinstance(self._pieces, Paced):
            for piece in self._pieces.flush():
                yield from self._frames(piece)
        else:
            while not self._cursor.exhausted:
                for piece in self._pieces.step():
                    yield from self._frames(piece)
        if not self._over:
            self._over = True
            yield from self._reader.end()

    def _frames(self, piece: str) -> list[Frame]:
        if isinstance(piece, _Frames):
            return piece.frames
        return [frame('text', text=piece)] if piece and self._reader.tells('text') else []


class _Frames(str):
    """An empty piece of text that stands where a frame does which is not only text."""

    __slots__ = ('frames',)
    frames: list[Frame]


class _Reader:
    """Makes of an event its text, or what else it tells."""

    def __init__(self, stream: RunStream[Any], include: Collection[FrameType]) -> None:
        self._include = frozenset(include)
        self._tools = cast('ToolCallView', stream.tool_calls()) if self.tells('tool_call') else None
        self._outputs = _outputs(stream) if self.tells('output') else None
        self._told: dict[int, tuple[dict[str, Any], str]] = {}  # of each tool call, with its arguments
        self._invalid = 0

    def tells(self, type: FrameType) -> bool:  # noqa: A002 - as above
        return type in self._include

    def read(self, event: RunEvent) -> str:
        text, frames = text_in(event), list(self._of(event))
        if not frames:
            return text
        if text and self.tells('text'):
            frames.insert(0, frame('text', text=text))
        piece = _Frames()
        piece.frames = frames
        return piece

    def _of(self, event: RunEvent) -> Iterator[Frame]:
        if isinstance(event, AttemptRejectedEvent):
            if self.tells('retraction'):
                # Without the reason: it is the text of an exception.
                yield frame('retraction', attempt=event.attempt, text=event.text)
        elif isinstance(event, CustomEvent):
            if isinstance(event, StreamRecoveredEvent) and event.step == 'restart' and self.tells('retraction'):
                yield frame('retraction', text=event.text)
            if self.tells('progress') and event.ui:
                yield frame('progress', tool_call_id=event.tool_call_id, name=event.name, payload=_payload(event))
        elif self.tells('thinking') and (thinking := thinking_in(event)):
            yield frame('thinking', text=thinking)
        # The views of tool calls and output are where this reader is: each takes one step for each event. That a call
        # has made progress is told already.
        yield from self._step(calls=not isinstance(event, CustomEvent))

    def end(self) -> Iterator[Frame]:
        """What the end of the run makes of tool calls and output."""
        return self._step(calls=True)

    def _step(self, *, calls: bool) -> Iterator[Frame]:
        if self._tools is not None:
            changed = self._tools.step()
            if calls:
                for call in changed:
                    yield from self._tool_call(call)
        if self._outputs is not None:
            for partial in self._outputs.step():
                yield from self._output(partial)

    def _tool_call(self, call: ToolCall) -> Iterator[Frame]:
        is_output = call.kind == 'output'
        fields: dict[str, Any] = {'number': call.number, 'tool_call_id': call.tool_call_id}
        fields |= {'name': call.name, 'kind': call.kind, 'state': call.state}
        before, told = self._told.get(call.number, (None, ''))
        # The arguments of an output tool are the output, which has frames of its own.
        arguments = told if is_output and self._outputs is not None else call.arguments
        self._told[call.number] = fields, arguments
        more: dict[str, Any]
        if told and arguments.startswith(told):
            more = {'more_arguments': arguments[len(told) :]} if len(arguments) > len(told) else {}
        else:
            more = {'arguments': arguments} if arguments != told else {}
        if fields == before and not more:
            return
        if call.state == 'returned' and not is_output:
            # What the model was told of a failure is the text of an exception.
            more['result'] = call.result
        if call.duration is not None:
            more['seconds'] = round(call.duration, 3)
        yield frame('tool_call', **fields, **more)

    def _output(self, partial: PartialOutput[Any]) -> Iterator[Frame]:
        patch = json_patch(partial, text='str_ins')
        invalid = len(partial.errors)
        if patch or invalid != self._invalid or partial.is_final:
            self._invalid = invalid
            fields: dict[str, Any] = {'attempt': partial.attempt, 'patch': patch, 'final': partial.is_final}
            if invalid:
                fields['invalid'] = [error.path for error in partial.errors]
            yield frame('output', **fields)


def _payload(event: CustomEvent) -> Any:
    try:
        return event.to_payload()
    except Exception:
        logger.exception('The payload of %r cannot be told, and is null', event.name)
        return None


def _outputs(stream: RunStream[Any]) -> PartialOutputView[Any] | None:
    try:
        return cast('PartialOutputView[Any]', stream.partial_outputs())
    except StreamUsageError:  # text has no parts
        return None
