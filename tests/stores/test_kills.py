"""Processes that are killed in the middle of turns: each conversation opens again, with what was shown, and goes on.

`KILLS=200 pytest tests/stores/test_kills.py` kills that many processes for each store; a few by default.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection
from random import Random
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import Chat
from pydantic_ai_streaming.reduce.history import INTERRUPTED
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall
from tests.stores.places import Place, Store
from tests.stores.writers import other_processes

KILLS = int(os.environ.get('KILLS', '5'))
CHATS = 10
"""Conversations that each process has at the same time."""

EVERY = 0.4
"""Seconds that may be lost."""

REPLY = [f'word {n} ' for n in range(2000)]


@dataclass(frozen=True)
class Shown:
    """What a reader has seen of a turn: so many characters at this instant of the clock of all processes."""

    chat: str
    at: float
    characters: int


@dataclass
class Seen:
    shown: list[Shown] = field(default_factory=list[Shown])

    def stood_still(self, killed: float) -> float:
        """Seconds for which the process did not get to run: something is shown every few milliseconds otherwise."""
        instants = [*sorted(one.at for one in self.shown), killed]
        return max(later - earlier for earlier, later in pairwise(instants))

    def characters(self, chat: str, *, until: float) -> int:
        return max((one.characters for one in self.shown if one.chat == chat and one.at <= until), default=0)


def talk_until_killed(place: Place, told: Connection) -> None:
    """Have turns in all conversations at the same time, and tell what is shown."""

    async def talk() -> None:
        async with place.open() as store:
            await asyncio.gather(*(turn(store, f'chat-{number}') for number in range(CHATS)))

    async def turn(store: Store, name: str) -> None:
        agent = Agent(ScriptedModel([ToolCall('look')], REPLY, gap=0.004))

        @agent.tool_plain
        async def look() -> str:
            return 'seen'

        async with Chat(agent, store, name, journal_every=EVERY).send('Go') as stream:
            characters = 0
            async for piece in stream.text():
                characters += len(piece)
                told.send(Shown(name, time.monotonic(), characters))

    asyncio.run(talk())


@pytest.mark.parametrize('seed', [7])
async def test_a_conversation_opens_again_after_kill_9_and_goes_on(place: Place, seed: int) -> None:
    random, context = Random(seed), other_processes()
    turns = {f'chat-{number}': 0 for number in range(CHATS)}
    kept = 0
    for _ in range(KILLS):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=talk_until_killed, args=(place, theirs))
        process.start()
        theirs.close()
        seen = Seen([await asyncio.to_thread(ours.recv)])
        await collect(ours, seen, random.random())
        killed = time.monotonic()
        process.kill()
        await collect(ours, seen, 30)
        ours.close()
        await asyncio.to_thread(process.join, 30)
        process.close()
        async with place.open() as store:
            texts = await asyncio.gather(*(go_on(store, name, seen, killed) for name in turns))
        for name, text in zip(turns, texts, strict=True):
            turns[name] += 1
            kept += bool(text)
    assert kept > KILLS * CHATS / 2, 'hardly a turn was killed in the middle of its text'
    async with place.open() as store:
        for name, count in turns.items():
            conversation = await store.load(name)
            assert conversation is not None
            assert said(conversation.messages).count('And?') == count
            assert await store.read_turn(name) is None


async def collect(pipe: Any, seen: Seen, seconds: float) -> None:
    until = time.monotonic() + seconds
    try:
        while (left := until - time.monotonic()) > 0:
            if await asyncio.to_thread(pipe.poll, min(left, 0.05)):
                seen.shown.append(pipe.recv())
    except (EOFError, OSError):
        pass


async def go_on(store: Store, name: str, seen: Seen, killed: float) -> str:
    """Open a conversation after the kill, check what is there, and have the next turn; the text that was kept."""
    async with Chat(Agent(ScriptedModel(['Next.'])), store, name, journal_every=EVERY) as chat:
        exchange = chat.exchanges[-1] if chat.exchanges else None
        text = '' if exchange is None or exchange.prompt != 'Go' else exchange.text
        assert ''.join(REPLY).startswith(text)
        lost_since = killed - EVERY - seen.stood_still(killed)
        assert len(text) >= seen.characters(name, until=lost_since), 'more was lost than may be'
        if text:
            assert said(chat.messages)[-5:] == ['Go', '', 'seen', text, INTERRUPTED]
            assert said(chat.recovered) == ['Go', '', 'seen', text, INTERRUPTED]
        async with chat.send('And?') as stream:
            assert await stream.get_output() == 'Next.'
        assert said(chat.messages)[-2:] == ['And?', 'Next.']
    return text


def said(messages: list[ModelMessage]) -> list[str]:
    return [str(getattr(part, 'content', '')) for message in messages for part in message.parts]
