"""What the output of a program goes to: a pipe, which gets what was flushed, and a terminal, which obeys."""

from __future__ import annotations

import io
import re
import unicodedata

from .screen import Shown, now

__all__ = ['Pipe', 'Terminal']

_SEQUENCE = re.compile(r'\x1b\[([\d;?]*)([A-Za-z])')


class Pipe(io.TextIOWrapper):
    r"""A file with the buffer that Python gives to a pipe: what is written arrives at a flush, or 8 KB at a time.

    Attributes:
        arrived: What came out at the other end, and when.

    Example:
        >>> pipe = Pipe()
        >>> print('not yet', file=pipe)
        >>> unseen = pipe.text
        >>> print('!', file=pipe, flush=True)
        >>> unseen, pipe.text
        ('', 'not yet\n!\n')
    """

    def __init__(self) -> None:
        end = _End()
        super().__init__(io.BufferedWriter(end), encoding='utf-8', newline='\n')
        self.arrived = end.arrived

    @property
    def text(self) -> str:
        """All that arrived."""
        return ''.join(shown.text for shown in self.arrived)


class _End(io.RawIOBase):
    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[Shown] = []
        self._began = now()

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        raw = bytes(memoryview(data))  # pyright: ignore[reportArgumentType]  # a buffer, which has no type before 3.12
        self.arrived.append(Shown(round(now() - self._began, 9), raw.decode('utf-8', 'replace')))
        return len(raw)


class Terminal(io.TextIOWrapper):
    r"""A file that is a terminal, as far as streaming code needs one: lines, carriage return, backspace, erasing.

    A wide character takes two cells, and a row that is full goes on in the next. It never scrolls. As Python does it
    for a terminal, text is seen at a flush, or when a line is ended or gone back on.

    Args:
        width: Cells in a row.

    Example:
        >>> terminal = Terminal()
        >>> print('half \rwhole', file=terminal)
        >>> terminal.lines
        ['whole']
        >>> print('\x1b[1A\x1b[Kgone', end='', file=terminal, flush=True)
        >>> terminal.lines
        ['gone']
    """

    def __init__(self, width: int = 80) -> None:
        super().__init__(io.BytesIO(), encoding='utf-8')  # which makes it a `TextIO`; nothing is written there
        self.width = width
        self._rows: list[list[str]] = [[]]
        self._row = self._column = 0
        self._waiting = ''

    @property
    def lines(self) -> list[str]:
        """What one sees, row by row, without blanks at the right and without empty rows at the end."""
        lines = [''.join(row).rstrip() for row in self._rows]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def isatty(self) -> bool:
        """It is."""
        return True

    def write(self, text: str, /) -> int:
        """Take text, and show it if it ends a line or goes back on one."""
        self._waiting += text
        if '\n' in text or '\r' in text:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Show what was written, and obey what is in it."""
        if not self.closed:
            text, self._waiting = self._waiting, ''
            self._show(text)

    def _show(self, text: str) -> None:
        done = 0
        for sequence in _SEQUENCE.finditer(text):
            self._print(text[done : sequence.start()])
            self._obey(sequence[1], sequence[2])
            done = sequence.end()
        self._print(text[done:])

    def _print(self, text: str) -> None:
        for character in text:
            if character == '\n':
                self._go(self._row + 1, 0)
            elif character == '\r':
                self._column = 0
            elif character == '\b':
                self._column = max(0, self._column - 1)
            else:
                self._put(character)

    def _put(self, character: str) -> None:
        if unicodedata.category(character) in ('Mn', 'Me', 'Cf'):
            if self._column:
                self._rows[self._row][self._column - 1] += character
            return
        cells = 2 if unicodedata.east_asian_width(character) in 'WF' else 1
        if self._column + cells > self.width:
            self._go(self._row + 1, 0)
        row = self._rows[self._row]
        row.extend(' ' * (self._column + cells + 1 - len(row)))
        for cell in (self._column, self._column + cells):  # half a wide character is none
            if row[cell] == '':
                row[cell - 1] = row[cell] = ' '
        row[self._column : self._column + cells] = [character, ''][:cells]
        self._column += cells

    def _go(self, row: int, column: int) -> None:
        self._row, self._column = row, column
        while len(self._rows) <= row:
            self._rows.append([])

    def _obey(self, argument: str, command: str) -> None:
        many = int(argument) if argument.isdecimal() else 1
        row = self._rows[self._row]
        if command == 'K':
            del row[0 if argument == '2' else self._column :]
        elif command == 'J':
            del row[self._column :], self._rows[self._row + 1 :]
        elif command == 'A':
            self._row = max(0, self._row - many)
        elif command == 'D':
            self._column = max(0, self._column - many)
