"""The conversation of a chat and the store that keeps it: loaded, checked, taken over from a process that has died."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationConflict, ConversationStore
from pydantic_ai.messages import ModelMessage

from ..core.telling import told_to
from ..errors import ConversationChanged, ScopeConflict, TurnInProgress
from ..run.stream import RunStream
from ..stores.journal import JournalledTurn, TurnJournal

__all__ = ['ELSEWHERE', 'KeptConversation']

logger = told_to('pydantic_ai_streaming')

ELSEWHERE = 'in another process, or in another Chat'

A_MOMENT = 0.01
"""Seconds that outweigh the rounding of two clocks."""


class KeptConversation:
    """A conversation, in memory and in a store.

    Attributes:
        store: What keeps it.
        journal: The same store, if it also keeps turns that go on.
        id: The conversation's.
        scope: Whose or where it is.
        conversation: As it is in memory; `None` until it was loaded.
        recovered: What a process that has died had added to it and not saved.
        replaces: A journalled turn that is over, if there is one: the next turn may take its place.
        own: The last turn of this chat itself.
    """

    def __init__(
        self,
        store: ConversationStore,
        conversation_id: str,
        *,
        scope: str | None,
        history_limit: int | None,
        journalled: bool,
    ) -> None:
        _check_name('conversation_id', conversation_id)
        if scope is not None:
            _check_name('scope', scope)
        self.store = store
        self.journal = store if journalled and isinstance(store, TurnJournal) else None
        self.id = conversation_id
        self.scope = scope
        self.conversation: Conversation | None = None
        self.recovered: list[ModelMessage] = []
        self.replaces: str | None = None
        self.own: str | None = None
        self._history_limit = history_limit
        self._left: JournalledTurn | None = None
        self._unsaved = False
        self._went_back_from: str | None = None
        self._to_return_to: str | None = None
        self._called_off: str | None = None

    async def load(self) -> Conversation:
        """Read the conversation, with a turn that was left unfinished; what is only in memory is dropped.

        Raises:
            ScopeConflict: It is stored with another scope.
            StoreError: The store cannot do it.
        """
        stored = await self.store.load(self.id, limit=self._history_limit, scope=self.scope)
        if stored is None and self.scope is not None and await self.store.read_record(self.id) is not None:
            raise ScopeConflict(self.id, scope=self.scope)
        conversation = stored or Conversation(conversation_id=self.id)
        self._left = await self._turn_left(conversation)
        self._unsaved = self._left is not None
        self._to_return_to = None
        self.recovered = []
        if self._left is not None and self._left.unreadable is not None:
            logger.warning(
                'The turn that a process has left in conversation %r cannot be read (%s). The conversation goes on '
                'without it; it is kept until the next turn begins, should a newer version be able to read it.',
                self.id,
                self._left.unreadable,
            )
        elif self._left is not None:
            self.recovered = self._left.messages
            conversation.usage = self._left.usage
            if self.recovered:  # an approval that it was about to act on is still waited for
                conversation.messages += self.recovered
                conversation.deferred_tool_requests = None
        self.conversation = conversation
        return conversation

    async def _turn_left(self, conversation: Conversation) -> JournalledTurn | None:
        turn = None if self.journal is None else await self.journal.read_turn(self.id)
        self.replaces = None if turn is None else turn.turn_id
        if turn is None or turn.revision != conversation.revision or turn.turn_id == self._called_off:
            return None  # what it added was saved, or the conversation went on without it, or it never began
        if self.scope is not None and turn.scope != self.scope:
            raise ScopeConflict(self.id, scope=self.scope)
        return turn

    async def ready(self) -> Conversation:
        """The conversation, for a turn that continues it: as it is stored, and with nobody else at it.

        Raises:
            TurnInProgress: Somebody else is.
            ConversationChanged: It was saved or deleted since it was loaded.
            ScopeConflict: It is stored with another scope.
            StoreError: The store cannot do it.
        """
        await self.return_()
        conversation = self.conversation or await self.load()
        while True:
            if self._left is not None and not await self._is_over(self._left):
                conversation = await self.load()
                continue
            is_taken_over = self._left is not None
            try:
                await self.save()
            except ConversationChanged:
                if not is_taken_over:
                    raise
                conversation = await self.load()  # another one has taken it over, or it has ended after all
                continue
            record = await self.store.read_record(self.id)
            if (None if record is None else record.revision) != conversation.revision:
                raise ConversationChanged(self.id)
            if await self._turn_left(conversation) is None:
                break
            conversation = await self.load()  # somebody has begun a turn since
        if self.journal is not None and record is None:
            # Now it is listed, and found again by whoever does not know its id, should its first turn be its last.
            await self.store.save(conversation, scope=self.scope)
        return conversation

    async def _is_over(self, left: JournalledTurn) -> bool:
        """Whether a turn was left by its process, found out by waiting until it would have been written again.

        `False` if it is not the one that was loaded any more. How long to wait is measured here, since the store's
        clock may be set back meanwhile.
        """
        if left.turn_id == self.own:
            return True
        now = await self._read_again(left)
        if now is None or now.written_at != left.written_at:
            return False
        clock = asyncio.get_running_loop().time
        until = clock() + now.left_in + A_MOMENT
        while now.left_in and clock() < until:
            await asyncio.sleep(min(until - clock(), now.every))
            before, now = now, await self._read_again(left)
            if now is None:
                return False
            if now.written_at != before.written_at:
                raise TurnInProgress(self.id, where=ELSEWHERE)
        return True

    async def _read_again(self, left: JournalledTurn) -> JournalledTurn | None:
        assert self.journal is not None
        turn = await self.journal.read_turn(self.id)
        return turn if turn is not None and turn.turn_id == left.turn_id else None

    def take(self, stream: RunStream[Any]) -> None:
        """Add what a turn has said, however it ended."""
        conversation = self.conversation
        assert conversation is not None
        if stream.result is not None:
            self.conversation = stream.result.conversation
        elif conversation.deferred_tool_requests is not None and not stream.events().take(1):
            return  # it was refused, or stopped before anything came of it: what was waited for still is
        elif added := stream.new_messages:
            conversation.messages = [*conversation.messages, *added]
            conversation.deferred_tool_requests = None
            if stream.usage.has_values():  # a run that was never begun knows nothing of those before
                conversation.usage = stream.usage
        else:
            return
        self._unsaved = True

    async def save(self) -> None:
        """Store what is only in memory.

        Raises:
            ConversationChanged: Somebody else has saved or deleted the conversation meanwhile.
            ScopeConflict: It is stored with another scope.
            StoreError: The store cannot do it.
        """
        if not self._unsaved or self.conversation is None:
            return
        try:
            await self.store.save(self.conversation, scope=self.scope)
        except ScopeConflict:
            raise
        except ConversationConflict:
            raise ConversationChanged(self.id) from None
        self._unsaved = False
        self._left, self.recovered = None, []

    async def branch(self, *, at: int | None = None, from_entry: str | None = None) -> None:
        """Go back to an earlier point, or to a branch that was left, as `ConversationStore.branch`."""
        conversation = await self.ready()
        try:
            self.conversation = await self.store.branch(
                self.id, at=at, from_entry=from_entry, expected_revision=conversation.revision, scope=self.scope
            )
        except ConversationConflict:
            raise ConversationChanged(self.id) from None
        if self._history_limit is not None:
            await self.load()  # what came back is whole

    async def go_back(self, *, at: int, head: str) -> None:
        """Go back to an earlier point, for a turn that is about to begin.

        Args:
            at: How many messages to keep.
            head: The last entry as it is now.
        """
        await self.branch(at=at)
        self._went_back_from = head

    def begun(self) -> None:
        """The turn has begun where it went back to."""
        self._went_back_from = None

    def call_off(self, turn_id: str | None) -> None:
        """The turn did not begin: what the journal has of it does not count, and it should not have gone back."""
        self._called_off = turn_id or self._called_off
        self._to_return_to, self._went_back_from = self._went_back_from, None

    async def return_(self) -> None:
        """Undo what a turn that was called off has gone back. What the store cannot do now is done before the next."""
        head, self._to_return_to = self._to_return_to, None
        if head is None:
            return
        try:
            await self.branch(from_entry=head)
        except ConversationChanged:
            raise  # it is not ours to say any more where it goes on
        except BaseException:
            self._to_return_to = head
            raise


def _check_name(name: str, value: object) -> None:
    """Refuse what no store can find again, before a model is asked for a turn that could not be kept."""
    if not isinstance(value, str):
        raise TypeError(f'{name}={value!r}: use text')
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f'{name}={value!r}: use text that can be written as UTF-8 ({error.reason})') from None
