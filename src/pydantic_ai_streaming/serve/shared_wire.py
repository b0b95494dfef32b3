"""Entries of a stream as they go over the wire, made once for all who follow it in this process."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

from ..core.sse import sse_event
from ..logs.heads import Slice
from ..logs.tail import Tail
from .event_ids import event_id
from .wire import WireFormat

__all__ = ['SharedWire', 'as_sse', 'shared_wire']

Encode = Callable[[int, bytes], bytes]


class SharedWire:
    """Encodes slices of one stream, each entry once as long as others follow it closely.

    Args:
        encode: Makes of an offset and an entry what is sent; empty where it is not for this kind of client.
    """

    __slots__ = ('_encode', '_encoded', '_joined', '_start')

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._start = 0
        self._encoded: list[bytes] = []
        self._joined: tuple[int, int, bytes] = (0, 0, b'')

    def of(self, part: Slice, tail: Tail) -> bytes:
        """What is sent for a slice, in one piece."""
        start, end, joined = self._joined
        if (start, end) == (part.start, part.end):
            return joined  # as most of them read the same
        joined = b''.join(self._each(part, tail))
        self._joined = (part.start, part.end, joined)
        return joined

    def _each(self, part: Slice, tail: Tail) -> list[bytes]:
        if part.start < tail.start:  # who is that far behind reads alone
            return [self._encode(part.start + n, entry) for n, entry in enumerate(part.entries)]
        if self._start < tail.start:
            del self._encoded[: tail.start - self._start]
            self._start = tail.start
        for offset in range(self._start + len(self._encoded), part.end):
            self._encoded.append(self._encode(offset, tail.entries[offset - tail.start]))
        return self._encoded[part.start - self._start : part.end - self._start]


def as_sse(stream_id: str, format: WireFormat) -> Encode:  # noqa: A002 - the name of the parameter of a request
    """Encode entries as server-sent events whose ids name the stream and the offset."""

    def encode(offset: int, entry: bytes) -> bytes:
        payload = format.payload(entry)
        if payload is None:
            return b''
        return sse_event(payload.decode(errors='replace'), id=event_id(stream_id, offset))

    return encode


_wires: WeakKeyDictionary[Tail, dict[str, SharedWire]] = WeakKeyDictionary()


def shared_wire(tail: Tail, name: str, encode: Encode) -> SharedWire:
    """The wire of this name that all who follow a stream here share; `encode` makes it if there is none."""
    wires = _wires.setdefault(tail, {})
    if name not in wires:
        wires[name] = SharedWire(encode)
    return wires[name]
