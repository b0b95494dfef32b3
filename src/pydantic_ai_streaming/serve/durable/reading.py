"""What a `GET` or a `HEAD` is answered with, and the events of a stream that is followed."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Final

from ...logs.heads import Head, Slice
from .answers import Answer, gone, missing, refusal
from .asking import Read
from .kept import Kept, kept_in
from .messages import is_text, joined
from .offsets import token_of

__all__ = ['beyond', 'caught_up', 'events', 'metadata', 'nothing_new', 'part_of', 'unreadable']

LINE_END: Final = re.compile('\r\n|\r|\n')
EVENT_SIZE: Final = 64 * 1024
"""Bytes in one event of data, at most, unless one entry has more."""


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


def part_of(read: Read, part: Slice, kept: Kept, cursor: str) -> Answer:
    """The answer with entries, or with none to a client that does not wait."""
    head = part.head
    headers = {'content-type': kept.content_type, **_position(part)}
    if read.mode is not None:
        headers['stream-cursor'] = cursor
    if read.offset is None and read.mode is None:
        headers['cache-control'] = 'no-store'
        return Answer(200, headers, joined((), kept.content_type))
    etag = f'"{head.incarnation}:{read.asked}:{part.end}{":c" if part.last else ""}"'
    # What is whole never changes. What has the end of an open stream in it is asked for again.
    whole = head.closed or part.end < head.length
    headers |= {'etag': etag, 'cache-control': f'private, {"max-age=60" if whole else "no-cache"}'}
    if etag in read.etags:
        return Answer(304, {name: headers[name] for name in ('etag', 'cache-control')})
    return Answer(200, headers, joined(part.entries, kept.content_type))


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


def events(part: Slice, content_type: str, cursor: str) -> Iterator[bytes]:
    """The events for some entries: those of data, each with one that tells where it ends; for none, only that."""
    start, size = 0, 0
    for index, entry in enumerate(part.entries):
        if index > start and size + len(entry) > EVENT_SIZE:
            yield _event(Slice(part.head, part.start + start, part.entries[start:index]), content_type, cursor)
            start, size = index, 0
        size += len(entry)
    yield _event(Slice(part.head, part.start + start, part.entries[start:]), content_type, cursor)


def _event(part: Slice, content_type: str, cursor: str) -> bytes:
    control: dict[str, str | bool] = {'streamNextOffset': token_of(part.end)}
    if part.last:
        control |= {'streamClosed': True, 'upToDate': True}
    else:
        control['streamCursor'] = cursor
        if caught_up(part):
            control['upToDate'] = True
    told = _lines('control', json.dumps(control, separators=(',', ':')))
    if part.entries:
        body = joined(part.entries, content_type)
        text = body.decode(errors='replace') if is_text(content_type) else base64.b64encode(body).decode()
        told = _lines('data', text) + told
    return told.encode()


def _lines(event: str, data: str) -> str:
    # Clients take one space after the colon away. Without one here, as the protocol's tests want it, a line that begins
    # with a space needs another.
    lines = ''.join(f'data:{" " if line.startswith(" ") else ""}{line}\n' for line in LINE_END.split(data))
    return f'event: {event}\n{lines}\n'
