"""A store with a journal whose clock is the event loop's, and which can be told to fail."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from pydantic_ai.conversation_store import InMemoryConversationStore

from pydantic_ai_streaming import StoreUnavailable
from pydantic_ai_streaming.stores.journal import JournalledTurn, JournalRow, decode_turn, encode_turn

__all__ = ['JournalStore']


class JournalStore(InMemoryConversationStore):
    """pydantic-ai's in-memory store with a journal.

    Attributes:
        turns: What is in the journal.
        written: When a turn was written.
        away: Whether the store cannot be reached.
        takes: Seconds that a write of the journal takes.
        dies: Whether whoever writes is dead: nothing of it arrives any more.
    """

    def __init__(self, *, takes: float = 0) -> None:
        super().__init__()
        self.turns: dict[str, JournalRow] = {}
        self.written: list[float] = []
        self.away = False
        self.takes = takes
        self.dies = False

    async def write_turn(self, turn: JournalledTurn, *, replaces: str | None = None) -> bool:
        self._reach()
        content, now = encode_turn(turn), self._now()
        await asyncio.sleep(self.takes)
        kept = self.turns.get(turn.conversation_id)
        if kept is not None and kept.turn_id not in (turn.turn_id, replaces):
            return False
        if not self.dies:
            self.turns[turn.conversation_id] = JournalRow(turn.turn_id, content, now, now)
            self.written.append(now)
        return True

    async def read_turn(self, conversation_id: str) -> JournalledTurn | None:
        self._reach()
        kept = self.turns.get(conversation_id)
        return None if kept is None else decode_turn(conversation_id, replace(kept, now=self._now()))

    async def clear_turn(self, conversation_id: str, turn_id: str) -> None:
        self._reach()
        if not self.dies and conversation_id in self.turns and self.turns[conversation_id].turn_id == turn_id:
            del self.turns[conversation_id]

    async def read_record(self, conversation_id: str) -> Any:
        self._reach()
        return await super().read_record(conversation_id)

    async def write_record(self, record: Any, **options: Any) -> None:
        self._reach()
        if not self.dies:
            await super().write_record(record, **options)

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailable('the store is away')

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
