"""The two outputs of a program, as a shell connects them: to a terminal, to a file, to a program that may leave."""

from __future__ import annotations

import contextlib
import io
from types import TracebackType
from typing import Self

from .screen import Shown, now

__all__ = ['Output', 'Outputs']

BLOCK = 8192
"""Characters that Python gathers for a file or a pipe before it passes them on."""


class Output(io.TextIOBase):
    """What a program writes to, and what has left the program, and when.

    Args:
        terminal: Whether it is a terminal: lines pass on when they end, otherwise only whole blocks do. A flush passes
            everything on.
        reads: After how many characters whoever reads goes away, as `head` does; `None` for never.

    Attributes:
        shown: What has left the program, piece by piece.
    """

    def __init__(self, *, terminal: bool = False, reads: int | None = None) -> None:
        super().__init__()
        self.shown: list[Shown] = []
        self._terminal = terminal
        self._reads = reads
        self._began = now()
        self._waiting = ''

    @property
    def text(self) -> str:
        """All that has left the program."""
        return ''.join(shown.text for shown in self.shown)

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._terminal

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str, /) -> int:
        """Take text, and pass on what does not wait any more.

        Raises:
            BrokenPipeError: Whoever reads has gone away.
        """
        self._waiting += text
        ready = self._waiting.rfind('\n') + 1 if self._terminal else len(self._waiting) // BLOCK * BLOCK
        self._pass_on(ready)
        return len(text)

    def flush(self) -> None:
        """Pass on everything.

        Raises:
            BrokenPipeError: Whoever reads has gone away.
        """
        if not self.closed:
            self._pass_on(len(self._waiting))

    def _pass_on(self, count: int) -> None:
        if not count:
            return
        if self._reads is not None and len(self.text) >= self._reads:
            raise BrokenPipeError(32, 'Broken pipe')
        self.shown.append(Shown(round(now() - self._began, 9), self._waiting[:count]))
        self._waiting = self._waiting[count:]


class Outputs:
    r"""Takes the place of `sys.stdout` and `sys.stderr`.

    Args:
        terminal: Whether both are a terminal; otherwise both go to a file or a pipe.
        reads: After how many characters the reader of stdout goes away.

    Attributes:
        out: What is written to stdout.
        err: What is written to stderr, which passes on each line wherever it leads.

    Example:
        >>> import sys
        >>> with Outputs() as outputs:
        ...     print('an answer')
        ...     print('a remark', file=sys.stderr)
        ...     left_so_far = outputs.out.text, outputs.err.text
        >>> left_so_far, outputs.out.text
        (('', 'a remark\n'), 'an answer\n')
    """

    def __init__(self, *, terminal: bool = False, reads: int | None = None) -> None:
        self.out = Output(terminal=terminal, reads=reads)
        self.err = _Unbuffered(terminal=terminal)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(contextlib.redirect_stdout(self.out))
        self._stack.enter_context(contextlib.redirect_stderr(self.err))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
        with contextlib.suppress(BrokenPipeError):
            self.out.flush()  # as at the end of a program
        self.err.flush()


class _Unbuffered(Output):
    def write(self, text: str, /) -> int:
        super().write(text)
        if '\n' in text:
            self.flush()
        return len(text)
