"""Where the scenes are shown: headings, words about them, and how a run is printed there."""

from __future__ import annotations

import math
import textwrap
from typing import Any, TextIO

from ..core.pacing import Smoothing
from ..display.bars import amounts, bars
from ..display.columns import can_print_columns, print_columns
from ..display.sheet import Sheet, Style
from ..display.terminal import Timeline, print_stream
from ..reduce.content import text_in
from ..run.stream import RunStream

__all__ = ['Stage']

WIDEST = 100
LABEL = 10
CELL = 0.1
"""Seconds for each bar, where the run is short enough."""


class Stage:
    """Prints what the demo has to say, for people who see columns and for those who read lines.

    Args:
        smoothing: How text is paced.
        plain: Whether to print lines even where columns are possible.
        file: Where to; by default `sys.stdout`.

    Attributes:
        stream: The run that was shown last.
        figures: A label and the stats of each run that has ended.
    """

    def __init__(self, *, smoothing: Smoothing, plain: bool = False, file: TextIO | None = None) -> None:
        self.smoothing = smoothing
        self.stream: RunStream[Any] | None = None
        self.figures: list[tuple[str, str]] = []
        self._file = file
        self._sheet = Sheet(file)
        self._columns = not plain and can_print_columns(file)

    def _line(self, text: str = '', style: Style = 'plain') -> None:
        self._sheet.line(text, style)
        if self._sheet.gone:
            raise BrokenPipeError  # no model is to go on for nobody

    @property
    def width(self) -> int:
        """Cells in a line, at most 100."""
        return min(self._sheet.width, WIDEST)

    @property
    def compare_width(self) -> int:
        """Cells in a line that `compare` does not have to break: columns break their own."""
        return 10_000 if self._columns else self.width

    def heading(self, title: str) -> None:
        """Begin a scene."""
        self._line()
        if len(title) + 4 > self.width:
            self.say(title, 'bold')
        else:
            self._line(f'── {title} {"─" * (self.width - len(title) - 4)}', 'bold')

    def say(self, text: str = '', style: Style = 'dim') -> None:
        """A paragraph about what is shown, filled to the width; line ends of its own stay."""
        for paragraph in text.split('\n'):
            for line in textwrap.wrap(paragraph, self.width, break_on_hyphens=False) or ['']:
                self._line(line, style)

    async def show(self, stream: RunStream[Any]) -> None:
        """Print a run, paced."""
        self.stream = stream
        await print_stream(stream, smoothing=self.smoothing, file=self._file)

    async def compare(self, stream: RunStream[Any], *, start: float) -> None:
        """Print a run as it arrives beside the same run paced, or after it, and when text came in each.

        Args:
            stream: A run that was entered.
            start: When it began, on the event loop's clock.
        """
        self.stream = stream
        if self._columns:
            titles = 'stream.text()', 'stream.text(smoothing=Smoothing())'
            shown = await print_columns(stream, smoothing=self.smoothing, titles=titles, file=self._file)
        else:
            self.say('stream.text(smoothing=Smoothing())')
            self.say()
            shown = await print_stream(stream, smoothing=self.smoothing, file=self._file)
            self._arrivals(stream, start)
        self._timeline(stream, shown, start=start)

    def add_figures(self, label: str, stream: RunStream[Any]) -> None:
        """Remember what a run did, for the end."""
        self.figures.append((label, str(stream.stats)))

    def print_figures(self) -> None:
        """Print them."""
        for label, figures in self.figures:
            self._line(f'{label:<{LABEL + 2}}{figures}', 'plain')

    def _arrivals(self, stream: RunStream[Any], start: float) -> None:
        """The same record once more: what had come, and when."""
        came = [(at - start, text) for at, event in stream.events().take() if (text := text_in(event))]
        if len(came) > 24:
            return
        self.say()
        self.say(f'stream.text(): the same reply, as it came, in {len(came)} pieces')
        self.say()
        for at, text in came:
            line = f'{at:5.2f} s  {text!r}'
            self._line(line if len(line) <= self.width else line[: self.width - 1] + '…', 'plain')

    def _timeline(self, stream: RunStream[Any], shown: Timeline, *, start: float) -> None:
        came = [(at - start, len(text)) for at, event in stream.events().take() if (text := text_in(event))]
        if not came or not shown:
            return
        grew = [(at - start, length) for at, length in shown]
        end = max(came[-1][0], grew[-1][0])
        cells = self.width - LABEL
        cell = max(CELL, math.ceil(end / cells * 10) / 10)
        rows = [amounts(row, cell=cell, cells=int(end / cell) + 1) for row in (came, grew)]
        top = max(map(max, rows))
        self.say()
        for label, row in zip(('arrived', 'shown'), rows, strict=True):
            self._line(f'{label:<{LABEL}}{bars(row, top=top)}'.rstrip(), 'plain')
        self.say(f'{"":<{LABEL}}characters per {cell:g} s, {top} at most')
