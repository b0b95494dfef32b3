"""Views of the text of a run: pieces of it as they come, or at a pace that one can read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Self

from ..aio.cursor import Cursor
from ..reduce.events import AttemptRejectedEvent, RunEvent

__all__ = ['Retraction', 'TextView', 'or_retraction']


class Retraction(str):
    """An empty piece of text that says: what the last attempt showed is taken back.

    It prints as nothing, so a plain `print(piece, end='')` stays right; whoever can, removes what was shown.

    Attributes:
        event: The event that told of it, with the text that is taken back.

    Example:
        >>> event = AttemptRejectedEvent(attempt=1, text='It is 7.', start=0, reason='not a prime')
        >>> piece = Retraction(event)
        >>> piece, piece.event.text
        ('', 'It is 7.')
    """

    __slots__ = ('event',)
    event: AttemptRejectedEvent

    def __new__(cls, event: AttemptRejectedEvent) -> Self:
        """Make the empty piece for a rejected attempt."""
        piece = super().__new__(cls)
        piece.event = event
        return piece


def or_retraction(read: Callable[[object], str]) -> Callable[[RunEvent], str]:
    """Make a reader of text tell of rejected attempts too, in their place."""

    def piece_in(event: RunEvent) -> str:
        return Retraction(event) if type(event) is AttemptRejectedEvent else read(event)

    return piece_in


class TextView(AsyncIterator[str]):
    """Yields the pieces of text as they come. Holds no task and no scope, so it can be dropped anywhere."""

    __slots__ = ('_cursor', '_read')

    def __init__(self, cursor: Cursor[RunEvent], read: Callable[[RunEvent], str]) -> None:
        self._cursor = cursor
        self._read = read

    def __aiter__(self) -> TextView:
        return self

    async def __anext__(self) -> str:
        while True:
            piece = self._read(await self._cursor.__anext__())
            if piece or type(piece) is not str:
                return piece
