"""The turn of a conversation that goes on, written down while it does: `TurnJournal` and what it keeps.

A conversation is saved when a turn is over. Should the process die before, what was said since would be lost; a journal
has it as it was a moment ago. A turn counts while the conversation is at the revision that the turn continues, so a
save and the removal of the turn need not be one step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, runtime_checkable

from pydantic import TypeAdapter, ValidationError
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter
from pydantic_ai.usage import RunUsage
from pydantic_core import from_json

from .encoding import encode_message, why_unreadable

__all__ = ['JournalRow', 'JournalledTurn', 'TurnJournal', 'decode_turn', 'encode_turn']

MISSED = 3
"""Writes that may be missed before a turn counts as left."""


@dataclass(frozen=True, kw_only=True)
class JournalledTurn:
    """A turn that goes on, or that a process has left unfinished, as it was last written down.

    Attributes:
        conversation_id: The conversation.
        turn_id: The turn; whoever keeps it writes it again and again.
        revision: The revision of the stored conversation that the turn continues; `None` if it was not stored yet.
        scope: Whose or where the conversation is.
        every: Seconds between two writes.
        messages: What the turn has added to the history so far, ready for the next run.
        usage: What the conversation has used so far.
        written_at: When it was written, in seconds on the store's clock. Set by the store.
        age: Seconds since then, when it was read. Set by the store.
        unreadable: Why what was written cannot be read; `None` if it can. It has no messages then. Set by the store.
    """

    conversation_id: str
    turn_id: str
    revision: str | None = None
    scope: str | None = None
    every: float
    messages: list[ModelMessage] = field(default_factory=list[ModelMessage])
    usage: RunUsage = field(default_factory=RunUsage)
    written_at: float = 0
    age: float = 0
    unreadable: str | None = None

    @property
    def left_in(self) -> float:
        """Seconds after which nobody keeps the turn any more, unless it is written again; 0 if that is so already."""
        return max(0.0, MISSED * self.every - self.age)


@runtime_checkable
class TurnJournal(Protocol):
    """What a conversation store needs for a turn to survive the end of its process. The stores of this package have it.

    One conversation has one turn at a time.
    """

    async def write_turn(self, turn: JournalledTurn, *, replaces: str | None = None) -> bool:
        """Write down a turn, for the first time or again.

        Args:
            turn: The turn as it is now.
            replaces: The `turn_id` of another turn that may be in its place.

        Returns:
            Whether it was: not if a third turn is there.

        Raises:
            StoreError: The store cannot do it.
        """
        ...

    async def read_turn(self, conversation_id: str) -> JournalledTurn | None:
        """The turn of a conversation, if there is one. One that cannot be read says so (`JournalledTurn.unreadable`).

        Raises:
            StoreError: The store cannot do it.
        """
        ...

    async def clear_turn(self, conversation_id: str, turn_id: str) -> None:
        """Forget this turn, if it is there.

        Raises:
            StoreError: The store cannot do it.
        """
        ...


@dataclass(frozen=True)
class JournalRow:
    """A turn as a backend keeps it; `now` is the store's clock, in seconds, when the row was read."""

    turn_id: str
    content: str | bytes
    written_at: float
    now: float


def encode_turn(turn: JournalledTurn) -> str:
    """The JSON of a turn.

    Raises:
        StoreError: A message has no JSON form.
    """
    messages = ','.join(map(encode_message, turn.messages))
    return f'{_head().dump_json(_Head.of(turn)).decode()[:-1]},"messages":[{messages}]}}'


def decode_turn(conversation_id: str, row: JournalRow) -> JournalledTurn:
    """A turn as it was read.

    A row that cannot be read must not close the conversation for good, and must still be one that can be replaced. If a
    newer version keeps it, it goes on, and what it says of itself beside its messages can be read all the same.
    """
    written: Any = {'written_at': row.written_at, 'age': max(0.0, row.now - row.written_at)}
    head = _Head(conversation_id, row.turn_id, revision=None, scope=None, every=0, usage=RunUsage())
    messages, unreadable = list[ModelMessage](), None
    try:
        content = from_json(row.content)
        added = content.pop('messages')
        head = _head().validate_python(content)
        messages = ModelMessagesTypeAdapter.validate_python(added)
    except (ValidationError, ValueError, KeyError, AttributeError, TypeError) as error:
        unreadable = why_unreadable(error)
    return JournalledTurn(**vars(head), messages=messages, unreadable=unreadable, **written)


@dataclass(frozen=True)
class _Head:
    """A turn without its messages, which have an encoding of their own."""

    conversation_id: str
    turn_id: str
    revision: str | None
    scope: str | None
    every: float
    usage: RunUsage

    @classmethod
    def of(cls, turn: JournalledTurn) -> _Head:
        return cls(turn.conversation_id, turn.turn_id, turn.revision, turn.scope, turn.every, turn.usage)


@cache
def _head() -> TypeAdapter[_Head]:
    return TypeAdapter(_Head)
