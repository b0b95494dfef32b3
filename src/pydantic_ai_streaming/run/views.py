"""Views of the text of a run: pieces of it as they come, or at a pace that one can read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Self

from ..aio.cursor import Cursor
from ..aio.paced import Paced
from ..core.pacing import Smoothing
from ..reduce.events import AttemptRejectedEvent, RunEvent, StreamRecoveredEvent, takes_back

__all__ = ['Retraction', 'TextView', 'check_smoothing', 'text_view']


class Retraction(str):
    """An empty piece of text that says: what the last attempt showed is taken back.

    It prints as nothing, so a plain `print(piece, end='')` stays right; whoever can, removes what was shown.

    Attributes:
        event: The event that told of it, with the text that is taken back: output validation has rejected the attempt,
            or the response broke off and begins anew.

    Example:
        >>> event = AttemptRejectedEvent(attempt=1, text='It is 7.', start=0, reason='not a prime')
        >>> piece = Retraction(event)
        >>> piece, piece.event.text
        ('', 'It is 7.')
    """

    __slots__ = ('event',)
    event: AttemptRejectedEvent | StreamRecoveredEvent

    def __new__(cls, event: AttemptRejectedEvent | StreamRecoveredEvent) -> Self:
        """Make the empty piece for what takes an attempt back."""
        piece = super().__new__(cls)
        piece.event = event
        return piece


def text_view(
    cursor: Cursor[RunEvent], read: Callable[[object], str], smoothing: Smoothing | None
) -> TextView | Paced[RunEvent]:
    """View the text that `read` finds in events, with the marks of rejected attempts in their places."""
    check_smoothing(smoothing)
    piece_in = _or_retraction(read)
    return TextView(cursor, piece_in) if smoothing is None else Paced(cursor, piece_in, smoothing)


def check_smoothing(smoothing: object) -> None:
    """Raise `TypeError` for what no smoothing can be."""
    if smoothing is not None and not isinstance(smoothing, Smoothing):
        raise TypeError(f'smoothing={smoothing!r}: use Smoothing(...), or None for the text as it comes')


def _or_retraction(read: Callable[[object], str]) -> Callable[[RunEvent], str]:
    """Make a reader of text tell of rejected attempts too, in their place."""

    def piece_in(event: RunEvent) -> str:
        return Retraction(event) if takes_back(event) else read(event)

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

    def step(self) -> Sequence[str]:
        """What the next event shows, without waiting."""
        pieces = [self._read(event) for _, event in self._cursor.take(1)]
        return [piece for piece in pieces if piece or type(piece) is not str]
