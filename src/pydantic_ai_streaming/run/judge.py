"""Decides on an output while it streams: `OutputJudge`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from ..core.wording import counted
from ..errors import InvalidOutput
from ..partials.invalid import InvalidPart, sentence
from ..partials.partial_output import PartialOutput
from ..reduce.output_reader import OutputReader

__all__ = ['OutputJudge', 'invalid_output']


class OutputJudge:
    """Sees the events of a run and says, once for each document, that it is invalid.

    Args:
        reader: Reads the output.
        on_invalid: Whether the run is to be stopped, or the model asked again.
        text_is_output: Whether JSON in the text of a response is its output, even if a tool may still be called.
    """

    __slots__ = ('_judged', '_reader', '_text_is_output', 'on_invalid')

    def __init__(
        self, reader: OutputReader, on_invalid: Literal['stop', 'retry'], text_is_output: Callable[[], bool]
    ) -> None:
        self._reader = reader
        self._text_is_output = text_is_output
        self._judged: object = None
        self.on_invalid: Literal['stop', 'retry'] = on_invalid

    def add(self, event: object) -> InvalidOutput | str | None:
        """Take in an event. Returns an error to stop with, what to tell the model, or nothing."""
        return self.verdict() if self._reader.take(event) else None

    def catch_up(self, events: Iterable[object]) -> InvalidOutput | str | None:
        """Take in what has come already. Documents that are past are nobody's concern any more."""
        for event in events:
            self._reader.take(event)
        return self.verdict()

    def verdict(self) -> InvalidOutput | str | None:
        """What there is to say of the document that is coming."""
        reader = self._reader.reader
        if reader is None or reader is self._judged or not reader.document.errors:
            return None
        # Beside a call of a function, text is no output for pydantic-ai.
        if not self._reader.certain or (
            self._reader.is_text and (self._reader.has_calls or not self._text_is_output())
        ):
            return None
        self._judged = reader
        partial = reader.snapshot()
        assert partial is not None, 'a new error makes a new snapshot'
        return invalid_output(partial) if self.on_invalid == 'stop' else _feedback(partial.errors)


def invalid_output(partial: PartialOutput[Any]) -> InvalidOutput:
    """The error that tells what is invalid in a snapshot."""
    part = partial.errors[0]
    message = f'The output is invalid after {counted(partial.received, "character")}: {sentence(part)}'
    return InvalidOutput(message, path=part.path, error=part.error, value=partial.value, received=partial.received)


def _feedback(parts: tuple[InvalidPart, ...]) -> str:
    return f'The output was stopped where it became invalid. {"; ".join(map(sentence, parts))}. Fix this and try again.'
