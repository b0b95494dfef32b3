"""A list of cards that appear one by one, each as soon as it is complete, while the model still writes the next.

    python examples/cards.py                             # a scripted model, called scripted
    python examples/cards.py --model openai:gpt-5-mini   # any model of pydantic-ai

Ctrl-C in the middle: the cards that came are there.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import textwrap
from typing import Literal, TextIO

from pydantic import BaseModel, Field
from pydantic_ai import Agent, AgentRunError, UserError

from pydantic_ai_streaming import Deadlines, RunStream, StreamingError
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

DEADLINES = Deadlines(first=60, idle=60, total=300)
QUESTION = 'Three ferries to Farland that take a bicycle.'


class Ferry(BaseModel):
    """A ferry."""

    name: str
    leaves: str = Field(pattern=r'^\d\d:\d\d$')
    bicycles: Literal['free', 'for a fee', 'no']
    remark: str


DOCUMENT = (
    '{"response": ['
    '{"name": "Tern", "leaves": "09:30", "bicycles": "free", "remark": "The first boat of the day. Coffee on deck."}, '
    '{"name": "Gannet", "leaves": "13:15", "bicycles": "for a fee", "remark": "Twelve bicycles fit on board, so come '
    'a quarter of an hour early."}, '
    '{"name": "Petrel", "leaves": "late", "bicycles": "no", "remark": "Left out: its time is none."}, '
    '{"name": "Skua", "leaves": "16:05", "bicycles": "free", "remark": "Stops at the north island on request."}'
    ']}'
)
CORRECTED = DOCUMENT.replace('"late"', '"17:40"').replace('Left out: its time is none.', 'The last boat, at dusk.')


def scripted(gap: float) -> ScriptedModel:
    """Answers in pieces; one card of its first attempt is invalid, and comes in the second."""
    return ScriptedModel(*([ToolCall('final_result', text, pieces=6)] for text in (DOCUMENT, CORRECTED)), gap=gap)


def card(ferry: Ferry, columns: int) -> str:
    """A card of at most `columns` cells."""
    inner = max(min(columns - 1, 60) - 4, 8)
    title = f' {ferry.leaves} {ferry.name} '[: inner + 2]
    lines = [*textwrap.wrap(ferry.remark, inner), *textwrap.wrap(f'bicycles: {ferry.bicycles}', inner)]
    body = [f'│ {_printable(line).ljust(inner)} │' for line in lines]
    return '\n'.join(['┌' + _printable(title).ljust(inner + 2, '─') + '┐', *body, '└' + '─' * (inner + 2) + '┘'])


def _printable(text: str) -> str:
    # A terminal obeys control characters, and a model may write any.
    return ''.join(sign if sign.isprintable() else ' ' for sign in text)


def say(line: str, file: TextIO) -> None:
    """Print a line; on a terminal it is wrapped at words."""
    if file.isatty():
        width = max(shutil.get_terminal_size().columns - 1, 12)
        line = textwrap.fill(line, width, subsequent_indent='  ', break_on_hyphens=False)
    print(line, file=file, flush=True)


async def deal(model: str | None, *, gap: float = 0.03, file: TextIO | None = None) -> list[Ferry]:
    """Print each card when it is complete. Returns those that came."""
    out: TextIO = file or sys.stdout
    agent = Agent(model or scripted(gap), output_type=list[Ferry])
    say(f'model: {model or "scripted"}', out)
    say(f'> {QUESTION}', out)
    print(file=out)
    cards: list[Ferry] = []
    async with RunStream(agent.run_stream_events(QUESTION), deadlines=DEADLINES) as stream:
        try:
            async for ferry in stream.items():
                cards.append(ferry)
                print(card(ferry, shutil.get_terminal_size().columns), file=out, flush=True)
        finally:
            if stream.finish is not None:
                print(file=out)
                say(f'{len(cards)} cards · {stream.stats}', out)
    return cards


def main() -> None:
    parser = argparse.ArgumentParser(description='Cards that appear one by one while a model writes them.')
    parser.add_argument('--model', help='a model of pydantic-ai, such as openai:gpt-5-mini; scripted by default')
    arguments = parser.parse_args()
    # pydantic-ai greets whoever runs an agent from a source tree, which would fall between the cards.
    os.environ.setdefault('PYDANTIC_AI_NO_BANNER', '1')
    if reconfigure := getattr(sys.stdout, 'reconfigure', None):
        reconfigure(errors='replace')  # the frames, where the encoding has none
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
        asyncio.run(deal(model))
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
