"""A run as text that streams: on a terminal, in a pipe, in a log."""

from __future__ import annotations

import asyncio
from typing import Any, Final, TextIO, TypeAlias

from ..core.pacing import Smoothing
from ..core.wording import a
from ..run.stream import RunStream
from ..run.sync import SyncRunStream
from .marks import pieces
from .narrator import Narrator
from .sheet import Sheet

__all__ = ['PACED', 'Timeline', 'print_stream']

Timeline: TypeAlias = list[tuple[float, int]]
"""When text was shown, in seconds on the event loop's clock, and how many code points."""

PACED: Final = Smoothing()


async def print_stream(
    stream: RunStream[Any],
    *,
    smoothing: Smoothing | None = PACED,
    file: TextIO | None = None,
    stats: bool = False,
) -> Timeline:
    """Print a run while it goes on: its text at a pace that one can read, its tools on lines of their own.

    On a terminal a status line counts the seconds of a running tool, and the text of an attempt that output validation
    rejects is erased. Anywhere else there are only lines: no control sequence and no carriage return, and a line says
    which text no longer counts. Control characters in the model's text are shown as pictures, never obeyed.

    Of a call's arguments the first 400 characters are shown, but a structured output is printed whole, as the JSON that
    the model writes. What would fill in needs a place that can be drawn anew: the cell of a notebook (`show`), or a
    part of the screen, for which `partial_outputs()` says what to draw.

    However the run ends, all its text is printed, and the line is ended. The same after `print_stream` is cancelled.
    Where nobody reads any more (`| head`), it returns; what becomes of the run is for whoever has entered it to say.

    Args:
        stream: A run that was entered; one that has ended is printed at once.
        smoothing: How to pace the text; `None` prints it as it comes.
        file: Where to; by default `sys.stdout`.
        stats: Whether to end with the line of `stream.stats`.

    Returns:
        When text was shown, and how much: what a chart of its pace is made of.

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
        from pydantic_ai_streaming.display import print_stream
        from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

        agent = Agent(ScriptedModel(['Let me ask.', ToolCall('tide', {'port': 'Farland'})], ['High water at noon.']))


        @agent.tool_plain
        async def tide(port: str) -> str:
            return '12:04'


        async def main():
            async with RunStream(agent.run_stream_events('When can I sail?')) as stream:
                await print_stream(stream)


        asyncio.run(main())
        #> Let me ask.
        #> → tide {"port": "Farland"}
        #> ← tide: 12:04
        #> High water at noon.
        ```
    """
    if not isinstance(stream, RunStream):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
        raise TypeError(f'print_stream needs the RunStream of an `async with`, not {a(stream)}. {_advice(stream)}')
    clock = asyncio.get_running_loop().time
    shown: Timeline = []
    sheet = Sheet(file)
    narrator = Narrator(sheet)
    try:
        async for piece in pieces(stream, smoothing):
            narrator.tell(piece)
            if sheet.gone:
                break
            if piece:
                shown.append((clock(), len(piece)))
    finally:
        narrator.close(stream.text_so_far[narrator.shown :])
        sheet.finish()
        if stats:
            sheet.line(str(stream.stats))
    return shown


def _advice(stream: object) -> str:
    if isinstance(stream, SyncRunStream):
        return 'There is none for synchronous streams: print their views, or use asyncio.run().'
    return 'Write `async with RunStream(agent.run_stream_events(...)) as stream:` and pass that stream.'
