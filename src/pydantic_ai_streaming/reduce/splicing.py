"""Makes one response of the attempts at it: `Splice`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from pydantic_ai.messages import (
    BaseToolCallPart,
    FinalResultEvent,
    ModelResponse,
    ModelResponsePart,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
)

from ..core.overlap import Overlap
from .recovery import Step

__all__ = ['Splice']

Event: TypeAlias = ModelResponseStreamEvent


class Splice:
    """Takes the events and the responses of several attempts, and tells those of the one response that they make.

    Parts that stay come first; what follows has its indices after them. The text of an attempt that goes on from a text
    grows that text, without what it repeats of it.

    Attributes:
        plain: Whether events pass unchanged, so that they need not be given to `add`. `note` wants to see them.
    """

    __slots__ = ('_final_told', '_index', '_kept', '_open', '_overlap', '_overlap_index', 'plain')

    def __init__(self) -> None:
        self.plain = True
        self._kept: Sequence[ModelResponsePart] = ()
        self._open: PartStartEvent | None = None
        self._final_told = False
        self._index = 0
        self._overlap: Overlap | None = None
        self._overlap_index: int | None = None

    @property
    def goes_on(self) -> bool:
        """Whether the last attempt goes on from what came before it."""
        return bool(self._kept)

    def note(self, event: object) -> None:
        """An event passes. Keeps which part is open."""
        kind = type(event)
        if kind is PartStartEvent:
            self._open = event  # pyright: ignore[reportAttributeAccessIssue] - narrowed by its exact type
        elif kind is PartEndEvent:
            self._open = None
        elif kind is FinalResultEvent:
            self._final_told = True

    def parts(self, parts: Sequence[ModelResponsePart]) -> list[ModelResponsePart]:
        """The parts of the response, of which the attempt that goes on has these."""
        if self.plain:
            return list(parts)
        place, overlap = self._overlap_index, self._overlap
        own = list(parts)
        if place is not None and overlap is not None and place < len(own):
            own[place] = _without(own[place], overlap.hidden)
        joined = self._index < len(self._kept)
        if joined and own:
            last = self._kept[-1]
            grown = _text(last) + _text(own[0])
            return [*self._kept[:-1], replace(last, content=grown), *own[1:]]
        return [*self._kept, *own]

    def next(self, step: Step, response: ModelResponse) -> Iterator[Event]:
        """An attempt broke off. Yields what ends it for those who watch.

        Args:
            step: How it goes on.
            response: What the response is until now, all attempts taken together.
        """
        self.plain = False
        if step == 'continue':
            self._kept = response.parts
            # The model is sent all texts of it, and may begin with any of them.
            self._overlap = Overlap(''.join(map(_text, self._kept)))
        else:
            yield from self._end_open(response.parts, None)
            self._kept, self._overlap, self._final_told = (), None, False
        self._overlap_index = None
        self._index = len(self._kept)

    def add(self, event: Event) -> Iterator[Event]:
        """Take in an event of an attempt. Yields what it is in the response."""
        if isinstance(event, PartStartEvent):
            yield from self._begin(event)
        elif isinstance(event, PartDeltaEvent):
            yield from self._go_on(event)
        elif isinstance(event, PartEndEvent):
            yield from self._end(event)
        elif not self._final_told:
            self.note(event)
            yield event

    def _begin(self, event: PartStartEvent) -> Iterator[Event]:
        part = event.part
        trims = self._overlap is not None and self._overlap_index is None and isinstance(part, TextPart)
        text = ''
        if trims and self._overlap is not None:
            self._overlap_index = event.index
            text = self._overlap.feed(_text(part))
        if event.index == 0 and self._kept and self._open is not None and isinstance(part, TextPart):
            # The text that is open goes on.
            self._index = len(self._kept) - 1
            if text:
                yield PartDeltaEvent(index=self._index, delta=TextPartDelta(content_delta=text))
            return
        if event.index == 0 and self._kept:
            yield from self._end_open(self._kept, part)
        shown = replace(event, index=event.index + self._index)
        if trims:
            shown = replace(shown, part=replace(part, content=text))
        self.note(shown)
        yield shown

    def _go_on(self, event: PartDeltaEvent) -> Iterator[Event]:
        delta, index = event.delta, event.index + self._index
        if event.index == self._overlap_index and self._overlap is not None and isinstance(delta, TextPartDelta):
            text = self._overlap.feed(delta.content_delta or '')
            if text:
                yield PartDeltaEvent(index=index, delta=replace(delta, content_delta=text))
            return
        yield replace(event, index=index) if self._index else event

    def _end(self, event: PartEndEvent) -> Iterator[Event]:
        index = event.index + self._index
        part = event.part
        if event.index == self._overlap_index and self._overlap is not None:
            rest = self._overlap.close()
            if rest:
                yield PartDeltaEvent(index=index, delta=TextPartDelta(content_delta=rest))
            part = _without(part, self._overlap.hidden)
            if index < len(self._kept):
                part = replace(part, content=_text(self._kept[-1]) + _text(part))
        ended = replace(event, index=index, part=part)
        self.note(ended)
        yield ended

    def _end_open(self, parts: Sequence[ModelResponsePart], following: ModelResponsePart | None) -> Iterator[Event]:
        started, self._open = self._open, None
        if started is not None and started.index < len(parts):
            part = parts[started.index]
            if isinstance(part, TextPart | ThinkingPart | BaseToolCallPart):
                # What comes is not known yet; but it is no end of the response, and does not belong to this part.
                unlike = 'thinking' if isinstance(part, TextPart) else 'text'
                kind = unlike if following is None else following.part_kind
                yield PartEndEvent(index=started.index, part=part, next_part_kind=kind)


def _text(part: object) -> str:
    return part.content if isinstance(part, TextPart) else ''


def _without(part: ModelResponsePart, hidden: int) -> ModelResponsePart:
    return replace(part, content=part.content[hidden:]) if isinstance(part, TextPart) and hidden else part
