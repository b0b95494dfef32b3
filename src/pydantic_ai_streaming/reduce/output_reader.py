"""Follows the structured output of a run through its events: `OutputReader`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_ai.messages import (
    FunctionToolResultEvent,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)

from ..core.json_entry import JsonEntry
from ..partials.filling import Results
from ..partials.outputs import Outputs
from ..partials.partial_output import PartialOutput
from ..partials.partial_reader import PartialReader
from ..partials.raw import json_of
from ..partials.shapes import Context, Shape
from .events import takes_back
from .text_entry import TextEntry

__all__ = ['OutputReader']

TEXT = -1
"""The index of a document that is text: it may be in several parts."""


class OutputReader:
    """Reads the documents that a run's output is sent in, one after the other.

    Of several output calls in one response the first counts, as for pydantic-ai. A response after a rejected one begins
    another attempt, and so does one that is begun anew.

    Args:
        outputs: What the run may answer with.
        context: Tells, when a document begins, what validators find in `info.context`.
        results: For each document, what validators have said to another reader of the same run.

    Attributes:
        reader: The reader of the document that is coming or came last.
        certain: Whether pydantic-ai reads that document too: a tool call, or text where it looks for JSON.
    """

    __slots__ = (
        '_arguments',
        '_attempt',
        '_context',
        '_documents',
        '_entry',
        '_index',
        '_names',
        '_outputs',
        '_results',
        '_seen',
        '_shape',
        'certain',
        'reader',
    )

    def __init__(
        self,
        outputs: Outputs,
        *,
        context: Callable[[], Context] = lambda: None,
        results: list[Results] | None = None,
    ) -> None:
        self._outputs = outputs
        self._context = context
        self._results: list[Results] = [] if results is None else results
        self._documents = 0
        self._attempt = 1
        self._index: int | None = None  # of the part that is read, in its response
        self._arguments: dict[str, Any] | None = None  # that come as a dict
        self._names: dict[int, str] = {}  # of the tools that are called
        self._seen = False  # whether a part of this response has come
        self._entry = TextEntry()
        self._shape: Shape
        self.certain = False
        self.reader: PartialReader | None = None

    @property
    def has_calls(self) -> bool:
        """Whether a tool was called in the response that is coming."""
        return bool(self._names)

    def add(self, event: object) -> PartialOutput[Any] | None:
        """Take in an event. Returns a snapshot if it has changed anything."""
        return self.reader.snapshot() if self.take(event) and self.reader is not None else None

    def take(self, event: object) -> bool:
        """Take in an event. Returns whether it may have changed anything."""
        if isinstance(event, PartDeltaEvent):
            delta = event.delta
            if isinstance(delta, ToolCallPartDelta):
                self._tool_delta(event.index, delta)
            elif isinstance(delta, TextPartDelta) and self._index == TEXT:
                self._text(delta.content_delta)
            else:
                return False
        elif isinstance(event, PartStartEvent):
            self._part(event.index, event.part)
        elif isinstance(event, PartEndEvent):
            self._part_end(event.index)
            if event.next_part_kind is None:
                self.end()
        elif takes_back(event):
            self._attempt += 1
            self._next_response()
        elif isinstance(event, FunctionToolResultEvent):
            self._next_response()
        return self.reader is not None

    def more(self, event: object) -> str | None:
        """The piece that an event adds to the arguments that are read, if it does nothing else: for `read`."""
        if type(event) is not PartDeltaEvent or event.index != self._index or self.reader is None:
            return None
        delta = event.delta
        if type(delta) is not ToolCallPartDelta or delta.tool_name_delta or not self.reader.document.size:
            return None
        return delta.args_delta if isinstance(delta.args_delta, str) else None

    def read(self, text: str) -> None:
        """Read pieces that `more` has given, joined."""
        self._feed(text)

    @property
    def is_text(self) -> bool:
        """Whether the document comes as text."""
        return self._index == TEXT

    @property
    def attempt(self) -> int:
        """The attempt that is coming, counted from 1."""
        return self._attempt

    def end(self) -> None:
        """The response is over: a document that is not complete will not be. One that is invalid was perhaps left."""
        if self.is_text and self.has_calls:
            # Text beside a call is no output.
            return
        if self.reader is not None and self.reader.document.size and not self.reader.document.errors:
            self.reader.close()

    def _next_response(self) -> None:
        self._index = self._arguments = self.reader = None
        self._entry = TextEntry()
        self._seen = False
        self._names.clear()

    def _part(self, index: int, part: object) -> None:
        if index == 0 and self._seen:
            self._next_response()
        self._seen = True
        if isinstance(part, ToolCallPart):
            self._names[index] = part.tool_name
            self._tool_called(index, part.args)
        elif isinstance(part, TextPart) and self._outputs.text is not None and self._index in (None, TEXT):
            self._index = TEXT
            self._text(part.content)

    def _text(self, content: str | None) -> None:
        shape = self._outputs.text
        if not content or shape is None:
            return
        if not self._entry.found:
            piece = self._entry.feed(content)
            if self._entry.found:
                self._open(shape, TEXT, self._entry)
                content = piece
            elif self._outputs.mode != 'prompted':
                return
            elif self.reader is None:
                # What was asked for in words may stand anywhere, until a fence says where it is.
                self._open(shape, TEXT, JsonEntry())
        self._feed(content)

    def _tool_called(self, index: int, args: str | dict[str, Any] | None) -> None:
        shape = self._outputs.tools.get(self._names[index])
        if shape is not None and (self.reader is None or self._index == TEXT or self.reader.document.errors):
            self._open(shape, index)
            self._take(args)

    def _tool_delta(self, index: int, delta: ToolCallPartDelta) -> None:
        if delta.tool_name_delta:
            self._names[index] = self._names.get(index, '') + delta.tool_name_delta
            if index == self._index:
                # The beginning of its name is the name of another tool.
                self._index = self.reader = None
            self._tool_called(index, delta.args_delta)
        elif index == self._index:
            self._take(delta.args_delta)

    def _open(self, shape: Shape, index: int, entry: JsonEntry | None = None) -> None:
        if self._documents == len(self._results):
            self._results.append([])
        self.reader = PartialReader(
            shape,
            entry=entry,
            context=self._context(),
            results=self._results[self._documents],
            attempt=self._attempt,
        )
        self._shape = shape
        self._documents += 1
        self._index, self._arguments = index, None
        self.certain = entry is None or entry is self._entry

    def _take(self, args: str | dict[str, Any] | None) -> None:
        if isinstance(args, dict):
            self._arguments = {**(self._arguments or {}), **args}
        elif args:
            if self.reader is not None and not self.reader.document.size and args.lstrip()[:1] == '`':
                # Some models put a code fence around arguments too, and pydantic-ai takes it off.
                self._documents -= 1
                self._entry = TextEntry()
                self._open(self._shape, self._index or 0, self._entry)
            self._feed(args)

    def _part_end(self, index: int) -> None:
        if index == self._index and self._arguments is not None:
            # They come whole, or as pieces of an object that pydantic-ai puts together.
            arguments, self._arguments = self._arguments, None
            self._feed(json_of(arguments))

    def _feed(self, text: str | None) -> None:
        if text and self.reader is not None:
            self.reader.feed(text)
