"""What one writes on: a terminal, or a file that takes only lines. Text goes on where it stopped, a line is its own."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from contextlib import suppress
from typing import Literal, Protocol, TextIO

__all__ = ['Sheet', 'Style', 'Surface', 'printable', 'rows']

Style = Literal['plain', 'dim', 'bold', 'red']

_SGR: dict[Style, str] = {'dim': '\x1b[2m', 'bold': '\x1b[1m', 'red': '\x1b[31m'}
_CLEAR_LINE = '\r\x1b[2K'
_CLEAR_BELOW = '\r\x1b[J'

# A model's text may hold control characters, and a terminal would obey them: titles, colours, moved cursors. They are
# shown as Unicode's pictures of them instead. CR goes, since CR LF is a line end and CR alone would hide text.
_PICTURES: dict[int, str | None] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in '\n\t'},
    **dict.fromkeys(range(0x80, 0xA0), '\N{REPLACEMENT CHARACTER}'),
    0x0D: None,
    0x7F: '\N{SYMBOL FOR DELETE}',
}


def printable(text: str) -> str:
    r"""Text that a terminal shows and does not obey.

    Example:
        >>> printable('two\r\nlines, \x1b[31mred')
        'two\nlines, ␛[31mred'
    """
    return text if text.isprintable() else text.translate(_PICTURES)


def rows(text: str, width: int) -> int | None:
    r"""How many rows below its first one a text ends on a terminal of `width` cells.

    Returns:
        `None` where terminals disagree: joined emoji, combining marks, tabs.

    Example:
        >>> rows('one\ntwo', 80), rows('1234567890', 4), rows('e\u0301', 80)
        (1, 2, None)
    """
    row = column = 0
    for character in text:
        if character == '\n':
            row, column = row + 1, 0
            continue
        if unicodedata.category(character) in ('Mn', 'Me', 'Mc', 'Cf', 'Cc'):
            return None
        cells = 2 if unicodedata.east_asian_width(character) in 'WF' else 1
        column += cells
        if column > width:
            row, column = row + 1, cells
    return row


class Surface(Protocol):
    """Something that text and lines can be written on."""

    def text(self, piece: str) -> None:
        """Write text of the model, where the last of it stopped."""

    def start(self, text: str) -> None:
        """Begin a line of its own."""

    def extend(self, text: str) -> None:
        """Go on with the line that was begun."""

    def line(self, text: str = '', style: Style = 'dim') -> None:
        """Write a whole line of its own."""

    def status(self, text: str) -> None:
        """Show what goes on right now; whatever is written next replaces it."""

    def take_back(self, text: str) -> bool:
        """Erase what was written last, if it is this text and can be erased. Returns whether it was."""
        ...


class Sheet(Surface):
    """Writes to a file object: with styles, a status line and erasing on a terminal, as plain lines elsewhere.

    `NO_COLOR` takes the styles away. Characters that the file's encoding lacks become `?`.

    Args:
        file: Where to write; by default what `sys.stdout` is at the moment.

    Attributes:
        is_terminal: Whether the file is a terminal that understands control sequences.
        gone: Whether nobody reads any more: the other end of a pipe was closed, as `| head` does. What is written then
            is dropped.

    Example:
        >>> sheet = Sheet()
        >>> sheet.text('Let me look.'); sheet.line('→ a tool')
        Let me look.
        → a tool
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file or sys.stdout
        self.is_terminal = _obeys(self._file)
        self.gone = False
        self._styled = self.is_terminal and not os.environ.get('NO_COLOR')
        self._block = ''  # the text since the last line of its own: what could be erased
        self._open: Literal['nothing', 'text', 'line', 'status'] = 'nothing'

    @property
    def width(self) -> int:
        """Cells in a row of the terminal; 80 where there is none."""
        return self._size().columns

    @property
    def height(self) -> int:
        """Rows of the terminal; 24 where there is none."""
        return self._size().lines

    def text(self, piece: str) -> None:
        """Write text of the model, where the last of it stopped."""
        if not piece:
            return
        if self._open in ('line', 'status'):
            self.finish()
        piece = printable(piece)
        self._block += piece
        self._open = 'nothing' if piece.endswith('\n') else 'text'
        self._write(piece)

    def start(self, text: str) -> None:
        """Begin a line of its own."""
        self.finish()
        self._block = ''
        self._open = 'line'
        self._write(self._dressed(_one_line(text), 'dim'))

    def extend(self, text: str) -> None:
        """Go on with the line that was begun."""
        self._write(self._dressed(_one_line(text), 'dim'))

    def line(self, text: str = '', style: Style = 'dim') -> None:
        """Write a whole line of its own."""
        self.finish()
        self._block = ''
        self._write(self._dressed(_one_line(text), style) + '\n')

    def status(self, text: str) -> None:
        """Show what goes on right now, on a terminal only; whatever is written next replaces it."""
        if not self.is_terminal:
            return
        if self._open != 'status':
            self.finish()
        self._open = 'status'
        self._write(_CLEAR_LINE + self._dressed(_one_line(text)[: self.width - 1], 'dim'))

    def take_back(self, text: str) -> bool:
        """Erase what was written last, if it is this text, still on the screen, and of a width that is certain."""
        text = printable(text)
        if not self.is_terminal or self._block != text or self._open not in ('nothing', 'text'):
            return False
        up = rows(text, self.width)
        if up is None or up >= self.height - 1:
            return False
        self._write((f'\x1b[{up}A' if up else '') + _CLEAR_BELOW)
        self._block, self._open = '', 'nothing'
        return True

    def finish(self) -> None:
        """End the line that is open, if one is; a status disappears."""
        if self._open == 'status':
            self._write(_CLEAR_LINE)
        elif self._open != 'nothing':
            self._write('\n')
        self._open = 'nothing'

    def _dressed(self, text: str, style: Style) -> str:
        return f'{_SGR[style]}{text}\x1b[0m' if text and self._styled and style in _SGR else text

    def _write(self, text: str) -> None:
        if self.gone:
            return
        encoding = getattr(self._file, 'encoding', None) or 'utf-8'
        try:
            self._file.write(text.encode(encoding, 'replace').decode(encoding))
            self._file.flush()
        except BrokenPipeError:
            self.gone = True
            if self._file is sys.stdout:
                _drop_the_rest()

    def _size(self) -> os.terminal_size:
        if self.is_terminal:
            try:
                size = os.get_terminal_size(self._file.fileno())
            except (OSError, ValueError):
                size = os.terminal_size((0, 0))
            if size.columns > 0 and size.lines > 0:
                return size
            return shutil.get_terminal_size()
        return os.terminal_size((80, 24))


def _one_line(text: str) -> str:
    return printable(text).replace('\n', ' ')


def _obeys(file: TextIO) -> bool:
    # Consoles of Windows before its Terminal have to be told to obey, which is not done here.
    capable = os.environ.get('TERM') != 'dumb' and (os.name != 'nt' or 'WT_SESSION' in os.environ)
    return capable and file.isatty()


def _drop_the_rest() -> None:
    """Let Python write what it still holds of the standard output when it ends: it would complain of the pipe."""
    # As https://docs.python.org/3/library/signal.html#note-on-sigpipe has it.
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
