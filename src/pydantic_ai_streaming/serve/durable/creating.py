"""What a `PUT` makes where there is no stream, and what it finds where there is one."""

from __future__ import annotations

from ...logs.heads import Head, Write
from .answers import Answer, Refused, Step, refusal
from .asking import Create, instant_of
from .kept import Kept, Origin, kept_in
from .messages import media_type, messages_in
from .offsets import token_of

__all__ = ['beginning', 'created', 'decide_create', 'found', 'life', 'own_messages']


def decide_create(create: Create, head: Head | None) -> Answer | Step:
    """What to write, or what to answer, of a stream as it is. It is not to be a fork."""
    if head is not None:
        return found(create, head)
    content_type = create.content_type or 'application/octet-stream'
    try:
        entries = own_messages(create, content_type)
    except Refused as refused:
        return refused.answer
    kept = Kept(content_type=content_type, expires_at=create.expires_at)
    write = beginning(create, kept, create.ttl, entries)
    return Step([write], lambda length: created(create, content_type, length))


def own_messages(create: Create, content_type: str) -> list[bytes]:
    """The entries that the body amounts to. Raises as `messages_in`."""
    return messages_in(create.body, content_type) if create.body else []


def beginning(create: Create, kept: Kept, ttl: int | None, entries: list[bytes], *, close: bool | None = None) -> Write:
    """The write that makes a stream."""
    head = Head(
        stream_id=create.stream_id,
        incarnation=create.incarnation,
        ttl=None if ttl is None else float(ttl),
        owner=create.asker.owner,
        details=kept.written({}),
    )
    return Write(
        stream_id=create.stream_id,
        create=head,
        entries=entries,
        close=create.close if close is None else close,
        expires_in=life(kept, create.now),
    )


def life(kept: Kept, now: float) -> float | None:
    """Seconds until a stream is forgotten, if that is an instant of its own."""
    return None if kept.expires_at is None else instant_of(kept.expires_at) - now


def created(create: Create, content_type: str, length: int) -> Answer:
    """The answer when a stream was made."""
    headers = {'location': create.url, 'content-type': content_type, 'stream-next-offset': token_of(length)}
    return Answer(201, headers | ({'stream-closed': 'true'} if create.close else {}))


def found(create: Create, head: Head) -> Answer:
    """The answer where there is a stream: it is what was asked for, or it is not."""
    kept = kept_in(head) if create.asker.may_have(head) else None
    if kept is not None and kept.deleted:
        return refusal(409, 'This stream was deleted, and has forks: its name is taken.')
    if kept is None or not _as_asked(create, head, kept):
        return refusal(409, 'There is such a stream already, and it is another one.')
    headers = {'content-type': kept.content_type, 'stream-next-offset': token_of(head.length)}
    return Answer(200, headers | ({'stream-closed': 'true'} if head.closed else {}))


def _as_asked(create: Create, head: Head, kept: Kept) -> bool:
    content_type = create.content_type or (kept.content_type if create.fork else 'application/octet-stream')
    if media_type(content_type) != media_type(kept.content_type) or create.close != head.closed:
        return False
    if (create.fork is None) != (kept.origin is None):
        return False
    if kept.origin is not None and not comes_from(create, kept.origin):
        return False
    if create.fork is not None and create.ttl is None and create.expires_at is None:
        return True  # it was left to the source
    instants = [None if one is None else instant_of(one) for one in (create.expires_at, kept.expires_at)]
    return create.ttl == (None if head.ttl is None else int(head.ttl)) and instants[0] == instants[1]


def comes_from(create: Create, origin: Origin) -> bool:
    """Whether a fork is the one that is asked for."""
    fork = create.fork
    return (
        fork is not None
        and fork.source == origin.stream_id
        and fork.offset in (None, origin.offset)
        and fork.sub == origin.sub
    )
