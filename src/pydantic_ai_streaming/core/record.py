"""What a run has produced, in order: appended once, read by any number of views at their own speed."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ['Record']

T = TypeVar('T')


class Record(Generic[T]):
    """An append-only sequence with an end. The offset of an item is its index, counted from 0.

    A reader that has read everything leaves a callback with `watch`; the next change calls it once and forgets it.
    The record keeps no other trace of its readers, so that a reader can be dropped anywhere.

    Attributes:
        items: Everything so far. Read it, do not change it.
        times: When each item came, in seconds on the clock of whoever appends.
        closed: Whether nothing more will come.
        error: Why the record ended, if it did not end well.

    Example:
        >>> record = Record[str]()
        >>> record.append('one', now=0.5)
        >>> record.close()
        >>> record.items, list(record.times), record.closed
        (['one'], [0.5], True)
    """

    __slots__ = ('_watchers', 'closed', 'error', 'items', 'times')

    def __init__(self) -> None:
        self.items: list[T] = []
        self.times = array('d')
        self.closed = False
        self.error: BaseException | None = None
        self._watchers: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self.items)

    def append(self, item: T, now: float) -> None:
        """Add an item that came at `now` (seconds). Raises `ValueError` when the record is closed."""
        if self.closed:
            raise ValueError('the record is closed: nothing can be appended')
        self.items.append(item)
        self.times.append(now)
        if self._watchers:
            self._changed()

    def close(self, error: BaseException | None = None) -> None:
        """End the record. The first end counts, a second one changes nothing."""
        if not self.closed:
            self.closed = True
            self.error = error
            self._changed()

    def watch(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, at the next change."""
        self._watchers.append(callback)

    def unwatch(self, callback: Callable[[], None]) -> None:
        """Forget a callback that has not been called yet."""
        if callback in self._watchers:
            self._watchers.remove(callback)

    def _changed(self) -> None:
        watchers, self._watchers = self._watchers, []
        for callback in watchers:
            callback()
