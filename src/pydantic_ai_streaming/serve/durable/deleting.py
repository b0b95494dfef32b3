"""What a `DELETE` leaves of a stream: nothing, or its name while there are forks of it."""

from __future__ import annotations

from dataclasses import replace

from ...logs.heads import Head, Write
from .answers import Answer, Step, gone, missing, only_read
from .kept import Kept, kept_in

__all__ = ['decide_delete', 'forgotten', 'is_fork_of']


def decide_delete(head: Head | None, forks: tuple[str, ...], incarnation: str) -> Answer | Step:
    """What to write, or what to answer, of a stream as it is.

    Args:
        head: The stream.
        forks: Those of its forks that are there.
        incarnation: A token for what is left of it.
    """
    if head is None:
        return missing()
    if (kept := kept_in(head)) is None:
        return only_read()
    if kept.deleted:
        return gone()
    writes = [forgotten(head)]
    if forks:
        # Its entries are not needed: forks have theirs. Who reads it sees that it is another one, and stops.
        left = Kept(content_type=kept.content_type, origin=kept.origin, forks=forks, deleted=True)
        name = Head(stream_id=head.stream_id, incarnation=incarnation, owner=head.owner, details=left.written({}))
        writes.append(Write(stream_id=head.stream_id, create=name, close=True))
    return Step(writes, lambda _: Answer(204))


def forgotten(head: Head) -> Write:
    """The write that forgets a stream, if it is as it was seen: a fork that was just made of it counts."""
    return replace(Write(stream_id=head.stream_id, delete=True), incarnation=head.incarnation, version=head.version)


def is_fork_of(source: str, fork: Head | None) -> bool:
    """Whether a stream that was once made as a fork of another one still is that."""
    kept = None if fork is None else kept_in(fork)
    return kept is not None and kept.origin is not None and kept.origin.stream_id == source
