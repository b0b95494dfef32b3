"""Text at a pace one can read.

A model's text arrives unevenly: a token every 20 ms, 90 characters every 350 ms, 3 KB at once. A `Pacer` holds as
little of it as makes it flow. It spreads what it has over the time until more is expected, and shows every character
`Smoothing.max_lag` after its arrival at the latest, so that a fast model is never slowed down.

It has no clock. Time is an argument, in seconds from any origin, and `Pacer.next_due` says when to ask again:

- the pace is the backlog divided by the time until the next burst is expected, from the gaps between bursts so far;
- the pace is raised to what the oldest characters need to be shown in time;
- text that arrives when nothing waits is shown at once, and so is the first piece;
- where the gaps are irregular, a constant short time evens out what the average gap cannot;
- of a long text only what the pace ends inside is cut, so that no call takes long;
- an unfinished unit is held as long as the gaps so far justify, then shown cut between graphemes;
- after the end of the source the rest follows at an even pace within `Smoothing.drain`.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from dataclasses import dataclass

from .cutting import UNITS, Cutter, Unit
from .numbers import check_number
from .pacing_backlog import Backlog
from .pacing_bursts import Bursts
from .stretches import LONG, Stretch, feed_long

__all__ = ['Pacer', 'Smoothing']

SLOWEST, FASTEST = 1 / 60, 10_000
"""Updates per second outside of which `fps` is a mistake."""


@dataclass(frozen=True, kw_only=True)
class Smoothing:
    """How text is paced.

    Raises:
        ValueError: A value is negative, not finite, or no unit; or `fps` is below 1/60 or above 10,000.
        TypeError: A number is expected and another type was given.

    Example:
        >>> Smoothing(by='line', max_lag=0.25)
        Smoothing(by='line', max_lag=0.25, drain=0.114, max_hold=0.6, fps=60)
    """

    by: Unit = 'word'
    """What is shown whole: graphemes, words, lines or sentences."""

    max_lag: float = 0.4
    """Seconds that a complete unit waits at most, plus one update. More is smoother; 0 shows each unit at once.

    0.4 bridges the pauses of providers that send a batch every 300 to 400 ms, and 0.25 leaves gaps there. A steady
    stream is some 20 ms late with either.
    """

    drain: float = 0.114
    """Seconds at most from the end of the source to the last piece. 0 shows the rest with the next update."""

    max_hold: float = 0.6
    """Seconds that an unfinished unit is held at most, such as half a word or the first `*` of `**`."""

    fps: float = 60
    """Updates per second at most. A screen shows no more than it refreshes, and each update costs a rendering."""

    def __post_init__(self) -> None:
        if self.by not in UNITS:
            raise ValueError(f'by={self.by!r} is no unit of text: use one of {", ".join(map(repr, UNITS))}')
        numbers = {
            'max_lag': self.max_lag,
            'drain': self.drain,
            'max_hold': self.max_hold,
            'fps': self.fps,
        }
        for name, value in numbers.items():
            check_number(name, value)
            if not 0 <= value <= sys.float_info.max:
                raise ValueError(f'{name}={value!r}: use a finite number that is not negative')
        if not self.fps:
            raise ValueError('fps=0 would never show anything: use a positive number of updates per second')
        if not SLOWEST <= self.fps <= FASTEST:
            raise ValueError(f'fps={self.fps!r}: use updates per second, such as 60, from one a minute to {FASTEST}')


class Pacer:
    """Says which text to show when.

    Feed it with text as it arrives, and call `due` when the instant `next_due` has come. What it returns, joined, is
    what was fed, whatever the instants: a late call gets more at once, an early one gets nothing. Instants are seconds
    from any origin. One that is before an earlier one counts as that one: a clock that is set back does no harm.

    Args:
        smoothing: How to pace; by default `Smoothing()`.

    Example:
        >>> pacer = Pacer(Smoothing(max_lag=0.25))
        >>> pacer.feed('Once upon a time', 10.0)
        >>> pacer.next_due, pacer.due(10.0)
        (10.0, 'Once upon a ')
        >>> pacer.close(10.02)
        >>> pieces = []
        >>> while (instant := pacer.next_due) is not None:
        ...     pieces.append(pacer.due(instant))
        >>> ''.join(pieces), pacer.finished
        ('time', True)
    """

    def __init__(self, smoothing: Smoothing | None = None) -> None:
        smoothing = smoothing or Smoothing()
        self._max_lag = smoothing.max_lag
        self._max_hold = smoothing.max_hold
        self._drain = smoothing.drain
        self._frame = 1 / smoothing.fps
        self._half_frame = self._frame / 2
        self._cutter = Cutter(smoothing.by)
        self._bursts = Bursts(smoothing.max_lag)
        self._backlog = Backlog(smoothing.by, merge=self._half_frame)
        # Characters that the pace allows to show now; below 0 when the last unit came early.
        self._credit = 0.0
        self._rate = 0.0
        self._now = -math.inf
        self._next_update = -math.inf
        self._unit_due = math.inf
        # When what is held came, and how many code points of it.
        self._arrivals: deque[tuple[float, int]] = deque()
        self._hold_until = math.inf
        self._released = False
        self._closed = False
        # When all must have been shown, and from when each update must show all, since another would be late.
        self._drain_end = self._last_update = math.inf

    @property
    def next_due(self) -> float | None:
        """The instant at which to call `due` again; None if there is nothing to do before the next `feed` or `close`.

        After `due(next_due)` either text came or this is later.
        """
        instant = self._unit_due if self._unit_due < self._hold_until else self._hold_until
        return None if instant == math.inf else instant

    @property
    def finished(self) -> bool:
        """Whether it was closed and everything was returned."""
        return self._closed and not self._backlog.length

    def feed(self, text: str, now: float) -> None:
        """Take `text`, which arrived at `now`.

        Raises:
            RuntimeError: After `close`.
        """
        if self._closed:
            raise RuntimeError('feed() after close(): use a new Pacer for another text')
        if not text:
            return
        now = self._advance(now)
        length = len(text)
        self._bursts.add(length, now)
        self._arrivals.append((now, length))
        self._wait(self._cutter.feed(text) if length <= LONG else feed_long(self._cutter, text))
        self._released = False
        self._plan()

    def due(self, now: float) -> str:
        """The text to show at `now`; '' if it is too early."""
        now = self._advance(now)
        while now >= self._hold_until:
            self._end_hold()
            self._plan()
        if now < self._unit_due:
            return ''
        last = now > self._last_update
        # What is nearer to this update than to the next is shown in this one.
        nearest = -self._rate * self._half_frame
        pieces = [self._take()]
        while self._backlog.length and (last or self._is_due(now, nearest)):
            pieces.append(self._take())
        self._next_update = now + self._frame
        self._plan()
        return ''.join(pieces)

    def close(self, now: float) -> None:
        """No more text comes: from here the rest is due within `Smoothing.drain`. Closing again changes nothing."""
        if self._closed:
            return
        self._closed = True
        self._drain_end = self._advance(now) + self._drain
        self._last_update = self._drain_end - self._frame
        self._wait(self._cutter.flush())
        self._plan()

    def flush(self) -> str:
        """All that waits or is held, at once: so that nothing is lost when the source fails or the reader leaves."""
        pieces: list[str] = []
        while self._backlog.length:
            pieces.append(self._take())
        pieces += self._cutter.flush()
        self._arrivals.clear()
        self._plan()
        return ''.join(pieces)

    def at_once(self, text: str, now: float) -> str:
        """All that waits or is held, then `text`, to be shown now: for a notice that keeps its place in the text."""
        self._next_update = self._advance(now) + self._frame
        return self.flush() + text

    def _advance(self, now: float) -> float:
        if now > self._now:
            if self._backlog.length:
                self._credit += self._rate * (now - self._now)
            self._now = now
        return self._now

    def _wait(self, units: list[str]) -> None:
        """Let units wait that were held until now."""
        if not units:
            return
        if not self._backlog.length:
            # After a pause nothing is owed: the first unit is shown at once.
            self._credit = len(units[0]) / 2
        arrivals = self._arrivals
        for unit in units:
            self._backlog.add(unit, arrivals[0][0] + self._max_lag)
            left = len(unit)
            while left and arrivals[0][1] <= left:
                left -= arrivals.popleft()[1]
            if left:
                came, length = arrivals[0]
                arrivals[0] = came, length - left

    def _end_hold(self) -> None:
        if self._cutter.held_words:
            self._wait(self._cutter.release_words())
        else:
            self._wait(self._cutter.release())
            if self._arrivals and self._now >= self._arrivals[0][0] + self._max_hold:
                self._wait(self._cutter.flush())
            self._released = True

    def _take(self) -> str:
        unit = self._backlog.pop()
        self._credit -= len(unit)
        return unit

    def _is_due(self, now: float, nearest: float) -> bool:
        """Whether the pace has come to the next unit, or over a whole stretch: one that it ends inside is cut."""
        batch = self._backlog.batches[0]
        first = batch.units[0]
        if batch.deadline <= now:
            return True
        if type(first) is Stretch:
            if self._credit - len(first) >= nearest:
                return True
            first = self._backlog.first()
        # A blank is nothing to see: it comes with the word before it.
        return self._credit - len(first) / 2 >= nearest or first.isspace()

    def _plan(self) -> None:
        """Decide the pace, and when something is to be done.

        Every delta gets here, hence the comparisons, which take a third of the time of `min` and `max`.
        """
        self._hold_until = self._hold_end()
        if not self._backlog.length:
            self._rate = 0.0
            self._unit_due = math.inf
            return
        now = self._now
        self._rate = self._pace()
        earliest = self._next_update if self._next_update > now else now
        # Characters by which the pace is past the middle of the next unit, which is when to show it.
        reach = self._credit - len(self._backlog.first()) / 2
        if reach < 0:
            unit_due = min(now - reach / self._rate, self._backlog.batches[0].deadline, self._last_update)
            self._unit_due = unit_due if unit_due > earliest else earliest
        else:
            self._unit_due = earliest
        if self._last_update < self._unit_due == self._next_update:
            # The last one, which shows all the rest: no sooner than it must, or the end would come with a jump.
            latest = min(self._drain_end, self._backlog.batches[0].deadline)
            self._unit_due = latest if latest > self._next_update else self._next_update

    def _pace(self) -> float:
        """Characters per second."""
        rate = self._backlog.pace(self._now, self._half_frame)
        if not self._closed:
            # One update early, so that nothing waits when more comes.
            left = self._bursts.expected - self._frame - self._now
            if left < self._bursts.least:
                left = self._bursts.least
        else:
            left = self._drain_end - self._now
            rate = max(rate, self._rate)
        even = self._backlog.length / (left if left > self._half_frame else self._half_frame)
        return even if even > rate else rate

    def _hold_end(self) -> float:
        """When to wait no longer for the rest of what is held: when it is overdue, or has been held long enough."""
        if not self._arrivals:
            return math.inf
        latest = self._arrivals[0][0] + self._max_hold
        overdue = self._bursts.overdue
        return latest if self._released or latest < overdue else overdue
