"""Structured outputs as they come, from any iterator: `partial_outputs`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from typing import Any, Literal, TypeAlias, TypeVar, cast, overload

from pydantic_ai.result import StreamedRunResult
from pydantic_ai.run import AgentRunResult, AgentRunResultEvent

from ..aio.closing import close
from ..core.json_entry import JsonEntry
from ..core.wording import a
from ..errors import StreamUsageError
from ..partials.outputs import Outputs
from ..partials.partial_output import PartialOutput
from ..partials.partial_reader import PartialReader
from ..partials.shaping import shape_of
from ..reduce.differences import Differences
from ..reduce.output_reader import OutputReader
from .judge import invalid_output

__all__ = ['OnInvalid', 'partial_outputs']

OutputT = TypeVar('OutputT')

OnInvalid: TypeAlias = Literal['report', 'stop', 'retry']
"""What to do with an output that turns out to be invalid before it is complete."""


@overload
def partial_outputs(
    source: AsyncIterable[Any] | StreamedRunResult[Any, Any],
    output_type: type[OutputT],
    *,
    on_invalid: Literal['report', 'stop'] = 'report',
    prose: bool = False,
    context: Any = None,
) -> AsyncGenerator[PartialOutput[OutputT]]: ...


@overload
def partial_outputs(
    source: Iterable[str],
    output_type: type[OutputT],
    *,
    on_invalid: Literal['report', 'stop'] = 'report',
    prose: bool = False,
    context: Any = None,
) -> Iterator[PartialOutput[OutputT]]: ...


def partial_outputs(
    source: AsyncIterable[Any] | Iterable[str] | StreamedRunResult[Any, Any],
    output_type: Any,
    *,
    on_invalid: Literal['report', 'stop'] = 'report',
    prose: bool = False,
    context: Any = None,
) -> AsyncGenerator[PartialOutput[Any]] | Iterator[PartialOutput[Any]]:
    """Fill in a value as its JSON arrives.

    Each change gives a snapshot; the last one, with `is_final`, follows when the source has ended and all is valid.

    Args:
        source: Pieces of JSON text, of any length: an iterable, or an asynchronous one, such as the text of another
            client's stream. Also what `agent.run_stream(...)` yields, or an iterator of pydantic-ai's events.
        output_type: What the JSON turns into: anything that pydantic can validate.
        on_invalid: `'report'` notes what is invalid in `PartialOutput.errors` and goes on; `'stop'` closes the source
            at the first invalid part and raises.
        prose: Whether there may be prose or a code fence around the JSON, which is then an object or an array.
        context: What validators find in `info.context`.

    Raises:
        InvalidOutput: Something is invalid, with `on_invalid='stop'`.
        StreamUsageError: The source is the events of a run whose output is plain text.
        ValueError: Another `on_invalid`: only a run can ask the model again (`RunStream.partial_outputs`).

    Example:
        ```python
        from pydantic import BaseModel
        from pydantic_ai_streaming import partial_outputs


        class Movie(BaseModel):
            title: str
            year: int
            genres: list[str] = []


        for partial in partial_outputs(['{"title": "Du', 'ne", "year": 19', '65, "genres": ["epic"', ']}'], Movie):
            print(partial.value, partial.state('year'))
            #> title='Du' year=None genres=[] missing
            #> title='Dune' year=None genres=[] missing
            #> title='Dune' year=1965 genres=['epic'] complete
            #> title='Dune' year=1965 genres=['epic'] complete
            #> title='Dune' year=1965 genres=['epic'] complete
        ```
    """
    if on_invalid not in ('report', 'stop'):
        raise ValueError(
            f"on_invalid={on_invalid!r}: use 'report' or 'stop'; RunStream(...).partial_outputs() can also 'retry'"
        )
    if isinstance(source, str | bytes) or not isinstance(source, Iterable | AsyncIterable | StreamedRunResult):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
        raise TypeError(f'partial_outputs() needs an iterator of pieces of text, not {a(source)}')
    reading = _Reading(output_type, stop=on_invalid == 'stop', prose=prose, context=context)
    if isinstance(source, StreamedRunResult):
        return _read(_events_of(source), reading)
    return _read(source, reading) if isinstance(source, AsyncIterable) else _read_now(source, reading)


class _Reading:
    """What both kinds of iterators are read with: pieces of text, or events."""

    def __init__(self, output_type: Any, *, stop: bool, prose: bool, context: Any) -> None:
        self._output_type = output_type
        self._stop = stop
        self._text = PartialReader(
            shape_of(output_type), entry=JsonEntry(arrays=True) if prose else None, context=context
        )
        self._context = context
        self._events: OutputReader | None = None
        self._last: PartialOutput[Any] | None = None
        self._result: AgentRunResult[Any] | None = None

    def take(self, item: object) -> PartialOutput[Any] | None:
        if isinstance(item, str):
            self._text.feed(item)
            return self._checked(self._text.snapshot())
        if not hasattr(item, 'event_kind'):
            raise TypeError(
                f'partial_outputs() needs pieces of text, or events of pydantic-ai, and the source yielded {a(item)}: '
                f'pass on its text, and decode bytes (httpx: aiter_text()).'
            )
        if self._events is None:
            self._events = OutputReader(Outputs.of(self._output_type), context=lambda: self._context)
        if isinstance(item, AgentRunResultEvent):
            self._result = cast('AgentRunResultEvent[Any]', item).result
        return self._checked(self._events.add(cast('object', item)))

    def end(self) -> Iterator[PartialOutput[Any]]:
        reader = self._text
        if self._events is None:
            reader.close()
        else:
            self._events.end()
            reader = self._events.reader
        partial = None if reader is None else self._checked(reader.snapshot())
        if partial is not None:
            yield partial
        if self._result is not None and self._is_text(self._result.output):
            raise StreamUsageError(
                'The output of this run is plain text, so there is nothing of the type to fill in: give the agent '
                'this output_type, or, if the model writes the JSON into its text, pass on the pieces of the text.'
            )
        if self._result is not None:
            yield (self._last or PartialOutput[Any](None)).final(self._result.output)
        elif self._last is not None and not self._last.errors and self._last.state() == 'complete':
            yield self._last.final(self._last.value)

    def _is_text(self, output: object) -> bool:
        """Whether the run's output is text that no document of the type was sent as."""
        if not isinstance(output, str) or self._last is not None or not Outputs.of(self._output_type).structured:
            return False
        return not Outputs.of(self._output_type).allows_text

    def _checked(self, partial: PartialOutput[Any] | None) -> PartialOutput[Any] | None:
        if partial is not None:
            self._last = partial
            if self._stop and partial.errors:
                raise invalid_output(partial)
        return partial


def _read_now(source: Iterable[str], reading: _Reading) -> Iterator[PartialOutput[Any]]:
    for text in source:
        partial = reading.take(text)
        if partial is not None:
            yield partial
    yield from reading.end()


async def _read(source: AsyncIterable[Any], reading: _Reading) -> AsyncGenerator[PartialOutput[Any]]:
    iterator = aiter(source)
    try:
        async for item in iterator:
            partial = reading.take(item)
            if partial is not None:
                yield partial
        for partial in reading.end():
            yield partial
    finally:
        await close(iterator)


async def _events_of(streamed: StreamedRunResult[Any, Any]) -> AsyncGenerator[object]:
    differences = Differences()
    async for response in streamed.stream_response(debounce_by=None):
        for event in differences.feed(response):
            yield event
