"""How many runs go on at the same time: `Places`."""

from __future__ import annotations

from collections import Counter

from ..errors import TooManyRuns

__all__ = ['Places']


class Places:
    """Counts the runs of this process, and those of each owner.

    Args:
        limit: So many at most.
        each: So many of one owner, at most; `None`: as many as `limit`. Those of nobody have `limit` alone.

    Raises:
        ValueError: A limit is not positive.
    """

    def __init__(self, limit: int, each: int | None) -> None:
        if limit < 1:
            raise ValueError(f'at_once={limit!r}: use 1 or more')
        if each is not None and each < 1:
            raise ValueError(f'at_once_each={each!r}: use 1 or more, or None')
        self._limit = limit
        self._each = each
        self._of: Counter[str | None] = Counter()

    def take(self, owner: str | None) -> None:
        """Take a place. Raises `TooManyRuns` if there is none."""
        # That of the owner first: it says more, and waiting for others would not help.
        if owner is not None and self._each is not None and self._of[owner] >= self._each:
            raise TooManyRuns(self._each, owner=owner)
        if self._of.total() >= self._limit:
            raise TooManyRuns(self._limit)
        self._of[owner] += 1

    def leave(self, owner: str | None) -> None:
        """Give it back."""
        self._of[owner] -= 1
        if not self._of[owner]:
            del self._of[owner]
