"""A JSON document that fills in as it arrives, as values of a type: `PartialDocument`."""

from __future__ import annotations

from typing import Any

from ..core.json_parser import JsonError, JsonParser
from .filling import TEXT, Filling, Frame, Log, Results, path_of
from .invalid import InvalidPart, invalid_parts
from .shapes import IGNORED, MISSING, Context, Shape

__all__ = ['PartialDocument']


class PartialDocument:
    """One document of one shape, read in slices.

    Args:
        shape: What the document turns into.
        context: For the validators.
        results: What validators have said to another reader of the same document; it grows with what this one asks.
        max_size: Characters that the document may have.
        then_prose: Whether something else may follow the document.
    """

    __slots__ = ('_filling', '_grown', '_length', '_parser', '_pieces', '_text')

    def __init__(
        self,
        shape: Shape,
        *,
        context: Context = None,
        results: Results | None = None,
        max_size: int = 16_777_216,
        then_prose: bool = False,
    ) -> None:
        self._filling = Filling(shape, context, [] if results is None else results)
        self._parser = JsonParser(self._filling, max_size=max_size, surrogates=False, then_prose=then_prose)
        self._pieces: list[str] | None = None  # of the string that was open when last looked at
        self._length = 0  # how many of them are in the text
        self._text = self._grown = ''  # all of it, and what shows of it

    @property
    def size(self) -> int:
        """Characters that have come."""
        return self._parser.size

    @property
    def done(self) -> bool:
        """Whether the document is complete, valid or not."""
        return self._parser.done

    @property
    def errors(self) -> tuple[InvalidPart, ...]:
        """What is invalid, in the order in which it was found."""
        return self._filling.errors

    @property
    def text(self) -> str:
        """Text that is open and shows. Call `look` before."""
        return self._grown if self._filling.shown else ''

    @property
    def log(self) -> Log:
        """What became visible, in order. Call `look` before."""
        return self._filling.log

    def feed(self, text: str) -> None:
        """Read the next slice. What is wrong goes to `errors`; after text that is no JSON, nothing more is read."""
        try:
            self._parser.feed(text)
        except JsonError as error:
            self._broken(error)

    def close(self) -> None:
        """The document is over. A number that stands alone is complete then; one that is cut off is invalid."""
        try:
            self._parser.close()
        except JsonError as error:
            self._broken(error)

    def look(self) -> None:
        """Take in what has come of the string that is open."""
        pieces = self._parser.open_text
        if pieces is None:
            return
        filling = self._filling
        grows = filling.shape.grows
        if grows is None or not filling.frame.visible:
            return
        if pieces is not self._pieces:
            self._pieces, self._length, self._text = pieces, 0, ''
        length = len(pieces)
        if length > self._length:
            self._text += pieces[-1] if length == self._length + 1 else ''.join(pieces[self._length :])
            self._length = length
            self._grown = text = grows(self._text)
            if len(text) > filling.shown:
                frame = filling.frame
                name = len(frame.parts) if frame.is_array else filling.name
                filling.log += (TEXT, frame, name, (text[filling.shown :], filling.shown))
                filling.shown = len(text)

    def value(self) -> Any:
        """The value so far, `MISSING` if none of it may be shown. Call `look` before."""
        return self.see()[0]

    def see(self) -> tuple[Any, Frame, tuple[int, ...]]:
        """The value so far, the innermost open frame, and of each frame from there how many complete parts show.

        Call `look` before. The value is `MISSING` if none of it may be shown.
        """
        filling = self._filling
        frame = innermost = filling.frame
        child = MISSING
        key = filling.at if frame.container.keyed else filling.name
        if filling.shown:
            child = self.text if filling.shape.wrap is None else filling.shape.wrap(self.text)
        counts: list[int] = []
        while (parent := frame.parent) is not None:
            if frame.visible:
                counts.append(len(frame.parts))
                child = frame.container.partial(frame.parts, key, child)
            else:
                counts.append(0)
                child = MISSING
            key, frame = frame.key, parent
        counts.append(len(frame.parts))
        if frame.parts:
            child = frame.parts[0]
            if child is None and frame.failed:
                child = MISSING
        return child, innermost, tuple(counts)

    def coming(self) -> Any:
        """The name of the value that is coming in the innermost frame, `MISSING` if none is."""
        filling = self._filling
        frame, shape = filling.frame, filling.shape
        if not frame.visible or shape is IGNORED:
            return MISSING
        if not filling.shown and shape.fills_in:
            # A default that stands there would be taken for what has come of it.
            return MISSING
        if frame.is_array:
            return MISSING if self._parser.open_text is None else len(frame.parts)
        return MISSING if filling.name is None or filling.name in frame.parts else filling.name

    def _broken(self, error: JsonError) -> None:
        filling = self._filling
        if not any(part.error is error for part in filling.errors):
            path = () if filling.frame is filling.root else path_of(filling.frame)
            filling.blame(invalid_parts(path, error))
