"""Several answers to one question side by side, in columns that fill in while the models write.

    python examples/side_by_side.py                                           # scripted models, called scripted
    python examples/side_by_side.py --model openai:gpt-5-mini --model groq:llama-3.3-70b-versatile
    python examples/side_by_side.py --at-once 1                               # one after the other

One of the scripted models breaks off, and the others go on. In a pipe, and on a terminal that is too narrow, it prints
each line when it is complete. Ctrl-C in the middle: what came is kept, and printed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import textwrap
import time
import unicodedata
from collections.abc import Sequence
from itertools import zip_longest
from typing import TextIO

from pydantic_ai import Agent, AgentRunError, ModelHTTPError, UserError

from pydantic_ai_streaming import Deadlines, Merged, RunStream, Smoothing, StreamingError, merge
from pydantic_ai_streaming.testing import Fail, ScriptedModel, reply

DEADLINES = Deadlines(first=60, idle=60, total=300)
QUESTION = 'How do we get to Farland with four bicycles?'
FRAME = 1 / 30  # seconds between two drawings
NARROWEST = 14  # cells of a column
GUTTER = ' │ '

QUICK = 'Take the 13:15 boat.\nIt carries twelve bicycles, so be there a quarter of an hour early.\n'
CAREFUL = (
    'There are two ways.\n'
    'By boat: the 09:30 takes bicycles for free, the 13:15 for a fee, and the last one takes none.\n'
    'By train: over the dam, with one change, and four places for bicycles in each carriage.\n'
    'For four of you I would take the boat at 09:30 and have breakfast on deck.\n'
)
UNLUCKY = 'Four bicycles are many for the train, but the'


def scripted(gap: float) -> dict[str, ScriptedModel]:
    """Models of different speeds, of which one breaks off."""
    cut_off = Fail(ModelHTTPError(503, 'scripted', 'overloaded'))
    return {
        'careful': ScriptedModel(reply(CAREFUL, cut='tokens', seed=1), gap=gap),
        'quick': ScriptedModel(reply(QUICK, cut='tokens', seed=2), gap=gap / 2),
        'unlucky': ScriptedModel([*(f'{word} ' for word in UNLUCKY.split()), cut_off], gap=gap * 3),
    }


class Columns:
    """Texts that grow, each in a column. On a terminal they are drawn again in their place.

    Args:
        runs: What is shown.
        names: Of which runs.
        file: Where it is drawn.
    """

    def __init__(self, runs: Merged[str, str], names: Sequence[str], file: TextIO) -> None:
        self._runs = runs
        self._texts = dict.fromkeys(names, '')
        self._file = file
        self._live = file.isatty() and os.environ.get('TERM') != 'dumb' and self._width() >= NARROWEST
        self._drawn = 0  # rows that stand above the cursor
        self._drawn_at = 0.0

    def add(self, name: str, piece: str) -> None:
        """Text has come."""
        self._texts[name] += _printable(piece)
        if not self._live:
            *lines, self._texts[name] = self._texts[name].split('\n')
            for line in lines:
                self._tell(name, line)
        elif time.monotonic() - self._drawn_at > FRAME:
            # Rows that have left the screen cannot be drawn again: the last ones of each column are shown.
            self._draw(max(shutil.get_terminal_size().lines - 3, 1))
            self._drawn_at = time.monotonic()

    def leave(self) -> None:
        """What stands there stays, now as a whole; what is written next comes below."""
        if self._live:
            self._draw(None)
            self._drawn = 0
            return
        for name, text in self._texts.items():
            if text:
                self._tell(name, text)

    def _tell(self, name: str, line: str) -> None:
        say(f'{name}: {line}', self._file)

    def _width(self) -> int:
        count = len(self._texts)
        return (_width() - len(GUTTER) * (count - 1)) // count

    def _draw(self, room: int | None) -> None:
        width = max(self._width(), 1)
        columns = [_wrapped(text, width) for text in self._texts.values()]
        shown = [column if room is None else column[-room:] for column in columns]
        heads = [f'{self._mark(name)} {name}'[:width] for name in self._texts]
        rows = [heads, ['─' * width] * len(heads), *zip_longest(*shown, fillvalue='')]
        lines = [GUTTER.join(_padded(cell, width) for cell in row).rstrip() for row in rows]
        up = f'\x1b[{self._drawn}A' if self._drawn else ''
        self._file.write(f'{up}\r\x1b[J' + ''.join(f'{line}\n' for line in lines))
        self._file.flush()
        self._drawn = len(lines)

    def _mark(self, name: str) -> str:
        stream = self._runs.streams.get(name)
        if stream is None:
            return '·'
        if stream.finish is None:
            return '▸'
        return {'complete': '✓', 'stopped': '■'}.get(stream.finish, '✗')


def _width() -> int:
    return max(shutil.get_terminal_size().columns - 1, 12)


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in 'WF' else 1 for sign in text)


def _padded(text: str, width: int) -> str:
    return text + ' ' * (width - _cells(text))


def _wrapped(text: str, width: int) -> list[str]:
    rows: list[str] = []
    for line in text.rstrip('\n').split('\n'):
        # Characters of two cells would end a row too early.
        room = width if _cells(line) == len(line) else max(width // 2, 1)
        rows += textwrap.wrap(line, room) or ['']
    return rows


def _printable(text: str) -> str:
    # A terminal obeys control characters, and a model may write any.
    return ''.join(sign if sign.isprintable() or sign == '\n' else ' ' for sign in text)


def say(line: str, file: TextIO) -> None:
    """Print a line; on a terminal it is wrapped at words."""
    if file.isatty():
        line = textwrap.fill(line, _width(), subsequent_indent='  ', break_on_hyphens=False)
    print(line, file=file, flush=True)


async def answer(
    models: Sequence[str] = (), *, at_once: int | None = None, gap: float = 0.04, file: TextIO | None = None
) -> Merged[str, str]:
    """Show the answers of the models while they come. Returns what there is to know of them."""
    out: TextIO = file or sys.stdout
    # One model may be asked several times; each answer has a name of its own.
    named = {f'{name} {n}' if models.count(name) > 1 else name: name for n, name in enumerate(models, 1)}
    agents = {name: Agent(model, output_type=str) for name, model in (named or scripted(gap)).items()}
    runs = merge(
        {name: RunStream(agent.run_stream_events(QUESTION), deadlines=DEADLINES) for name, agent in agents.items()},
        at_once=at_once,
        on_error='isolate',
    )
    say(f'model: {", ".join(models) or "scripted"}', out)
    say(f'> {QUESTION}', out)
    print(file=out)
    columns = Columns(runs, list(agents), out)
    try:
        async with runs:
            async for name, piece in runs.text(smoothing=Smoothing()):
                columns.add(name, piece)
    finally:
        columns.leave()
        print(file=out)
        for name, stream in runs.streams.items():
            say(f'{name}: {stream.finish} · {stream.stats}', out)
    for name, error in runs.errors.items():
        say(_printable(f'{name}: {type(error).__name__}: {error}'), out)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description='Several answers side by side, while the models write them.')
    parser.add_argument('--model', action='append', default=[], help='a model of pydantic-ai, again for each answer')
    parser.add_argument('--at-once', type=int, help='how many write at the same time; all by default')
    arguments = parser.parse_args()
    # pydantic-ai greets whoever runs an agent from a source tree, which would fall into the columns.
    os.environ.setdefault('PYDANTIC_AI_NO_BANNER', '1')
    if reconfigure := getattr(sys.stdout, 'reconfigure', None):
        reconfigure(errors='replace')  # the marks, where the encoding has none
    try:
        code = run(arguments.model, arguments.at_once)
    except BrokenPipeError:
        # Whoever read this has gone, as `head` does. Python would flush the rest at its end, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1
    raise SystemExit(code)


def run(models: Sequence[str], at_once: int | None = None) -> int:
    """Returns the exit status."""
    try:
        runs = asyncio.run(answer(models, at_once=at_once))
    except KeyboardInterrupt:
        # What came stands above.
        print('\nstopped', flush=True)
        return 130
    except (StreamingError, AgentRunError, UserError, ImportError, ValueError) as error:
        say(_printable(f'{type(error).__name__}: {error}'), sys.stderr)
        return 1
    return 0 if runs.outputs else 1


if __name__ == '__main__':
    main()
