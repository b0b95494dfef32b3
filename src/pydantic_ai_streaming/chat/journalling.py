"""Writes down a turn while it goes on: `Journalling`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from pydantic_ai.messages import ModelMessage

from ..aio.closing import over
from ..aio.cursor import Cursor
from ..core.telling import told_to
from ..errors import TurnInProgress
from ..reduce.content import content_in
from ..reduce.events import RunEvent
from ..run.stream import RunStream
from ..stores.journal import JournalledTurn, TurnJournal
from .kept import ELSEWHERE

__all__ = ['Journalling']

logger = told_to('pydantic_ai_streaming')


class Journalling:
    """Keeps one turn in a journal, from before the model is asked until the conversation is saved.

    It writes twice in `turn.every` seconds, so that with the time that a write takes no text is older than that before
    it is kept. What goes wrong meanwhile is logged, once until it is well again, and does not touch the stream: the
    save at the end says it again if it still is so.

    Args:
        journal: Where to.
        turn: The turn, with what is known of it before it begins.
        characters: How many may come before the turn is written out of turn.
    """

    def __init__(self, journal: TurnJournal, turn: JournalledTurn, *, characters: int | None) -> None:
        self._journal = journal
        self._turn = turn
        self._characters = characters
        self._task: asyncio.Task[None] | None = None
        self._stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._complained = False

    @property
    def turn_id(self) -> str:
        """Which turn it is."""
        return self._turn.turn_id

    async def begin(self, prompt: list[ModelMessage], *, replaces: str | None) -> None:
        """Write the turn down for the first time, with its prompt.

        Raises:
            TurnInProgress: Another turn is there.
            StoreError: The store cannot do it.
        """
        if not await self._journal.write_turn(replace(self._turn, messages=prompt), replaces=replaces):
            raise TurnInProgress(self._turn.conversation_id, where=ELSEWHERE)

    def follow(self, stream: RunStream[Any]) -> None:
        """Keep what the turn says from now on."""
        self._task = asyncio.create_task(self._follow(stream), name='pydantic-ai-streaming journal')

    async def stop(self) -> None:
        """Write no more, and wait for a write that goes on. If the caller is cancelled meanwhile, so is the write."""
        if not self._stopping.done():
            self._stopping.set_result(None)
        if self._task is not None:
            await over(self._task, patience=0)

    async def clear(self) -> None:
        """Forget the turn: it was saved, or there is nothing to keep."""
        try:
            await self._journal.clear_turn(self._turn.conversation_id, self._turn.turn_id)
        except Exception as error:  # it was saved: what is left here does not count any more
            self._complain('cannot be cleared', error)

    async def _follow(self, stream: RunStream[Any]) -> None:
        clock = asyncio.get_running_loop().time
        events, began = stream.events(), clock()
        while True:
            # Counted from when the last write began, so that the time that it took is not added.
            await self._pause(events, began + self._turn.every / 2)
            began = clock()
            if self._stopping.done() or not await self._write(stream):
                return

    async def _pause(self, events: Cursor[RunEvent], until: float) -> None:
        clock = asyncio.get_running_loop().time
        if self._characters is None:
            await asyncio.wait({self._stopping}, timeout=max(0, until - clock()))
            return
        came = 0
        while came < self._characters and clock() < until and not self._stopping.done():
            arrived = events.take()
            came += sum(content_in(event) or 0 for _, event in arrived)
            if events.exhausted:
                await asyncio.wait({self._stopping}, timeout=max(0, until - clock()))
            elif not arrived:
                await events.wait(until)

    async def _write(self, stream: RunStream[Any]) -> bool:
        """Write the turn as it is now; whether it is still ours."""
        turn = replace(self._turn, messages=stream.new_messages, usage=stream.usage)
        try:
            is_ours = await self._journal.write_turn(turn)
        except Exception as error:  # whatever the store raises, the stream goes on
            self._complain('cannot be journalled', error)
            return True
        if not is_ours:
            logger.error('Conversation %r was taken over by another process.', self._turn.conversation_id)
        self._complained = False
        return is_ours

    def _complain(self, what: str, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            logger.warning('The turn of conversation %r %s: %s', self._turn.conversation_id, what, error)
