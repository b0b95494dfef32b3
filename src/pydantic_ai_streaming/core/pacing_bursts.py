"""When more text is to be expected of a source, from when it came so far."""

from __future__ import annotations

import math

__all__ = ['Bursts']


class Bursts:
    """What to expect of a source: an average of the gaps between its bursts, and their mean deviation.

    As TCP estimates its round trips (RFC 6298, section 2), with the plain average of the first ones. Instants are
    seconds.

    Args:
        max_lag: Seconds that text may wait. As long as no gap is known, this is the gap expected after a batch.

    Example:
        >>> bursts = Bursts(max_lag=0.4)
        >>> for instant in (1.0, 1.3, 1.6):
        ...     bursts.add(90, instant)
        >>> round(bursts.expected, 3)
        1.9
    """

    SAME = 0.004
    """Seconds: arrivals closer than this are one burst, as when one TCP segment carries many deltas."""
    WEIGHT = 1 / 8
    LONGEST = 1.0
    """Seconds: a longer gap is a pause, and counts as this."""
    FEW = 8
    """After so many gaps, one that is far longer than they were and is not followed by a batch is a pause too.

    It counts as four of them: a second would have the next dozen tokens of 20 ms spread as if such pauses were usual.
    """
    EVEN = 0.035
    """Seconds over which what comes irregularly is spread at least. It is added to the delay of every character."""
    BATCH = 24
    """Characters: a burst of more is a batch, and not a token of a steady stream."""
    FIRST = 0.02
    """Seconds that a first batch takes at most."""
    SHORTEST_WAIT = 0.06
    """Seconds that an unfinished unit is waited for at least."""

    def __init__(self, max_lag: float) -> None:
        self._max_lag = max_lag
        self._started = math.inf
        self._last = -math.inf
        self._burst = 0
        self._pause = 0.0
        self._gaps = 0
        self._gap = 0.0
        self._deviation = 0.0
        self._wait = self.SHORTEST_WAIT
        self._longest = self.LONGEST
        # Computed with each arrival, since they are asked for more often.
        self.expected = -math.inf
        """The instant by which the next burst has probably come."""
        self.overdue = -math.inf
        """The instant from which the source is pausing."""
        self.least = 0.0
        """Seconds to spread over at least, even if more is expected sooner; 0 if it comes regularly.

        The gap after a token of an irregular source tells little. A constant time evens out more for the same delay
        than one that follows the last gaps up and down.
        """

    def add(self, characters: int, now: float) -> None:
        """Note an arrival."""
        gap = now - self._last
        self._last = now
        if gap == math.inf:
            self._started = now
        if self.SAME < gap < math.inf:
            self._burst = 0
            self._pause = gap if gap > self._longest else 0.0
            self._add_gap(min(gap, self._longest))
        self._burst += characters
        batch = self._burst > self.BATCH
        if self._pause and batch:
            self._add_gap(min(self._pause, self.LONGEST))
            self._pause = 0.0
        if self._gaps:
            self.expected = now + self._gap + self._deviation
        else:
            # Nothing is known yet: a batch is probably followed by another, a token by the next at any moment.
            self.expected = now + (self._max_lag if batch and now - self._started <= self.FIRST else 0.0)
        self.overdue = now + self._wait

    def _add_gap(self, gap: float) -> None:
        self._gaps += 1
        if self._gaps == 1:
            self._gap = gap
        else:
            error = gap - self._gap
            self._gap += error * max(self.WEIGHT, 1 / self._gaps)
            self._deviation += (abs(error) - self._deviation) * self.WEIGHT
        self._wait = max(self.SHORTEST_WAIT, 1.6 * self._gap + 4 * self._deviation)
        self.least = min(self.EVEN, 3 * self._deviation)
        if self._gaps >= self.FEW:
            self._longest = min(self.LONGEST, 4 * (self._gap + self._deviation))
