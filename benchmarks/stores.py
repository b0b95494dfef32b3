"""How long the stores take: loading a history of 1,000 messages, saving it, and appending a turn to it.

    python -m benchmarks stores

Beside pydantic-ai's in-memory store, in interleaved rounds; each ratio is that of one round, and the median is printed.
PostgreSQL and Redis are measured where `STORES_POSTGRES` and `STORES_REDIS` hold the address of a server: they are not
started here, and what is measured is deleted again.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationStore, InMemoryConversationStore
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from pydantic_ai_streaming.stores import (
    PostgresConversationStore,
    RedisConversationStore,
    SQLiteConversationStore,
)

__all__ = ['LIMIT', 'Cost', 'main', 'measure', 'table']

LIMIT = 2.0
"""How much longer than in memory SQLite may take to load."""

IN_MEMORY = 'in memory'


@dataclass(frozen=True)
class Cost:
    """Milliseconds, and how often those of the in-memory store."""

    load: float
    load_ratio: float
    save: float
    append: float
    delete: float


def history(messages: int) -> list[ModelMessage]:
    """Turns of four messages: a prompt, a tool call, its result, an answer."""
    turn: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart('When does the boat to Farland go? ' * 3)]),
        ModelResponse(
            parts=[TextPart('Let me see.'), ToolCallPart('ferries', {'to': 'Farland', 'day': 'Saturday'}, 'c')]
        ),
        ModelRequest(
            parts=[ToolReturnPart('ferries', {'boats': ['09:30', '13:15', '17:40'], 'bicycles': [2, 2, 0]}, 'c')]
        ),
        ModelResponse(parts=[TextPart('Take the **13:15** boat and bring the bicycle. ' * 6)]),
    ]
    return (turn * (messages // len(turn) + 1))[:messages]


async def measure(messages: int, rounds: int) -> dict[str, Cost]:
    """The cost of each store, by its name.

    Args:
        messages: The length of the history.
        rounds: How often each is measured.
    """
    taken: dict[str, dict[str, list[float]]] = {}
    async with AsyncExitStack() as stack:
        stores = await _stores(stack)
        for round_number in range(rounds):
            for name, store in stores.items():
                times = taken.setdefault(name, {'load': [], 'save': [], 'append': [], 'delete': []})
                await _round(store, f'benchmark-{os.getpid()}-{round_number}', messages, times)
    floor = taken[IN_MEMORY]['load']
    return {
        name: Cost(
            load=median(times['load']),
            load_ratio=median(mine / base for mine, base in zip(times['load'], floor, strict=True)),
            save=median(times['save']),
            append=median(times['append']),
            delete=median(times['delete']),
        )
        for name, times in taken.items()
    }


async def _stores(stack: AsyncExitStack) -> dict[str, ConversationStore]:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    stores: dict[str, ConversationStore] = {
        IN_MEMORY: InMemoryConversationStore(),
        'SQLite': await stack.enter_async_context(SQLiteConversationStore(directory / 'chats.db')),
    }
    if postgres := os.environ.get('STORES_POSTGRES'):
        stores['PostgreSQL'] = await stack.enter_async_context(PostgresConversationStore(postgres))
    if redis := os.environ.get('STORES_REDIS'):
        stores['Redis'] = await stack.enter_async_context(RedisConversationStore(redis))
    return stores


async def _round(store: ConversationStore, name: str, messages: int, times: dict[str, list[float]]) -> None:
    conversation = Conversation(conversation_id=name, messages=history(messages))
    times['save'].append(await _milliseconds(store.save(conversation)))
    await store.load(name)
    times['load'].append(await _milliseconds(store.load(name)))
    loaded = await store.load(name, limit=2)
    assert loaded is not None
    loaded.messages += history(4)
    times['append'].append(await _milliseconds(store.save(loaded)))
    times['delete'].append(await _milliseconds(store.delete(name)))


async def _milliseconds(operation: Awaitable[Any]) -> float:
    began = time.perf_counter()
    await operation
    return (time.perf_counter() - began) * 1e3


def table(messages: int, costs: dict[str, Cost]) -> Sequence[str]:
    """Lines that show the costs, and the limit of the one that has one."""
    lines = [f'{messages:,} messages    load, ms   ratio   limit      save   append a turn   delete']
    for name, cost in costs.items():
        verdict = f'{LIMIT:.1f}  {"met" if cost.load_ratio <= LIMIT else "NOT MET"}' if name == 'SQLite' else ''
        lines.append(
            f'{name:14s}{cost.load:12.1f}{cost.load_ratio:8.2f}   {verdict:8s}{cost.save:8.1f}{cost.append:16.1f}'
            f'{cost.delete:9.1f}'
        )
    return lines


def main() -> None:
    """Measure and print."""
    print('\n'.join(table(1_000, asyncio.run(measure(1_000, rounds=9)))))


if __name__ == '__main__':
    main()
