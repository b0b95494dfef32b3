"""The server-sent events of a stream that is followed."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Final

from ...logs.heads import Slice
from ..wire import frames_in
from .messages import is_text, joined
from .offsets import token_of

__all__ = ['EventWriter']

LINE_END: Final = re.compile('\r\n|\r|\n')
EVENT_SIZE: Final = 64 * 1024
"""Bytes in one event of data, at most, unless one entry has more. A larger event is sent in pieces of this size."""
KEPT_SIZE: Final = 8 * 2**20
"""Bytes of events of data that are kept for the next client."""


class EventWriter:
    """Writes entries as events, for all clients of a process: those that are abreast of each other get the same."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int, int], bytes] = {}
        self._size = 0

    def events(self, part: Slice, content_type: str, cursor: str) -> Iterator[bytes]:
        """The events for some entries: those of data, each with one that tells where it ends; for none, only that.

        A piece is an event or more, or, of a large one, a part.

        Args:
            part: The entries.
            content_type: Of the stream.
            cursor: What the client is to send to caches, in digits.
        """
        start, size = 0, 0
        for index, entry in enumerate(part.entries):
            if index > start and size + len(entry) > EVENT_SIZE:
                yield from self._event(part, start, index, content_type, cursor)
                start, size = index, 0
            size += len(entry)
        yield from self._event(part, start, len(part.entries), content_type, cursor)

    def _event(self, whole: Slice, start: int, end: int, content_type: str, cursor: str) -> Iterator[bytes]:
        part = whole if end - start == len(whole.entries) else _cut(whole, start, end)
        if part.last:
            position = '"streamClosed":true,"upToDate":true'
        elif part.end >= part.head.length:
            position = f'"streamCursor":"{cursor}","upToDate":true'
        else:
            position = f'"streamCursor":"{cursor}"'
        control = f'event: control\ndata:{{"streamNextOffset":"{token_of(part.end)}",{position}}}\n\n'.encode()
        data = self._data(part, content_type) if frames_in(part) else b''
        if len(data) <= 2 * EVENT_SIZE:  # as base64 it has a third more
            yield data + control
            return
        # A client that does not read holds a piece of it, and shares the rest with all that are abreast of it.
        for first in range(0, len(data), EVENT_SIZE):
            yield data[first : first + EVENT_SIZE]
        yield control

    def _data(self, part: Slice, content_type: str) -> bytes:
        key = (part.head.incarnation, part.start, part.end)
        if (data := self._kept.get(key)) is None:
            data = _data(part, content_type)
            if len(data) <= KEPT_SIZE:
                self._kept[key] = data
                self._size += len(data)
            while self._size > KEPT_SIZE:
                self._size -= len(self._kept.pop(next(iter(self._kept))))
        return data


def _cut(part: Slice, start: int, end: int) -> Slice:
    return Slice(part.head, part.start + start, part.entries[start:end])


def _data(part: Slice, content_type: str) -> bytes:
    body = joined(frames_in(part), content_type)
    text = body.decode(errors='replace') if is_text(content_type) else base64.b64encode(body).decode()
    # Clients take one space after the colon away. Without one here, as the protocol's tests want it, a line that begins
    # with a space needs another.
    lines = ''.join(f'data:{" " if line.startswith(" ") else ""}{line}\n' for line in LINE_END.split(text))
    return f'event: data\n{lines}\n'.encode()
