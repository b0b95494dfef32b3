"""Views of the structured output of a run: snapshots of it, and the elements of a list in it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any, Generic, TypeVar

from ..aio.cursor import Cursor
from ..errors import StreamUsageError
from ..partials.invalid import Path, dotted
from ..partials.outputs import Outputs
from ..partials.partial_output import PartialOutput, differ, elements
from ..reduce.events import RunEvent
from ..reduce.output_reader import OutputReader
from .pump import Pump

__all__ = ['ItemView', 'PartialOutputView', 'outputs_of', 'refuse_no_list']

OutputT = TypeVar('OutputT')
ItemT = TypeVar('ItemT')


def outputs_of(output_type: Any) -> Outputs:
    """What a run may answer with.

    Raises:
        StreamUsageError: That is not known, or it is plain text.
    """
    if output_type is None:
        raise StreamUsageError(
            'What this run answers with cannot be seen from here: pass agent.run_stream_events(...) itself, or use '
            'partial_outputs(stream.events(), output_type).'
        )
    outputs = Outputs.of(output_type)
    if not outputs.structured:
        raise StreamUsageError(
            'The output of this run is plain text, which has no parts to fill in: use stream.text(), or give the run '
            'an output_type.'
        )
    return outputs


def refuse_no_list(outputs: Outputs, path: Path) -> None:
    """Raise `StreamUsageError` if none of the outputs can have a list at a path."""
    if outputs.may_hold_list(path):
        return
    what = f'has no list at {dotted(path)!r}' if path else 'is no list'
    if outputs.may_hold_list(()):
        advice = 'It is a list itself: items().'
    elif names := outputs.lists():
        advice = f'There may be one at {" or ".join(map(repr, names))}: items({names[0]!r}).'
    else:
        advice = (
            "A path is the keys and indices that lead there, such as items('orders') or items(('customer', 'orders'))."
        )
    raise StreamUsageError(f'The output of this run {what}. {advice}')


class PartialOutputView(AsyncIterator[PartialOutput[OutputT]], Generic[OutputT]):
    """Yields a snapshot for each change, and the output at the end. Holds no task and no scope, so drop it anywhere."""

    __slots__ = ('_cursor', '_last', '_pump', '_reader')

    def __init__(self, cursor: Cursor[RunEvent], reader: OutputReader, pump: Pump[OutputT]) -> None:
        self._cursor = cursor
        self._reader = reader
        self._pump = pump
        self._last: PartialOutput[OutputT] | None = None

    def __aiter__(self) -> PartialOutputView[OutputT]:
        return self

    async def __anext__(self) -> PartialOutput[OutputT]:
        while True:
            try:
                event = await self._cursor.__anext__()
            except StopAsyncIteration:
                return self._end()
            partial = self._reader.add(event)
            if partial is not None:
                self._last = partial
                return partial

    def step(self) -> Sequence[PartialOutput[OutputT]]:
        """What the next event shows, without waiting; at the end of the run the output, if it is not told yet."""
        for _, event in self._cursor.take(1):
            partial = self._reader.add(event)
            if partial is None:
                return ()
            self._last = partial
            return (partial,)
        if self._cursor.error is not None:
            return ()
        try:
            return (self._end(),)
        except StopAsyncIteration:
            return ()

    def _end(self) -> PartialOutput[OutputT]:
        if self._pump.finish not in ('complete', 'truncated') or (self._last is not None and self._last.is_final):
            raise StopAsyncIteration
        last = self._last or PartialOutput[Any](None)
        self._last = last.final(self._pump.driver.output)
        return self._last


class ItemView(AsyncIterator[ItemT], Generic[ItemT]):
    """Yields the elements of a list in the output, each when it is complete and valid."""

    __slots__ = ('_document', '_here', '_path', '_ready', '_snapshots', '_yielded')

    def __init__(self, snapshots: PartialOutputView[Any], path: Path) -> None:
        self._snapshots = snapshots
        self._path = path
        self._ready: deque[ItemT] = deque()
        self._yielded: dict[int, ItemT] = {}
        self._document: object = None
        self._here: set[int] = set()  # what was told of this document

    def __aiter__(self) -> ItemView[ItemT]:
        return self

    async def __anext__(self) -> ItemT:
        while not self._ready:
            partial = await self._snapshots.__anext__()
            moment = partial.moment
            if moment is not None and moment.log is not self._document:
                self._document, self._here = moment.log, set()
            for index, item in elements(partial, self._path):
                self._complete(index, item)
        return self._ready.popleft()

    def _complete(self, index: int, item: ItemT) -> None:
        if index in self._here:
            return
        self._here.add(index)
        # A new attempt may begin with what the one before had: that is not said again.
        if index not in self._yielded or differ(self._yielded[index], item):
            self._yielded[index] = item
            self._ready.append(item)
