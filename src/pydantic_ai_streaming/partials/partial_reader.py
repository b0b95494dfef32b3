"""Reads one document as it comes, and makes a snapshot of each change: `PartialReader`."""

from __future__ import annotations

from typing import Any

from ..core.json_entry import JsonEntry
from .document import PartialDocument
from .envelopes import Envelope
from .filling import Results
from .invalid import Path
from .partial_output import PartialOutput
from .shapes import MISSING, Context, Shape

__all__ = ['PartialReader']


class PartialReader:
    """Turns the slices of a document into snapshots.

    Args:
        shape: What the document turns into.
        entry: What to leave out before the document, if it comes in prose.
        context: For the validators.
        results: What validators have said to another reader of the same document.
        attempt: Which attempt at the output it is.
    """

    __slots__ = ('_attempt', '_entry', '_errors', '_told', 'document')

    def __init__(
        self,
        shape: Shape,
        *,
        entry: JsonEntry | None = None,
        context: Context = None,
        results: Results | None = None,
        attempt: int = 1,
    ) -> None:
        self.document = PartialDocument(shape, context=context, results=results, then_prose=entry is not None)
        self._entry = entry
        self._attempt = attempt
        self._told = 0
        self._errors = 0

    def feed(self, text: str) -> None:
        """Read the next slice."""
        if self._entry is not None:
            text = self._entry.feed(text)
        if text:
            self.document.feed(text)

    def close(self) -> None:
        """The document is over."""
        self.document.close()

    def snapshot(self) -> PartialOutput[Any] | None:
        """What there is now, or `None` if that is what there was."""
        document = self.document
        document.look()
        end = len(document.log)
        errors = document.errors
        if end == self._told and len(errors) == self._errors:
            return None
        value, frame, counts = document.see()
        value, prefix = _opened(value) if isinstance(value, Envelope) else (value, ())
        start, self._told, self._errors = self._told, end, len(errors)
        if value is MISSING and not errors:
            return None
        if prefix:
            errors = tuple(error.inside(prefix) for error in errors)
        return PartialOutput(
            None if value is MISSING else value,
            errors=errors,
            attempt=self._attempt,
            received=document.size,
            # The fields of a `Moment`.
            moment=(document.log, start, end, frame, counts, document.coming(), prefix, document.text),
        )


def _opened(value: Any) -> tuple[Any, Path]:
    """The output itself, and the steps that lead to it through what it was sent in."""
    prefix: list[str | int] = []
    while isinstance(value, Envelope):
        prefix.append(value.holds)
        value = getattr(value, value.holds)
    return value, tuple(prefix)
