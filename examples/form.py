"""A form that fills in while the model writes it: each field waits, comes, is done or is invalid.

    python examples/form.py                             # a scripted model, called scripted
    python examples/form.py --model openai:gpt-5-mini   # any model of pydantic-ai

In a pipe it prints a line for each field that is complete. On a terminal that is too low for the form, its first rows
are shown while it fills in, and all of it at the end. Ctrl-C in the middle: what came is kept, and printed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import textwrap
import unicodedata
from datetime import date
from typing import Any, Literal, TextIO, cast

from pydantic import BaseModel, Field
from pydantic_ai import Agent, AgentRunError, UserError

from pydantic_ai_streaming import Deadlines, FieldState, PartialOutput, RunStream, StreamingError
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

MARKS: dict[FieldState, str] = {'missing': '·', 'streaming': '▸', 'complete': '✓', 'invalid': '✗'}
DEADLINES = Deadlines(first=60, idle=60, total=300)
QUESTION = 'Plan a weekend with bicycles for the four of us, from Farland.'


class Trip(BaseModel):
    """A trip, planned."""

    title: str
    starts: date
    nights: int = Field(ge=1, le=14)
    transport: Literal['boat', 'train', 'bicycle', 'car']
    budget: float = Field(gt=0, description='Euros for all')
    plan: str = Field(description='Two or three sentences')
    packing: list[str] = Field(description='What to take along')


FIRST = (
    '{"title": "Two islands by bicycle", "starts": "2027-05-14", "nights": 2, "transport": "boat", "budget": -1, '
    '"plan": "Never sent: the budget was invalid.", "packing": []}'
)
SECOND = (
    '{"title": "Two islands by bicycle", "starts": "2027-05-14", "nights": 2, "transport": "boat", "budget": 640.5, '
    '"plan": "Take the 13:15 boat on Friday, the last one that carries bicycles. On Saturday ride around the north '
    'island, twenty-eight flat kilometres. On Sunday swim before breakfast, and be back by four.", '
    '"packing": ["rain jackets", "a pump", "sun cream", "the small tent"]}'
)


def scripted(gap: float) -> ScriptedModel:
    """Answers in pieces as a provider sends them; its first attempt has a budget that nobody can spend."""
    return ScriptedModel(*([ToolCall('final_result', text, pieces=6)] for text in (FIRST, SECOND)), gap=gap)


class Form:
    """The fields of a type, each with its state. On a terminal the form is drawn again in its place.

    Args:
        kind: The type.
        file: Where it is drawn.
    """

    def __init__(self, kind: type[BaseModel], file: TextIO) -> None:
        self._fields = list(kind.model_fields)
        self._file = file
        self._live = file.isatty() and os.environ.get('TERM') != 'dumb'
        self._drawn = 0  # rows of the form that stand above the cursor
        self._whole: list[str] = []  # all rows, while only the first of them are shown
        self._told: set[tuple[int, str]] = set()

    def show(self, partial: PartialOutput[Any]) -> None:
        """Draw a snapshot, or tell of the fields that have become complete or invalid in it."""
        if self._live:
            rows = self._rows(partial)
            # Rows that have left the screen cannot be drawn again.
            room = max(shutil.get_terminal_size().lines - 1, 1)
            self._whole = rows if len(rows) > room else []
            more = f'… {len(rows) - room + 1} more rows'[: _width()]
            self._draw([*rows[: room - 1], more] if self._whole else rows)
            return
        for name in self._fields:
            state = partial.state(name)
            if state in ('complete', 'invalid') and (partial.attempt, name) not in self._told:
                self._told.add((partial.attempt, name))
                self._write(f'{MARKS[state]} {name}: {self._text(partial, name)}\n')

    def leave(self) -> None:
        """What stands there stays, now as a whole; what is written next comes below."""
        if self._whole:
            self._draw(self._whole)
        self._drawn, self._whole = 0, []

    def _draw(self, rows: list[str]) -> None:
        up = f'\x1b[{self._drawn}A' if self._drawn else ''
        self._write(f'{up}\r\x1b[J' + ''.join(f'{row}\n' for row in rows))
        self._drawn = len(rows)

    def _rows(self, partial: PartialOutput[Any]) -> list[str]:
        width = _width()
        label = max(map(len, self._fields)) + 2 if width >= 40 else 0
        rows: list[str] = []
        for name in self._fields:
            mark, text = MARKS[partial.state(name)], self._text(partial, name)
            head = f'{mark} {name.ljust(label)}' if label else f'{mark} {name}'
            if label:
                lines = _wrapped(text, width - len(head)) or ['']
                rows.append(head + lines[0])
                rows += [' ' * len(head) + line for line in lines[1:]]
            else:
                rows.append(head[:width])
                rows += ['  ' + line for line in _wrapped(text, width - 2)]
        return rows

    def _text(self, partial: PartialOutput[Any], name: str) -> str:
        for error in partial.errors:
            if error.path[:1] == (name,):
                return _printable(f'{error.input!r}: {error.message}')
        if partial.state(name) == 'missing':
            return ''
        value = getattr(partial.value, name, None)
        if isinstance(value, list):
            return ', '.join(map(_printable, cast('list[object]', value)))
        return '' if value is None else _printable(value)

    def _write(self, text: str) -> None:
        self._file.write(text)
        self._file.flush()


def _width() -> int:
    return max(shutil.get_terminal_size().columns - 1, 12)


def _wrapped(text: str, width: int) -> list[str]:
    # Characters of two cells would end a row too early.
    wide = any(unicodedata.east_asian_width(sign) in 'WF' for sign in text)
    return textwrap.wrap(text, max(width // 2 if wide else width, 1))


def _printable(value: object) -> str:
    # A terminal obeys control characters, and a model may write any.
    return ''.join(sign if sign.isprintable() else ' ' for sign in str(value))


def say(line: str, file: TextIO) -> None:
    """Print a line; on a terminal it is wrapped at words."""
    if file.isatty():
        line = textwrap.fill(line, _width(), subsequent_indent='  ', break_on_hyphens=False)
    print(line, file=file, flush=True)


async def fill_in(model: str | None, *, gap: float = 0.03, file: TextIO | None = None) -> PartialOutput[Trip] | None:
    """Show the form while it fills in. Returns the last snapshot."""
    out: TextIO = file or sys.stdout
    agent = Agent(model or scripted(gap), output_type=Trip, retries=2)
    say(f'model: {model or "scripted"}', out)
    say(f'> {QUESTION}', out)
    print(file=out)
    form = Form(Trip, out)
    attempt = 1
    last: PartialOutput[Trip] | None = None
    async with RunStream(agent.run_stream_events(QUESTION), deadlines=DEADLINES) as stream:
        try:
            async for partial in stream.partial_outputs(on_invalid='retry'):
                if partial.attempt > attempt:
                    attempt = partial.attempt
                    form.leave()
                    print(file=out)
                    say('asked again, without waiting for the rest:', out)
                    print(file=out)
                last = partial
                form.show(partial)
        finally:
            form.leave()
            if last is not None and stream.finish is not None:
                print(file=out)
                say(f'{stream.finish} · {stream.stats}', out)
    return last


def main() -> None:
    parser = argparse.ArgumentParser(description='A form that fills in while a model writes it.')
    parser.add_argument('--model', help='a model of pydantic-ai, such as openai:gpt-5-mini; scripted by default')
    arguments = parser.parse_args()
    # pydantic-ai greets whoever runs an agent from a source tree, which would fall into the form.
    os.environ.setdefault('PYDANTIC_AI_NO_BANNER', '1')
    if reconfigure := getattr(sys.stdout, 'reconfigure', None):
        reconfigure(errors='replace')  # the marks, where the encoding has none
    try:
        code = run(arguments.model)
    except BrokenPipeError:
        # Whoever read this has gone, as `head` does. Python would flush the rest at its end, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1
    raise SystemExit(code)


def run(model: str | None) -> int:
    """Returns the exit status."""
    try:
        asyncio.run(fill_in(model))
    except KeyboardInterrupt:
        # What came stands above.
        print('\nstopped', flush=True)
        return 130
    except (StreamingError, AgentRunError, UserError, ImportError) as error:
        say(_printable(f'{type(error).__name__}: {error}'), sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    main()
