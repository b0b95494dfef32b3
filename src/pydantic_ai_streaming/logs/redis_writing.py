"""What a commit of many writes asks Redis for: for each stream, one step from the head that it had to the one it gets.

The steps are compared and set: Redis does one if the stream still has the revision from which it was decided. All
writes of a commit to one stream are one step, so that none overtakes another when it has to be decided anew.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ..errors import StoreError
from .heads import Head, Refusal, Write, apply

__all__ = ['Outcome', 'State', 'Step', 'decide']

Outcome: TypeAlias = Head | Refusal | StoreError | None


@dataclass(frozen=True, slots=True)
class State:
    """A stream as Redis has it.

    Attributes:
        revision: A name for this state, that no other has; empty if there has been no such stream lately.
        head: The stream, if there is one.
    """

    revision: str = ''
    head: Head | None = None


@dataclass(slots=True)
class Step:
    """What is done to a stream in one commit.

    Attributes:
        stream_id: The stream.
        before: The state from which it was decided.
        after: The state that it leads to; the same if nothing is changed.
        outcomes: What becomes of each of the writes, if `before` is still the state.
    """

    stream_id: str
    before: State
    after: State
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    entries: list[bytes] = field(default_factory=list[bytes])
    is_new: bool = False
    is_told: bool = False

    def arguments(self) -> list[str | bytes | int]:
        """As the script COMMIT takes them."""
        head = self.after.head
        known = head or self.before.head
        owner = '' if known is None or known.owner is None else f'={known.owner}'
        is_step = self.after is not self.before
        expires = '' if head is None or head.expires_at is None else math.ceil(head.expires_at * 1000)
        leased = '' if head is None or head.closed or head.leased_until is None else repr(head.leased_until)
        version = -1 if self.is_new or head is None else head.version
        return [
            self.stream_id,
            self.before.revision,
            self.after.revision if is_step else '',
            '' if head is None else head.dump(),
            version if self.is_told else '',
            int(self.is_new),
            expires,
            leased,
            owner,
            0 if head is None else head.length - len(self.entries),
            ' '.join(map(str, map(len, self.entries))),
            b''.join(self.entries),
        ]


def decide(stream_id: str, state: State, writes: Sequence[Write], now: float) -> Step:
    """Make one step of writes to a stream, by `apply`, each after the ones before it."""
    step = Step(stream_id, state, state)
    head = state.head
    is_step = False
    for write in writes:
        outcome = apply(head, write, now)
        step.outcomes.append(outcome)
        if isinstance(outcome, Refusal):
            continue
        if outcome is None or write.create is not None:
            step.entries, step.is_new = [], True
        step.entries += write.entries if outcome is not None else ()
        step.is_told = step.is_told or not write.quiet
        head, is_step = outcome, True
    if is_step:
        step.after = State(secrets.token_urlsafe(9), head)
    return step
