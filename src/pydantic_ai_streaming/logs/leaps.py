"""Whether the clock was put forward, so that leases seem to have lapsed of producers that live: `Leaps`."""

from __future__ import annotations

import math

__all__ = ['Leaps']


class Leaps:
    """Compares the time of day with a clock that nobody sets, and that stands still while the machine sleeps.

    After a leap, producers have yet to renew their leases by the new time. They get as long as two renewals take.

    Args:
        lease: Seconds that a lease lasts.

    Example:
        >>> leaps = Leaps(9.0)
        >>> leaps.lately(wall=1000.0, now=0.0)
        False
        >>> leaps.lately(wall=4601.0, now=1.0), leaps.lately(wall=4606.0, now=6.0), leaps.lately(wall=4608.0, now=8.0)
        (True, True, False)
    """

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._ahead = math.inf
        self._until = -math.inf

    def lately(self, *, wall: float, now: float) -> bool:
        """Whether there was a leap since the last look, or not long before that.

        Args:
            wall: The time of day, in seconds.
            now: What the other clock shows, in seconds.
        """
        ahead = wall - now
        if ahead - self._ahead > self._lease / 3:
            self._until = now + self._lease * 2 / 3
        self._ahead = ahead
        return now < self._until
