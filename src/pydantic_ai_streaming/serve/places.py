"""How many there are of something, in all and of each owner: `Places`."""

from __future__ import annotations

from collections import Counter
from typing import Literal

__all__ = ['Places']


class Places:
    """Counts what has an owner, or none.

    Args:
        limit: So many at most.
        each: So many of one owner, at most; `None`: as many as `limit`. Those of nobody have `limit` alone.

    Example:
        >>> places = Places(3, each=1)
        >>> places.take('ann')
        >>> places.full('ann'), places.full('bob')
        ('each', None)
    """

    def __init__(self, limit: int, each: int | None) -> None:
        self._limit = limit
        self._each = each
        self._of: Counter[str | None] = Counter()

    def full(self, owner: str | None) -> Literal['each', 'all'] | None:
        """Which limit leaves no room for one more."""
        # That of the owner first: it says more, and waiting for others would not help.
        if owner is not None and self._each is not None and self._of[owner] >= self._each:
            return 'each'
        return 'all' if self._of.total() >= self._limit else None

    def take(self, owner: str | None) -> None:
        """Count one more."""
        self._of[owner] += 1

    def leave(self, owner: str | None) -> None:
        """Count one less."""
        self._of[owner] -= 1
        if not self._of[owner]:
            del self._of[owner]
