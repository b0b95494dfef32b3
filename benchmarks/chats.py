"""What the journal of a chat costs over the same turns without one, and the view of tool calls for each event.

    python -m benchmarks chats

The journal is that of `SQLiteConversationStore` on a disk. Turns with and without it take turns, in processor time of
all threads; each ratio is that of one round, and the median is printed. The view reads a run that is over.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pydantic_ai import Agent

from benchmarks.overhead import agent as writer
from pydantic_ai_streaming import Chat, RunStream
from pydantic_ai_streaming.stores import SQLiteConversationStore
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

__all__ = ['JOURNAL_LIMIT', 'VIEW_LIMIT', 'JournalCost', 'journal_cost', 'lines', 'main', 'view_cost']

JOURNAL_LIMIT = 1.05
"""How much longer a turn may take with a journal."""

VIEW_LIMIT = 3.0
"""Microseconds that the view of tool calls may take for each event."""


@dataclass(frozen=True)
class JournalCost:
    """Microseconds of processor time for each piece of text, without and with a journal; and their ratio."""

    without: float
    with_journal: float
    ratio: float


async def journal_cost(pieces: int, rounds: int) -> JournalCost:
    """The cost of turns of so many pieces, as fast as they come."""
    taken: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder:
        async with SQLiteConversationStore(Path(folder) / 'chats.db') as store:
            for _ in range(rounds):
                for every in (None, 0.5):
                    chat = Chat(writer(pieces), store, journal_every=every)
                    gc.collect()
                    began = time.process_time()
                    async with chat.send('Go') as stream:
                        async for _ in stream.text():
                            pass
                    taken[every is not None].append((time.process_time() - began) / pieces * 1e6)
    ratio = median(a / b for a, b in zip(taken[True], taken[False], strict=True))
    return JournalCost(without=median(taken[False]), with_journal=median(taken[True]), ratio=ratio)


async def view_cost(script: list[Any], rounds: int) -> tuple[int, float]:
    """Events of a run with this script, and microseconds of the view of tool calls for each."""
    agent = Agent(ScriptedModel(script, ['Done.']))

    @agent.tool_plain
    def write(title: str, text: str) -> str:
        return title

    async with RunStream(agent.run_stream_events('Go')) as stream:
        await stream.get_output()
    events = len([event async for event in stream.events()])
    taken: list[float] = []
    for _ in range(rounds):
        gc.collect()
        began = time.process_time()
        async for _ in stream.tool_calls():
            pass
        taken.append((time.process_time() - began) / events * 1e6)
    return events, median(taken)


SCRIPTS: dict[str, list[Any]] = {
    'text': ['word '] * 20_000,
    '100 tool calls': [ToolCall('write', {'title': 'A', 'text': 'word ' * 30}, pieces=4)] * 100,
    'arguments of 100 KB': [ToolCall('write', {'title': 'A', 'text': 'word ' * 20_000}, pieces=4)],
}


def lines(journal: JournalCost, views: dict[str, tuple[int, float]]) -> Sequence[str]:
    """What was measured, beside the limits."""
    verdict = 'met' if journal.ratio <= JOURNAL_LIMIT else 'NOT MET'
    found = [
        'journal                µs per piece   ratio   limit',
        f'without{journal.without:28.1f}',
        f'with{journal.with_journal:31.1f}{journal.ratio:8.3f}   {JOURNAL_LIMIT:.2f}  {verdict}',
        '',
        'tool_calls()                  events   µs per event   limit',
    ]
    for name, (events, cost) in views.items():
        verdict = 'met' if cost <= VIEW_LIMIT else 'NOT MET'
        found.append(f'{name:26s}{events:10,}{cost:15.2f}   {VIEW_LIMIT:.1f}  {verdict}')
    return found


async def measure(rounds: int) -> tuple[JournalCost, dict[str, tuple[int, float]]]:
    """Both."""
    views = {name: await view_cost(script, rounds) for name, script in SCRIPTS.items()}
    return await journal_cost(20_000, rounds), views


def main() -> None:
    """Measure and print."""
    print('\n'.join(lines(*asyncio.run(measure(7)))))


if __name__ == '__main__':
    main()
