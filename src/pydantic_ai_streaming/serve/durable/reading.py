"""What a `GET` or a `HEAD` is answered with."""

from __future__ import annotations

from ...logs.heads import Head, Slice
from ..wire import frames_in
from .answers import Answer, gone, missing, refusal
from .asking import Asker, Read
from .kept import Kept, kept_in
from .messages import joined
from .offsets import token_of

__all__ = ['beyond', 'caught_up', 'metadata', 'nothing_new', 'part_of', 'unreadable']


def unreadable(kept: Kept) -> Answer | None:
    """The answer to any kind of read of a stream that is there and is not to be seen."""
    return gone() if kept.deleted else missing() if kept.copying else None


def beyond(head: Head, offset: int) -> Answer | None:
    """The answer if an offset is not one of this stream: it was another one's, which had this name."""
    if offset <= head.length:
        return None
    return refusal(400, 'The stream does not go so far: this is an offset of another one.')


def metadata(head: Head, kept: Kept) -> Answer:
    """The answer to a `HEAD`."""
    headers = {
        'content-type': kept.content_type,
        'stream-next-offset': token_of(head.length),
        'etag': f'"{head.incarnation}:{head.length}{":c" if head.closed else ""}"',
        'cache-control': 'no-store',
    }
    if head.closed:
        headers['stream-closed'] = 'true'
    if kept.expires_at is not None:
        headers['stream-expires-at'] = kept.expires_at
    elif head.ttl is not None and kept_in(head) is not None:
        headers['stream-ttl'] = str(int(head.ttl))
    return Answer(200, headers)


def part_of(read: Read, asker: Asker, part: Slice, kept: Kept, cursor: str) -> Answer:
    """The answer with entries, or with none to a client that does not wait."""
    head = part.head
    headers = {'content-type': kept.content_type, **_position(part)}
    if read.mode is not None:
        headers['stream-cursor'] = cursor
    if read.offset is None and read.mode is None:
        headers['cache-control'] = 'no-store'
        return Answer(200, headers, joined((), kept.content_type))
    etag = f'"{head.incarnation}:{read.asked}:{part.end}{":c" if part.last else ""}"'
    # What is whole never changes. What has the end of an open stream in it is asked for again, and so is everything
    # where it matters who asks: the next one may sit at the same browser.
    whole = asker.sees_all and (head.closed or part.end < head.length)
    headers |= {'etag': etag, 'cache-control': f'private, {"max-age=60" if whole else "no-cache"}'}
    if etag in read.etags:
        return Answer(304, {name: headers[name] for name in ('etag', 'cache-control')})
    return Answer(200, headers, joined(frames_in(part), kept.content_type))


def nothing_new(part: Slice, cursor: str) -> Answer:
    """The answer to a client that has waited for nothing, or that need not wait: the stream is closed."""
    headers = {**_position(part), 'cache-control': 'no-store'}
    return Answer(204, headers if part.last else {**headers, 'stream-cursor': cursor})


def caught_up(part: Slice) -> bool:
    """Whether a client that has this has everything there was."""
    return part.end >= part.head.length


def _position(part: Slice) -> dict[str, str]:
    headers = {'stream-next-offset': token_of(part.end)}
    if caught_up(part):
        headers['stream-up-to-date'] = 'true'
    if part.last:
        headers['stream-closed'] = 'true'
    return headers
