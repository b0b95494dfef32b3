"""A run twice, side by side: as it arrives, and as it is shown. Needs `rich`, of the extra `display`."""

from __future__ import annotations

import asyncio
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

from ..aio.cursor import Cursor
from ..core.pacing import Smoothing
from ..reduce.events import RunEvent
from ..run.stream import RunStream
from .marks import piece_in, pieces
from .narrator import Narrator
from .sheet import Sheet, Style, Surface, printable
from .terminal import Timeline

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

__all__ = ['can_print_columns', 'print_columns']

PACED: Final = Smoothing()
NARROWEST = 72
LOWEST = 16
WIDEST = 100
GUTTER = 4
FRAME = 1 / 30
"""Seconds between two updates of the screen."""


def can_print_columns(file: TextIO | None = None) -> bool:
    """Whether `print_columns` has what it needs: `rich`, and a terminal of at least 72 by 16 cells."""
    sheet = Sheet(file)
    return sheet.is_terminal and sheet.width >= NARROWEST and sheet.height >= LOWEST and _has_rich()


async def print_columns(
    stream: RunStream[Any],
    *,
    smoothing: Smoothing = PACED,
    titles: tuple[str, str] = ('as it arrives', 'paced'),
    file: TextIO | None = None,
) -> Timeline:
    """Print a run twice, side by side: on the left as it arrives, on the right paced.

    While the run goes on, each column shows as much of its end as fits on the screen; afterwards both stand there
    whole, also when the run failed or this was cancelled.

    Args:
        stream: A run that was entered.
        smoothing: How to pace the right column.
        titles: What to write above the columns.
        file: A terminal (see `can_print_columns`); by default `sys.stdout`.

    Returns:
        When the right column grew, and by how much.

    Raises:
        ImportError: `rich` is missing.
        TypeError: `smoothing` is no `Smoothing`.
        Exception: What the run failed with.

    Example:
        ```python
        from pydantic_ai_streaming import RunStream, Smoothing
        from pydantic_ai_streaming.display import print_columns


        async def compare(agent, prompt):
            async with RunStream(agent.run_stream_events(prompt)) as stream:
                await print_columns(stream, smoothing=Smoothing(by='line'))
        ```
    """
    loop = asyncio.get_running_loop()
    grown: Timeline = []
    paced = pieces(stream, smoothing)
    screen = _Screen(stream.events(), titles, file)
    screen.start()
    try:
        async for piece in paced:
            screen.right.tell(piece)
            if piece:
                grown.append((loop.time(), len(piece)))
    finally:
        screen.stop(stream.text_so_far)
    return grown


class _Live(Protocol):
    """What is used of `rich.live.Live`."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def update(self, renderable: RenderableType, *, refresh: bool = False) -> None: ...


class _Screen:
    """Two columns that are drawn anew at each frame, by a timer of the event loop."""

    def __init__(self, arrivals: Cursor[RunEvent], titles: tuple[str, str], file: TextIO | None) -> None:
        from rich.console import Console
        from rich.live import Live

        plain = bool(os.environ.get('NO_COLOR'))
        self._console = Console(file=file, highlight=False, emoji=False, color_system=None if plain else 'auto')
        # What others print meanwhile comes to stand above the columns, as pydantic-ai's banner at the first run.
        self._live: _Live = Live(console=self._console, auto_refresh=False)
        self._arrivals = arrivals
        self._titles = titles
        self._columns = _Column(), _Column()
        self._left, self.right = Narrator(self._columns[0]), Narrator(self._columns[1])
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._live.start()
        self._draw()

    def stop(self, text: str) -> None:
        """Draw both columns whole."""
        if self._timer is not None:
            self._timer.cancel()
        self._take()
        for narrator in (self._left, self.right):
            narrator.close(text[narrator.shown :])
        self._live.update(self._rendered(whole=True))
        self._live.stop()

    def _take(self) -> None:
        for _, event in self._arrivals.take():
            self._left.tell(piece_in(event))

    def _draw(self) -> None:
        self._take()
        self._live.update(self._rendered(), refresh=True)
        self._timer = self._loop.call_later(FRAME, self._draw)

    def _rendered(self, *, whole: bool = False) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        width = (min(self._console.width, WIDEST) - GUTTER - 2) // 2
        room = None if whole else self._console.height - 3
        grid = Table.grid(padding=(0, GUTTER, 0, 0), pad_edge=False)
        for _ in self._columns:
            grid.add_column(width=width)
        grid.add_row(*(Text(title, 'bold', no_wrap=True, overflow='ellipsis') for title in self._titles))
        grid.add_row(*(Text('─' * width, 'dim') for _ in self._columns))
        grid.add_row(*(column.rendered(self._console, width, room) for column in self._columns))
        return grid


class _Column(Surface):
    """Text and lines, kept to be drawn."""

    def __init__(self) -> None:
        self._spans: list[tuple[str, Style]] = []
        self._status = ''

    def text(self, piece: str) -> None:
        if not piece:
            return
        if self._spans and self._spans[-1][1] != 'plain':
            self._break()
        self._add(piece, 'plain')

    def start(self, text: str) -> None:
        self._break()
        self._add(text, 'dim')

    def extend(self, text: str) -> None:
        self._add(text, 'dim')

    def line(self, text: str = '', style: Style = 'dim') -> None:
        self._break()
        self._add(text, style)

    def status(self, text: str) -> None:
        self._status = text

    def take_back(self, text: str) -> bool:
        text = printable(text)
        if not self._spans or self._spans[-1] != (text, 'plain'):
            return False
        self._spans.pop()
        return True

    def rendered(self, console: Console, width: int, room: int | None) -> Text:
        """The column, or as many rows of its end as there is room for."""
        from rich.text import Text

        text = Text()
        for span, style in self._spans:
            text.append(span, '' if style == 'plain' else style)
        if self._status:
            text.append(f'\n{self._status}', 'dim')
        if room is None:
            return text
        return Text('\n').join(text.wrap(console, width)[-room:])

    def _add(self, text: str, style: Style) -> None:
        self._status = ''
        text = printable(text)
        if self._spans and self._spans[-1][1] == style:
            self._spans[-1] = self._spans[-1][0] + text, style
        else:
            self._spans.append((text, style))

    def _break(self) -> None:
        self._status = ''
        if self._spans and not self._spans[-1][0].endswith('\n'):
            last, style = self._spans[-1]
            self._spans[-1] = last + '\n', style


def _has_rich() -> bool:
    try:
        return find_spec('rich') is not None
    except ValueError:  # sys.modules['rich'] is None: somebody has blocked it
        return False
