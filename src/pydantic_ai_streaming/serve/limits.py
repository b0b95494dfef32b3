"""How many clients follow streams at the same time, and how much of bodies is kept: `Viewers`, `Unfinished`."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from .places import Places
from .refused import LATER, Refused

__all__ = ['BODY_WITHIN', 'Part', 'Unfinished', 'Viewers', 'declared']

BODY_WITHIN = 60.0
"""Seconds that a body may take: what has come of it is kept meanwhile."""


class Viewers:
    """Counts those who are there.

    Args:
        limit: So many at most.
        each: So many of one owner, at most; those who are not known count together, and have `limit` alone.
    """

    def __init__(self, limit: int, each: int) -> None:
        self._each = each
        self._places = Places(limit, each)

    def refuse(self, owner: str | None) -> None:
        """Raise `Refused` if there is no room for one more."""
        match self._places.full(owner):
            case 'each':
                raise Refused(429, 'too_many', f'You follow {self._each} streams already.', headers=LATER)
            case 'all':
                raise Refused(503, 'busy', 'As many clients follow streams as can.', headers=LATER)
            case None:
                pass

    @contextmanager
    def here(self, owner: str | None) -> Generator[None]:
        """Count one while the context lasts. Raises `Refused` if there is no room for it."""
        self.refuse(owner)
        self._places.take(owner)
        try:
            yield
        finally:
            self._places.leave(owner)


class Unfinished:
    """Counts the bytes that are kept of bodies of which more is to come.

    Args:
        limit: So many at most, of all of them together.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0

    @contextmanager
    def one(self) -> Generator[Part]:
        """Count a body while the context lasts."""
        part = Part(self)
        try:
            yield part
        finally:
            self._bytes -= part.size

    def grow(self, size: int) -> bool:
        """Count more, if there is room."""
        if self._bytes + size > self._limit:
            return False
        self._bytes += size
        return True


class Part:
    """What has come of a body, and counts.

    Attributes:
        size: So many bytes.
    """

    def __init__(self, bodies: Unfinished) -> None:
        self._bodies = bodies
        self.size = 0

    def fits(self, size: int) -> bool:
        """Count so many bytes of it instead, if there is room."""
        if fits := self._bodies.grow(size - self.size):
            self.size = size
        return fits


def declared(headers: Mapping[str, str]) -> int | None:
    """The bytes that a body is to have by its `Content-Length`; `None` if nothing says so."""
    length = headers.get('content-length', '')
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None
