"""A run in a cell of a notebook, which grows in its place: `show`."""

from __future__ import annotations

import asyncio
import sys
from html import escape
from importlib import import_module
from typing import Any, Final, Protocol, cast

from pydantic_ai.messages import FunctionToolCallEvent, NativeToolCallPart, PartStartEvent

from ..core.pacing import Smoothing
from ..core.wording import a
from ..errors import StreamUsageError
from ..partials.partial_output import PartialOutput
from ..reduce.events import AttemptRejectedEvent, ResponseTruncatedEvent, RunEvent
from ..run.output_views import PartialOutputView
from ..run.stream import RunStream
from .markdown import markdown_html
from .marks import Mark, piece_in, pieces
from .table import table_html
from .terminal import PACED, print_stream

__all__ = ['Throttle', 'show']

UPDATES: Final = 15
"""Updates a second, at most. Jupyter takes 1,000 messages a second, and people see no more."""

BYTES: Final = 400_000
"""Bytes a second, at most: Jupyter drops output above 1 MB a second, and other cells have some to say too."""

SHARE: Final = 4
"""Drawing takes at most one in so many parts of the time: the run has the same event loop."""

TICK: Final = 0.5
"""Seconds between two updates while nothing comes: a tool that runs is seen to."""


async def show(stream: RunStream[Any], *, smoothing: Smoothing | None = PACED) -> None:
    """Show a run in the output of a notebook's cell while it goes on.

    In Jupyter (and in editors that speak to its kernels) and in marimo, the cell has one output, which is updated in
    its place, and saved as it is in the end: the text as Markdown, a structured output as a table that fills in, the
    tool calls as a picture of what happened when, and how the run ended. However it ends, also when the cell is
    interrupted, what has come stays there. Anywhere else the run is printed, as by `print_stream`.

    There are at most 15 updates a second, and fewer for a long text.

    Args:
        stream: A run that was entered; one that has ended is shown at once.
        smoothing: How to pace the text; `None` shows it as it comes.

    Raises:
        StreamTimeout: A deadline has passed.
        StreamTruncated: The reply was cut off.
        TypeError: `smoothing` is no `Smoothing`.
        Exception: What the run failed with.

    Example:
        ```python
        import asyncio

        from pydantic_ai import Agent
        from pydantic_ai_streaming import RunStream
        from pydantic_ai_streaming.display import show
        from pydantic_ai_streaming.testing import ScriptedModel

        agent = Agent(ScriptedModel(['High water ', 'at noon.']))


        async def main():
            async with RunStream(agent.run_stream_events('When can I sail?')) as stream:
                await show(stream)


        asyncio.run(main())  # in a notebook, write the `async with` into the cell
        #> High water at noon.
        ```
    """
    output = _output()
    if output is None:
        await print_stream(stream, smoothing=smoothing)
        return
    if not isinstance(stream, RunStream):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
        raise TypeError(
            f'show needs the RunStream of an `async with`, not {a(stream)}. A cell of a notebook can '
            '`await`: use `async with RunStream(...) as stream:` there.'
        )
    cell = _Cell(stream, output)
    error: BaseException | None = None
    try:
        async for piece in pieces(stream, smoothing, cell.read):
            cell.tell(piece)
    except BaseException as e:
        error = e
        raise
    finally:
        cell.close(error)


class Throttle:
    """When an output may be updated again. Knows no clock: every instant is an argument, in seconds.

    Attributes:
        next: From when on.

    Example:
        >>> throttle = Throttle()
        >>> throttle.updated(now=10.0, size=100, took=0.001)
        >>> round(throttle.next, 3)
        10.067
        >>> throttle.updated(now=11.0, size=200_000, took=0.001)
        >>> throttle.next
        11.5
    """

    __slots__ = ('next',)

    def __init__(self) -> None:
        self.next = 0.0

    def updated(self, now: float, *, size: int, took: float) -> None:
        """It was updated with so many bytes, which were so many seconds of work."""
        self.next = now + max(1 / UPDATES, size / BYTES, SHARE * took)


class _Output(Protocol):
    def update(self, html: str, text: str) -> None: ...


class _Jupyter:
    def __init__(self) -> None:
        display: Any = import_module('IPython.display').display
        self._handle = display({'text/plain': ''}, raw=True, display_id=True)

    def update(self, html: str, text: str) -> None:
        self._handle.update({'text/html': html, 'text/plain': text}, raw=True)


class _Marimo:
    def __init__(self, marimo: Any) -> None:
        self._marimo = marimo

    def update(self, html: str, text: str) -> None:
        self._marimo.output.replace(self._marimo.Html(html))


def _output() -> _Output | None:
    """The output of the cell that runs, if one does. Neither package is imported for that: its host has done so."""
    ipython: Any = sys.modules.get('IPython')
    if ipython is not None and getattr(ipython.get_ipython(), 'kernel', None) is not None:
        return _Jupyter()
    marimo: Any = sys.modules.get('marimo')
    return _Marimo(marimo) if marimo is not None and marimo.running_in_notebook() else None


class _Cell:
    """What the output shows, and when it is updated: by a timer of the event loop and not by a task."""

    def __init__(self, stream: RunStream[Any], output: _Output) -> None:
        self._stream = stream
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._throttle = Throttle()
        self._timer: asyncio.TimerHandle | None = None
        self._text = ''
        self._notes: list[str] = []
        self._has_tools = False
        self._outputs = _outputs(stream)
        self._partial: PartialOutput[Any] | None = None
        self._draw()

    def read(self, event: RunEvent) -> str:
        """What an event shows in the text. The table takes a step with it."""
        self._step()
        return piece_in(event)

    def tell(self, piece: str) -> None:
        self._add(piece)
        self._draw_at(self._throttle.next)

    def close(self, error: BaseException | None) -> None:
        """Draw what there is in the end, all of it."""
        if self._timer is not None:
            self._timer.cancel()
        # Told again from the beginning: what was left in the middle of may have taken something back since.
        self._text, self._notes = '', []
        for _, event in self._stream.events().take():
            self._add(piece_in(event))
        self._step()
        if isinstance(error, Exception):
            self._notes.append(f'✗ {type(error).__name__}: {error}')
        how = self._stream.finish or ('interrupted' if error is not None else 'complete')
        self._output.update(*self._picture(f'{how} · {self._stream.stats}'))

    def _step(self) -> None:
        if self._outputs is not None:
            for partial in self._outputs.step():
                self._partial = partial

    def _add(self, piece: str) -> None:
        self._text += piece
        if not isinstance(piece, Mark):
            return
        event = piece.event
        if isinstance(event, AttemptRejectedEvent):
            self._text = self._text.removesuffix(event.text)
            self._notes.append(f'✗ attempt {event.attempt} was rejected: {event.reason}')
        elif isinstance(event, ResponseTruncatedEvent):
            self._notes.append('… the reply is probably cut off')
        elif isinstance(event, FunctionToolCallEvent) or (
            isinstance(event, PartStartEvent) and isinstance(event.part, NativeToolCallPart)
        ):
            self._has_tools = True

    def _draw_at(self, when: float) -> None:
        if self._timer is None or when < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(when, self._draw)

    def _draw(self) -> None:
        began = self._loop.time()
        html, text = self._picture(f'… {self._stream.stats.duration:.1f} s')
        self._output.update(html, text)
        now = self._loop.time()
        self._throttle.updated(now, size=len(html.encode()) + len(text.encode()), took=now - began)
        self._timer = None
        self._draw_at(max(self._throttle.next, now + TICK))

    def _picture(self, last: str) -> tuple[str, str]:
        timeline = self._stream.timeline if self._has_tools else None
        parts = [markdown_html(self._text)] if self._text else []
        if self._partial is not None:
            parts.append(table_html(self._partial))
        if timeline is not None:
            parts.append(timeline.html())
        parts += [f'<div style="color:#b45309">{escape(note)}</div>' for note in self._notes]
        parts.append(f'<div style="color:#71717a;font-size:12px">{escape(last)}</div>')
        lines = [self._text, '' if self._partial is None else repr(self._partial.value)]
        lines += ['' if timeline is None else timeline.text(), *self._notes, last]
        return f'<div>{"".join(parts)}</div>', '\n'.join(line for line in lines if line)


def _outputs(stream: RunStream[Any]) -> PartialOutputView[Any] | None:
    try:
        return cast('PartialOutputView[Any]', stream.partial_outputs())
    except StreamUsageError:  # text has no parts
        return None
