"""The arguments of one tool call, read when somebody asks for them: `ArgumentReading`."""

from __future__ import annotations

from typing import Any

from .partial_output import PartialOutput
from .partial_reader import PartialReader
from .shapes import Shape

__all__ = ['ArgumentReading']


class ArgumentReading:
    """Reads the pieces of a call's arguments as far as it is asked for.

    A view tells of each piece, and most who follow tool calls want the arguments only at the end.

    Args:
        shape: What the arguments turn into.
        pieces: The pieces of their JSON; more may be appended.
    """

    __slots__ = ('_pieces', '_read', '_reader', '_shape', '_snapshot')

    def __init__(self, shape: Shape, pieces: list[str]) -> None:
        self._shape = shape
        self._pieces = pieces
        self._reader = PartialReader(shape)
        self._read = 0
        self._snapshot: PartialOutput[Any] | None = None

    def at(self, count: int) -> PartialOutput[Any] | None:
        """The arguments after so many pieces; `None` as long as nothing shows."""
        if count < self._read:
            # Of an earlier moment than was asked for before: read anew, on the side.
            return ArgumentReading(self._shape, self._pieces).at(count)
        if count > self._read:
            self._reader.feed(''.join(self._pieces[self._read : count]))
            self._read = count
            self._snapshot = self._reader.snapshot() or self._snapshot
        return self._snapshot
