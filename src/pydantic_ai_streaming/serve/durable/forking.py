"""Forks: streams that begin with what another one has.

A fork has a copy, so that it may outlive its source by any length, and its entries have the offsets that they have
there. A long one is copied in several writes, unseen until it is whole; whoever asks for it goes on where the last one
stopped. If nobody does, because its maker is gone, the log forgets it a minute after the last of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

from ...logs.heads import Head, Slice, Write
from ..wire import FORMATS, is_frame
from .answers import Answer, Refused, Step, refusal
from .asking import Create, Fork
from .creating import beginning, comes_from, created, found, life, own_messages
from .kept import Kept, Origin, described, kept_in
from .messages import is_json, media_type

__all__ = ['MOST_FORKS', 'Beyond', 'Source', 'copied', 'decide_fork']

MOST_FORKS = 256
"""Forks that a stream may have at a time."""

COPIED_WITHIN = 60.0
"""Seconds that the next piece of a long fork may take: then its maker is gone."""


class Beyond:
    """Looks for where a fork ends, beyond an offset of its source. What clients are not shown does not count.

    Args:
        offset: The offset.
        sub: So many messages beyond that, or bytes of the next one.
        content_type: Of the source.

    Attributes:
        offset: What is to be seen next.
        whole: How many entries of the source the fork has as they are.
        next: The message that it has the beginning of, or none of; `None` if there is none.
        missing: Messages that were not seen yet.
    """

    def __init__(self, offset: int, sub: int, content_type: str) -> None:
        self._json = is_json(content_type)
        self.offset = self.whole = offset
        self.next: bytes | None = None
        self.missing = sub if self._json else min(sub, 1)

    def see(self, part: Slice) -> bool:
        """Look through entries; whether those that follow are to be seen, too."""
        for entry in part.entries if self.missing else ():
            self.offset += 1
            if not is_shown(part.head, entry):
                continue
            self.missing -= 1
            if self._json:
                self.whole = self.offset
            else:
                self.next = entry
            if not self.missing:
                break
        return self.missing > 0 and self.offset < part.head.length and bool(part.entries)


@dataclass(frozen=True, slots=True)
class Source:
    """The stream that a fork is made of.

    Attributes:
        part: It, with entries that were not copied yet.
        beyond: Where the fork ends.
        forks: Those of its forks that are there.
    """

    part: Slice
    beyond: Beyond
    forks: tuple[str, ...]


def copied(create: Create, head: Head | None) -> int | None:
    """How many entries a fork has that is not whole; `None` if it is, or is something else."""
    if head is None:
        return 0
    kept = kept_in(head) if create.asker.may_have(head) else None
    if kept is None or not kept.copying or kept.origin is None or not comes_from(create, kept.origin):
        return None
    return head.length


def decide_fork(
    create: Create, fork: Fork, head: Head | None, source: Source | None, content_type: str
) -> Answer | Step:
    """What to write next, or what to answer.

    Args:
        create: What is asked for.
        fork: Of which stream.
        head: The fork as it is, if it is there.
        source: The stream that it is made of, if that is there.
        content_type: Of streams that were not made through this protocol and do not say it.
    """
    if (first := copied(create, head)) is None:
        assert head is not None  # else it has none
        return found(create, head)
    known = None if source is None else described(source.part.head, content_type)
    if source is None or known is None or known.copying or _replaced(head, source):
        lost = refusal(404, 'There is no such stream to fork.')
        return lost if head is None else Step([_withdrawn(head)], lambda _: lost)
    try:
        return _next(create, _origin(create, fork, head, source, known), head, source, known, first)
    except Refused as refused:
        return refused.answer


def _replaced(head: Head | None, source: Source) -> bool:
    kept = None if head is None else kept_in(head)
    return kept is not None and kept.origin is not None and kept.origin.incarnation != source.part.head.incarnation


def _withdrawn(head: Head) -> Write:
    return Write(stream_id=head.stream_id, incarnation=head.incarnation, version=head.version, delete=True)


def _origin(create: Create, fork: Fork, head: Head | None, source: Source, known: Kept) -> Origin:
    """How much a fork begins with.

    Raises:
        Refused: It is not there, or may not be had.
    """
    if head is not None and (kept := kept_in(head)) is not None and kept.origin is not None:
        return kept.origin
    at = source.part.head
    if known.deleted:
        raise Refused(409, 'The stream to fork was deleted.')
    if create.content_type is not None and media_type(create.content_type) != media_type(known.content_type):
        raise Refused(409, 'The stream to fork has another content type.')
    offset = at.length if fork.offset is None else fork.offset
    if offset > at.length:
        raise Refused(400, 'Stream-Fork-Offset is beyond the end of the stream.')
    if source.beyond.missing or (source.beyond.next is not None and fork.sub > len(source.beyond.next)):
        raise Refused(400, 'Stream-Fork-Sub-Offset is beyond what there is.')
    return Origin(fork.source, at.incarnation, offset, fork.sub)


def _next(create: Create, origin: Origin, head: Head | None, source: Source, known: Kept, first: int) -> Answer | Step:
    at = source.part.head
    messages = own_messages(create, known.content_type)
    registered = kept_in(at)
    if registered is not None and create.stream_id not in registered.forks:
        if len(source.forks) >= MOST_FORKS:
            return refusal(409, f'The stream to fork has {MOST_FORKS} forks already.')
        registered = replace(registered, forks=(*source.forks, create.stream_id))
        return Step([_change(at, Write(stream_id=at.stream_id, details=registered.written(at.details)))])
    whole = source.beyond.whole
    entries = _copies(source.part, whole - first)
    kept = Kept(content_type=known.content_type, expires_at=create.expires_at, origin=origin)
    ttl = create.ttl
    if ttl is None and create.expires_at is None:
        kept = replace(kept, expires_at=known.expires_at)
        ttl = None if at.ttl is None else math.ceil(at.ttl)
    answer = None
    if first + len(entries) < whole:
        kept = replace(kept, copying=True, whole=whole)
    else:
        if source.beyond.next is not None:
            entries.append(source.beyond.next[: origin.sub])
        entries += messages
        answer = partial(created, create, known.content_type)
    closes = create.close and answer is not None
    if head is None:
        write = beginning(create, kept, ttl, entries, close=closes)
        return Step([replace(write, expires_in=COPIED_WITHIN) if kept.copying else write], answer)
    write = Write(stream_id=head.stream_id, entries=entries, close=closes, details=kept.written(head.details))
    return Step([_change(head, replace(write, expires_in=_life(create, kept, head)))], answer)


def _life(create: Create, kept: Kept, head: Head) -> float | None:
    """Seconds until a fork is forgotten; `None` if it has a time to live, which begins anew."""
    if kept.copying:
        return COPIED_WITHIN
    seconds = life(kept, create.now)
    return math.inf if seconds is None and head.ttl is None else seconds


def _copies(part: Slice, count: int) -> list[bytes]:
    """The entries that a fork gets. What is for clients of other formats is left out, and its offset is taken."""
    return [entry if is_shown(part.head, entry) else b'' for entry in part.entries[:count]]


def is_shown(head: Head, entry: bytes) -> bool:
    """Whether an entry is a message to clients of this protocol: of a run, its frames are. See `frames_in`."""
    return is_frame(entry) if FORMATS in head.details else entry != b''


def _change(head: Head, write: Write) -> Write:
    return replace(write, incarnation=head.incarnation, version=head.version)
