"""How many clients follow streams at the same time: `Viewers`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from .refused import LATER, Refused

__all__ = ['Viewers']


class Viewers:
    """Counts those who are there.

    Args:
        limit: So many at most.
        each: So many of one owner, at most; those who are not known count together, and have `limit` alone.
    """

    def __init__(self, limit: int, each: int) -> None:
        self._limit = limit
        self._each = each
        self._of: Counter[str | None] = Counter()
        self._all = 0

    def refuse(self, owner: str | None) -> None:
        """Raise `Refused` if there is no room for one more."""
        if self._all >= self._limit:
            raise Refused(503, 'busy', 'As many clients follow streams as can.', headers=LATER)
        if owner is not None and self._of[owner] >= self._each:
            raise Refused(429, 'too_many', f'You follow {self._each} streams already.', headers=LATER)

    @contextmanager
    def here(self, owner: str | None) -> Generator[None]:
        """Count one while the context lasts."""
        self._all += 1
        self._of[owner] += 1
        try:
            yield
        finally:
            self._all -= 1
            self._of[owner] -= 1
            if not self._of[owner]:
                del self._of[owner]
