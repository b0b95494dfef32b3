"""What the protocol remembers of a stream, kept with it in the details of its head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from ...logs.heads import Head

__all__ = ['Kept', 'Origin', 'Turn', 'described', 'kept_in']

KEY: Final = 'durable_streams'
MOST_PRODUCERS: Final = 256
"""Producers of which a stream knows how far they have come; then the one that was silent longest is forgotten."""


class Turn(NamedTuple):
    """A request of an idempotent producer: its id, its epoch, and the number of the request in that."""

    producer: str
    epoch: int
    seq: int


class Origin(NamedTuple):
    """Where a fork comes from: the stream, which of those that had its name, and how much of it the fork has.

    `sub` are messages, or bytes of the message at `offset`, beyond that.
    """

    stream_id: str
    incarnation: str
    offset: int
    sub: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept.

    Attributes:
        content_type: As its creator has written it.
        expires_at: When it is forgotten, as its creator has written it.
        seq: The last `Stream-Seq`.
        producers: The epoch and the last request of each, the one that wrote last at the end.
        closed_by: The request that has closed it, of a producer.
        origin: Where it comes from, if it is a fork.
        forks: The forks that were made of it; some may be gone.
        copying: Whether a fork is still being filled: nobody sees it.
        whole: How many entries of its source it is to have then.
        deleted: Whether this is only what is left while there are forks.
    """

    content_type: str
    expires_at: str | None = None
    seq: str | None = None
    producers: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    closed_by: Turn | None = None
    origin: Origin | None = None
    forks: Sequence[str] = ()
    copying: bool = False
    whole: int = 0
    deleted: bool = False

    def after(self, turn: Turn) -> Mapping[str, tuple[int, int]]:
        """The producers after a request of one of them."""
        others = [(name, at) for name, at in self.producers.items() if name != turn.producer]
        return dict([*others[-(MOST_PRODUCERS - 1) :], (turn.producer, (turn.epoch, turn.seq))])

    def written(self, details: Mapping[str, Any]) -> dict[str, Any]:
        """The details of a head with this in them."""
        # Pairs and not an object, whose order a backend might lose.
        producers = [[name, *at] for name, at in self.producers.items()]
        fields: dict[str, Any] = {
            'content_type': self.content_type,
            'expires_at': self.expires_at,
            'seq': self.seq,
            'producers': producers,
            'closed_by': None if self.closed_by is None else list(self.closed_by),
            'origin': None if self.origin is None else list(self.origin),
            'forks': list(self.forks),
            'copying': self.copying,
            'whole': self.whole,
            'deleted': self.deleted,
        }
        return {**details, KEY: {name: value for name, value in fields.items() if value}}


def kept_in(head: Head) -> Kept | None:
    """What is kept of a stream; `None` if it was not made through this protocol."""
    if not isinstance(details := head.details.get(KEY), dict):
        return None
    fields = dict(cast('dict[str, Any]', details))
    if producers := fields.get('producers'):
        fields['producers'] = {name: (epoch, seq) for name, epoch, seq in producers}
    for name, kind in (('closed_by', Turn), ('origin', Origin)):
        if value := fields.get(name):
            fields[name] = kind(*value)
    return Kept(**{name: value for name, value in fields.items() if name in Kept.__slots__})


def described(head: Head, content_type: str) -> Kept:
    """What is known of a stream: what is kept, or the content type of those that were not made through this protocol.

    The details of such a stream may name another one, as `content_type`.
    """
    if (kept := kept_in(head)) is not None:
        return kept
    named = head.details.get('content_type')
    return Kept(content_type=named if isinstance(named, str) else content_type)
