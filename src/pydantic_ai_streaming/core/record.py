"""What a run has produced, in order: appended once, read by any number of views at their own speed."""

from __future__ import annotations

import sys
from array import array
from types import TracebackType
from typing import Generic, Protocol, TypeVar

__all__ = ['Record', 'Signal']

T = TypeVar('T')


class Signal(Protocol):
    """Something that can be set once, such as a future."""

    def done(self) -> bool:
        """Whether it was set, or nobody waits for it any more."""
        ...

    def set_result(self, result: None, /) -> object:
        """Set it."""
        ...


class Record(Generic[T]):
    """An append-only sequence with an end. The offset of an item is its index, counted from 0.

    A reader that has read everything leaves a signal with `watch`; the next change sets it and forgets it.
    The record keeps no other trace of its readers, so that a reader can be dropped anywhere.

    Attributes:
        items: Everything so far. Read it, do not change it.
        times: When each item came, in seconds on the clock of whoever appends.
        closed: Whether nothing more will come.
        closed_at: When it was closed, in seconds on the same clock; `None` until then.
        error: Why the record ended, if it did not end well.
        traceback: Where the error came from, before any reader has raised it.
        home: The event loop in which items are appended, and in which alone one can wait for them; `None` for any.

    Example:
        >>> record = Record[str]()
        >>> record.append('one', now=0.5)
        >>> record.close(now=0.7)
        >>> record.items, list(record.times), record.closed
        (['one'], [0.5], True)
    """

    __slots__ = ('_due', '_later', '_watchers', 'closed', 'closed_at', 'error', 'home', 'items', 'times', 'traceback')

    def __init__(self) -> None:
        self.items: list[T] = []
        self.times = array('d')
        self.closed = False
        self.closed_at: float | None = None
        self.error: BaseException | None = None
        self.traceback: TracebackType | None = None
        self.home: object = None
        self._watchers: list[Signal] = []
        self._later: list[tuple[int, Signal]] = []
        self._due = sys.maxsize

    def __len__(self) -> int:
        return len(self.items)

    def append(self, item: T, now: float) -> None:
        """Add an item that came at `now` (seconds). Raises `ValueError` when the record is closed."""
        if self.closed:
            raise ValueError('the record is closed: nothing can be appended')
        self.items.append(item)
        self.times.append(now)
        if watchers := self._watchers:
            self._watchers = []
            for signal in watchers:
                if not signal.done():
                    signal.set_result(None)
        if len(self.items) >= self._due:
            self._wake_later(len(self.items))

    def close(self, error: BaseException | None = None, *, now: float) -> None:
        """End the record. The first end counts, a second one changes nothing."""
        if not self.closed:
            self.closed = True
            self.closed_at = now
            self.error = error
            self.traceback = None if error is None else error.__traceback__
            watchers, self._watchers = self._watchers, []
            for signal in watchers:
                if not signal.done():
                    signal.set_result(None)
            self._wake_later(sys.maxsize)

    def watch(self, signal: Signal) -> None:
        """Set `signal` at the next change."""
        self._watchers.append(signal)

    def watch_later(self, signal: Signal, at: int) -> None:
        """Set `signal` when the record has `at` items, or at its end: nothing is done for it until then."""
        self._later.append((at, signal))
        self._due = min(self._due, at)

    def _wake_later(self, length: int) -> None:
        due = [signal for at, signal in self._later if at <= length]
        self._later = [(at, signal) for at, signal in self._later if at > length]
        self._due = min((at for at, _ in self._later), default=sys.maxsize)
        for signal in due:
            if not signal.done():
                signal.set_result(None)

    def unwatch(self, signal: Signal) -> None:
        """Forget a signal, if it has not been set yet."""
        if signal in self._watchers:
            self._watchers.remove(signal)
