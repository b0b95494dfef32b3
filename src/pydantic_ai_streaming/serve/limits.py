"""How many clients follow streams at the same time: `Viewers`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from .places import Places
from .refused import LATER, Refused

__all__ = ['Viewers']


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
