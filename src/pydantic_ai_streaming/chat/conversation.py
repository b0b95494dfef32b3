"""The conversation of a chat between two turns: `ChatConversation`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic_ai.conversation import Conversation
from pydantic_ai.messages import ModelMessage
from pydantic_ai.usage import RunUsage

from ..errors import StreamUsageError
from ..reduce.exchanges import Exchange, exchanges
from .kept import KeptConversation
from .turn import Seat

__all__ = ['ChatConversation']


class ChatConversation:
    """What `Chat` knows of its conversation, and what can be done with it between two turns.

    Args:
        kept: The conversation.
    """

    def __init__(self, kept: KeptConversation) -> None:
        self._kept = kept
        self._seat = Seat()

    @property
    def conversation_id(self) -> str:
        """The id under which the conversation is kept."""
        return self._kept.id

    @property
    def conversation(self) -> Conversation:
        """The conversation as it is here: what pydantic-ai takes as `conversation=`.

        Raises:
            StreamUsageError: It was not loaded yet.
        """
        if self._kept.conversation is None:
            raise StreamUsageError('The conversation was not loaded yet: use `async with chat:`, or await chat.load().')
        return self._kept.conversation

    @property
    def messages(self) -> list[ModelMessage]:
        """The history until the end of the last turn, ready for the next run."""
        return list(self.conversation.messages)

    @property
    def exchanges(self) -> list[Exchange]:
        """The same as prompts and replies."""
        return exchanges(self.conversation.messages)

    @property
    def usage(self) -> RunUsage:
        """What all turns have used. `usage_limits` of a turn count all of it."""
        return self.conversation.usage

    @property
    def recovered(self) -> list[ModelMessage]:
        """The end of the history that a journal has and no save yet; mostly empty.

        It is of a turn whose process has died, or that goes on elsewhere: which of them, the next turn finds out, and
        saves it or raises `TurnInProgress`.
        """
        return list(self._kept.recovered)

    async def load(self) -> None:
        """Read the conversation again, as it is stored now. What could not be saved is dropped.

        Raises:
            TurnInProgress: A turn of this chat goes on.
            ScopeConflict: It is stored with another scope.
            StoreError: The store cannot do it.
        """
        await self._between_turns(self._kept.load)

    async def save(self) -> None:
        """Save what could not be saved at the end of a turn.

        Raises:
            TurnInProgress: A turn of this chat goes on.
            ConversationChanged: Somebody else has saved the conversation.
            StoreError: The store cannot do it.
        """
        await self._between_turns(self._kept.save)

    async def branch(self, *, at: int | None = None, from_entry: str | None = None) -> None:
        """Go back to an earlier point, or to a branch that was left, as `ConversationStore.branch`.

        Args:
            at: How many messages to keep.
            from_entry: The last entry to keep instead: one of the history, or of a branch that was left.

        Raises:
            TurnInProgress: A turn goes on, here or in another process.
            UserError: There is no such point.
            ConversationChanged: Somebody else has saved the conversation.
            StoreError: The store cannot do it.
        """
        await self._between_turns(lambda: self._kept.branch(at=at, from_entry=from_entry))

    async def branches(self) -> list[str]:
        """The last entries of the branches that were left, the oldest first: `branch(from_entry=...)` goes back to one.

        Raises:
            StoreError: The store cannot do it.
        """
        record = await self._kept.store.read_record(self._kept.id)
        return [] if record is None else list(record.branches)

    async def _between_turns(self, work: Callable[[], Awaitable[object]]) -> None:
        self._seat.take(work, self._kept.id)
        try:
            await work()
        finally:
            self._seat.leave(work)
