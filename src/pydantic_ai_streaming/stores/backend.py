"""What the stores share: upstream's primitives over rows of text, and a save that recognises what it has stored.

A backend keeps `RecordRow`s and `EntryRow`s, and answers whether a write was possible; everything else is here.

pydantic-ai's `save` compares messages with `==` when it does not know where the stored ones end. A message whose tool
returned a tuple differs from itself after a round trip through JSON, so the save would store a second branch. Here a
save reads the stored messages through `_Recognising`, which puts the conversation's own message in place of a stored
one that is the same in JSON.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
    ConversationStore,
)
from pydantic_ai.messages import ModelMessage
from pydantic_ai.run import AgentRunResult

from ..errors import EntryMissing, ScopeConflict, StoreError
from .encoding import EntryRow, RecordRow, decode_entries, decode_record, encode_entry, encode_record, is_stored_as
from .journal import JournalledTurn, JournalRow, TurnJournal, decode_turn, encode_turn

__all__ = ['BackedConversationStore']


class BackedConversationStore(ConversationStore, TurnJournal):
    """A `ConversationStore` and a `TurnJournal` over rows of text; the stores of this package are its subclasses.

    `async with store` closes its connections at the end. A store that was closed opens again when it is next used.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @abstractmethod
    async def close(self) -> None:
        """Close the connections that the store has opened. The next operation opens new ones."""

    async def save(
        self, conversation: Conversation | AgentRunResult[Any], *, scope: str | None = None
    ) -> list[ConversationEntry]:
        """Save a conversation, or a run's result, as `ConversationStore.save` does.

        A message is recognised by its JSON form too, so that a tool's tuple, set, model, dataclass or bytes never makes
        the save store a second branch.

        Args:
            conversation: The conversation, or the run's result.
            scope: Whose or where the conversation is.

        Returns:
            The entries that the save has stored.

        Raises:
            ConversationConflict: The conversation was saved or deleted since it was loaded.
            ScopeConflict: It is stored with another scope.
            StoreError: The store cannot do it; what it holds is as it was, and the error carries the `messages`.
        """
        of_run = isinstance(conversation, AgentRunResult)
        messages = list(conversation.all_messages() if of_run else conversation.messages)
        try:
            return await _Recognising(self, messages).save(conversation, scope=scope)
        except ConversationConflict as conflict:
            if scope is not None:
                record = await self.read_record(conflict.conversation_id)
                if record is not None and record.scope != scope:
                    raise ScopeConflict(conflict.conversation_id, scope=scope) from None
            raise
        except StoreError as error:
            error.messages = messages
            raise

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        """The record of a conversation, or `None`."""
        text = await self._fetch_record(conversation_id)
        return None if text is None else decode_record(text)

    async def read_records(self, *, scope: str | None = None, limit: int | None = None) -> Sequence[ConversationRecord]:
        """The records, or those of a scope, the most recently saved first, at most `limit` of them."""
        return [decode_record(text) for text in await self._fetch_records(scope, limit)]

    async def write_record(
        self,
        record: ConversationRecord,
        *,
        new_entries: Sequence[ConversationEntry] = (),
        expected_revision: str | None,
    ) -> None:
        """Store a record and its new entries, all or nothing, if the stored revision is `expected_revision`.

        Raises:
            ConversationConflict: It is another, or the record's head is not stored any more.
            StoreError: The store cannot do it.
        """
        entries = [encode_entry(entry) for entry in new_entries]
        if not await self._put(encode_record(record), entries, expected_revision):
            raise ConversationConflict(record.conversation_id)

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        """Delete a record, and its entries as far as no other conversation uses them.

        Raises:
            ConversationConflict: The stored revision is another, or there is none.
            StoreError: The store cannot do it.
        """
        if not await self._remove(conversation_id, expected_revision):
            raise ConversationConflict(conversation_id)

    async def read_entry(self, entry_id: str) -> ConversationEntry:
        """The entry with this identifier.

        Raises:
            EntryMissing: There is none.
        """
        return (await self.read_history(entry_id, limit=1))[0]

    async def read_history(self, head_id: str | None, *, limit: int | None = None) -> list[ConversationEntry]:
        """The entries from the first one up to `head_id`, or the last `limit` of them, in one query.

        Raises:
            EntryMissing: One of them is not stored.
        """
        if head_id is None or limit == 0:
            return []
        rows = await self._fetch_line(head_id, limit)
        first_missing = head_id if not rows else rows[0].parent_id
        if first_missing is not None and (not rows or len(rows) != limit):
            raise EntryMissing(
                f'Entry {first_missing!r} is not in {self}: its conversation was deleted meanwhile, or the store is '
                'damaged. Load the conversation again; if that fails too, restore the store from a backup.',
                entry_id=first_missing,
            )
        return decode_entries(rows)

    async def delete(self, conversation_id: str, *, scope: str | None = None) -> None:
        """Delete a conversation, and the turn of it that is written down. Nothing of it stays that no other one uses.

        With `scope`, a conversation of another scope is left as it is.

        Raises:
            StoreError: The store cannot do it.
        """
        await super().delete(conversation_id, scope=scope)
        turn = await self.read_turn(conversation_id)
        if turn is not None and scope in (None, turn.scope) and await self.read_record(conversation_id) is None:
            await self.clear_turn(conversation_id, turn.turn_id)

    async def write_turn(self, turn: JournalledTurn, *, replaces: str | None = None) -> bool:
        """Write down a turn that goes on, as `TurnJournal.write_turn`."""
        return await self._put_turn(turn.conversation_id, turn.turn_id, encode_turn(turn), replaces)

    async def read_turn(self, conversation_id: str) -> JournalledTurn | None:
        """The turn that goes on or was left, as `TurnJournal.read_turn`."""
        row = await self._fetch_turn(conversation_id)
        return None if row is None else decode_turn(conversation_id, row)

    @abstractmethod
    async def _put_turn(self, conversation_id: str, turn_id: str, content: str, replaces: str | None) -> bool:
        """Put a turn in the place of none, of itself or of `replaces`; whether it was possible."""

    @abstractmethod
    async def _fetch_turn(self, conversation_id: str) -> JournalRow | None:
        """The turn of a conversation."""

    @abstractmethod
    async def _fetch_record(self, conversation_id: str) -> str | bytes | None:
        """The JSON of a record."""

    @abstractmethod
    async def _fetch_records(self, scope: str | None, limit: int | None) -> Sequence[str | bytes]:
        """The JSON of the records, newest first."""

    @abstractmethod
    async def _fetch_line(self, head_id: str, limit: int | None) -> Sequence[EntryRow]:
        """The entries that end with `head_id`, the oldest first, as far back as they are stored or `limit` goes."""

    @abstractmethod
    async def _put(self, row: RecordRow, entries: Sequence[EntryRow], expected_revision: str | None) -> bool:
        """Compare and swap a record with its new entries, all or nothing; whether it was possible."""

    @abstractmethod
    async def _remove(self, conversation_id: str, expected_revision: str) -> bool:
        """Compare and delete a record, and the entries that nothing else needs; whether it was possible."""


class _Recognising(ConversationStore):
    """A store as one save sees it: stored messages that are the conversation's own come back as those objects."""

    def __init__(self, store: BackedConversationStore, messages: Sequence[ModelMessage]) -> None:
        self._store = store
        self._messages = messages

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        return await self._store.read_record(conversation_id)

    async def read_records(self, *, scope: str | None = None, limit: int | None = None) -> Sequence[ConversationRecord]:
        return await self._store.read_records(scope=scope, limit=limit)

    async def write_record(
        self,
        record: ConversationRecord,
        *,
        new_entries: Sequence[ConversationEntry] = (),
        expected_revision: str | None,
    ) -> None:
        await self._store.write_record(record, new_entries=new_entries, expected_revision=expected_revision)

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        await self._store.delete_record(conversation_id, expected_revision=expected_revision)

    async def read_entry(self, entry_id: str) -> ConversationEntry:
        return await self._store.read_entry(entry_id)

    async def read_history(self, head_id: str | None, *, limit: int | None = None) -> list[ConversationEntry]:
        entries = await self._store.read_history(head_id, limit=limit)
        for index, (entry, message) in enumerate(zip(entries, self._messages, strict=False)):
            if not is_stored_as(message, entry.message):
                break
            entries[index] = replace(entry, message=message)
        return entries
