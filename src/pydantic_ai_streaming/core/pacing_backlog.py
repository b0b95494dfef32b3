"""Text that waits to be shown, and by when: `Backlog`."""

from __future__ import annotations

from collections import deque

from .cutting import Unit
from .stretches import Stretch

__all__ = ['Backlog']


class Batch:
    """Units that are due together."""

    __slots__ = ('deadline', 'length', 'units')

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.units: deque[str] = deque()
        self.length = 0


class Backlog:
    """Units that wait to be shown, in batches, the oldest first.

    A stretch of units counts as one until `first` comes to it, so that what is shown together is never cut.

    Args:
        by: The unit in which to cut stretches.
        merge: Seconds. A deadline this close after another becomes the earlier one, which bounds the batches.
    """

    def __init__(self, by: Unit, merge: float) -> None:
        self._by: Unit = by
        self._merge = merge
        self.batches: deque[Batch] = deque()
        self.length = 0

    def add(self, unit: str, deadline: float) -> None:
        """Have a unit, or a stretch of them, wait until `deadline` (seconds) at most."""
        batches = self.batches
        if not batches or deadline > batches[-1].deadline + self._merge:
            batches.append(Batch(deadline))
        batch = batches[-1]
        length = len(unit)
        batch.units.append(unit)
        batch.length += length
        self.length += length

    def first(self) -> str:
        """The unit that comes next; if it is in a stretch, that is cut."""
        units = self.batches[0].units
        unit = units[0]
        if type(unit) is Stretch:
            units.popleft()
            units.extendleft(reversed(unit.cut(self._by)))
            unit = units[0]
        return unit

    def pop(self) -> str:
        """Take the next unit, or a stretch of them as it is."""
        batch = self.batches[0]
        unit = batch.units.popleft()
        length = len(unit)
        batch.length -= length
        self.length -= length
        if not batch.units:
            self.batches.popleft()
        return unit

    def pace(self, now: float, shortest: float) -> float:
        """Characters per second with which every batch is shown in time, `shortest` seconds being the least time."""
        while len(self.batches) > 1 and self.batches[1].deadline <= now:
            self._join()
        fastest, before = 0.0, 0
        for batch in self.batches:
            before += batch.length
            left = batch.deadline - now
            rate = before / (left if left > shortest else shortest)
            if rate > fastest:
                fastest = rate
        return fastest

    def _join(self) -> None:
        """Make one of the first two batches: both are late, so that a reader who pauses does not make more of them."""
        late = self.batches.popleft()
        batch = self.batches[0]
        late.units += batch.units
        late.length += batch.length
        self.batches[0] = late
