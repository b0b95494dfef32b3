"""A terminal for checks: what a person would have seen, and when."""

from __future__ import annotations

import asyncio
import contextlib
import io
from dataclasses import dataclass
from types import TracebackType
from typing import Self

__all__ = ['Screen', 'Shown', 'now']


@dataclass(frozen=True)
class Shown:
    """Something that became visible.

    Attributes:
        at: Seconds on the event loop's clock since the screen was opened.
        text: What appeared.
    """

    at: float
    text: str


class Screen(io.TextIOBase):
    """Takes the place of `sys.stdout`, and shows as a terminal does: at a flush, and at the end of a line.

    Attributes:
        shown: What became visible, piece by piece.

    Example:
        >>> with Screen() as screen:
        ...     print('not yet', end='')
        ...     unseen = screen.text
        ...     print('!', end='', flush=True)
        >>> unseen, screen.text
        ('', 'not yet!')
    """

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Shown] = []
        self._began = now()
        self._waiting = ''
        self._redirect = contextlib.redirect_stdout(self)

    @property
    def text(self) -> str:
        """All that is visible."""
        return ''.join(shown.text for shown in self.shown)

    def write(self, text: str, /) -> int:
        """Take text; the lines that it completes become visible."""
        lines, newline, rest = (self._waiting + text).rpartition('\n')
        self._waiting = rest
        self._show(lines + newline)
        return len(text)

    def flush(self) -> None:
        """Make all visible that was written."""
        if not self.closed:
            self._show(self._waiting)
            self._waiting = ''

    def writable(self) -> bool:
        """It is."""
        return True

    def __enter__(self) -> Self:
        self._redirect.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._redirect.__exit__(kind, error, traceback)
        self.flush()  # as at the end of a program

    def _show(self, text: str) -> None:
        if text:
            self.shown.append(Shown(round(now() - self._began, 9), text))


def now() -> float:
    """Seconds on the clock of the event loop; 0 where none runs."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0
