"""When a stream is late: limits on silence, pace and duration, judged by the content that arrives."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ['Deadlines', 'Due', 'Phase', 'Watchdog']

Phase = Literal['first', 'idle', 'rate', 'total']
"""Which limit a stream broke: before its first content, between contents, below its pace, or as a whole."""


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long a stream may take. Nothing is limited unless it is asked for.

    `first`, `idle` and `min_rate` count only while the provider is the one being waited for: a running tool, a slow
    consumer, an approval and smoothing never count. They wait for *content* (text, thinking, tool arguments): SSE
    comments, pings and empty deltas are no progress. `ModelSettings['timeout']` of pydantic-ai stands beside them: it
    counts bytes on the connection, so a ping renews it, and it bounds connecting, which no content clock can see
    apart from waiting.

    Values to start from: `first=60, idle=60, total=600` for models that reason (healthy silences of 32 s between two
    contents have been recorded, and Anthropic pings every 30 s), `first=20, idle=15` for models that do not.

    Attributes:
        first: Seconds from a model request to its first content. Counts anew for each request of a run.
        idle: Seconds between two contents of one response.
        total: Seconds for the whole run, tools included.
        min_rate: Characters per second that a response has to keep up, over each `rate_window`. Bounds a trickle
            that never stops and so never is idle.
        rate_window: Seconds over which `min_rate` is taken.
        finish_grace: Seconds that a connection may stay open after the model has given its finish reason. After it
            the response is complete and the connection is closed; `None` waits for the provider.

    Raises:
        TypeError: A limit is not a number.
        ValueError: A limit is zero, negative, infinite or NaN, or the limits contradict each other.

    Example:
        >>> Deadlines(first=10, idle=15, total=120).idle
        15
        >>> Deadlines(first=10, total=5)
        Traceback (most recent call last):
        ...
        ValueError: Deadlines(first=10) can never be reached within total=5: lower first, or raise total.
    """

    first: float | None = None
    idle: float | None = None
    total: float | None = None
    min_rate: float | None = None
    rate_window: float = 10.0
    finish_grace: float | None = 1.0

    def __post_init__(self) -> None:
        for name in ('first', 'idle', 'total', 'min_rate', 'finish_grace', 'rate_window'):
            _check_limit(name, getattr(self, name), optional=name != 'rate_window')
        for name in ('first', 'idle'):
            limit = getattr(self, name)
            if limit is not None and self.total is not None and limit > self.total:
                raise ValueError(
                    f'Deadlines({name}={limit:g}) can never be reached within total={self.total:g}: '
                    f'lower {name}, or raise total.'
                )

    @property
    def unlimited(self) -> bool:
        """Whether no limit is set that could end a stream."""
        return self.first is None and self.idle is None and self.total is None and self.min_rate is None


def _check_limit(name: str, value: object, *, optional: bool) -> None:
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        none = ', or None for no limit' if optional else ''
        raise TypeError(f'Deadlines({name}={value!r}): give a number of seconds{none}.')
    if not 0 < value <= sys.float_info.max:
        advice = 'leave it out (None) for no limit' if optional else 'give a positive number of seconds'
        raise ValueError(f'Deadlines({name}={value!r}): a limit is a positive, finite number; {advice}.')


class Due(NamedTuple):
    """The next instant at which a limit breaks unless something happens before."""

    at: float
    phase: Phase
    limit: float


class Watchdog:
    """Tells when a stream breaks one of its `Deadlines`. Knows no clock: every instant is an argument, in seconds.

    It starts with nobody being waited for. `waiting` says that the provider has been asked, `content` that content
    came, `paused` that it is somebody else's turn (a tool runs, the run has ended). `left` says that what the provider
    sends is not being read, whoever's turn it is.

    Example:
        >>> dog = Watchdog(Deadlines(first=10, idle=2), now=0)
        >>> dog.waiting(now=1)
        >>> dog.due
        Due(at=11.0, phase='first', limit=10)
        >>> dog.content(now=3)  # the first content: from here on `idle` counts
        True
        >>> dog.due
        Due(at=5.0, phase='idle', limit=2)
        >>> dog.paused(now=4)
        >>> dog.due is None
        True
        >>> dog.resumed(now=60)
        >>> dog.due
        Due(at=61.0, phase='idle', limit=2)
    """

    __slots__ = (
        '_away',
        '_began',
        '_deadlines',
        '_last',
        '_left',
        '_paused',
        '_rate',
        '_started',
        '_stopped',
        '_total',
    )

    def __init__(self, deadlines: Deadlines, now: float) -> None:
        self._deadlines = deadlines
        self._total = None if deadlines.total is None else Due(now + deadlines.total, 'total', deadlines.total)
        self._started = now
        # Instants are kept on a clock that stands still during pauses: `_away` is how far it lags behind.
        self._away = 0.0
        self._paused, self._left = True, False
        self._stopped: float | None = now
        self._began = False
        self._last = now
        self._rate = None if deadlines.min_rate is None else _Rate(deadlines.min_rate, deadlines.rate_window)

    @property
    def started(self) -> float:
        """When the stream began."""
        return self._started

    @property
    def is_waiting(self) -> bool:
        """Whether it is the provider's turn."""
        return not self._paused

    @property
    def has_begun(self) -> bool:
        """Whether content has come since the provider was asked."""
        return self._began

    @property
    def is_running(self) -> bool:
        """Whether silence counts right now."""
        return self._stopped is None

    def waiting(self, now: float) -> None:
        """The provider has been asked: its first content is awaited."""
        self._paused = self._left = False
        self._stopped, self._away, self._began, self._last = None, 0.0, False, now

    def paused(self, now: float) -> None:
        """It is not the provider's turn any more. Only `total` goes on."""
        self._paused = True
        self._stop(now)

    def resumed(self, now: float) -> None:
        """It is the provider's turn again, in the same response: its clocks go on where they stood."""
        self._paused = False
        self._go_on(now)

    def left(self, now: float) -> None:
        """What the provider sends is not being read for now. Only `total` goes on."""
        self._left = True
        self._stop(now)

    def returned(self, now: float) -> None:
        """What the provider sends is being read again: its clocks go on where they stood, if it is its turn."""
        self._left = False
        self._go_on(now)

    def skipped(self, seconds: float) -> None:
        """So long, in all, what the provider sent was not being read; it is now, and it is the provider's turn."""
        self._away += seconds

    def _stop(self, now: float) -> None:
        if self._stopped is None:
            self._stopped = now

    def _go_on(self, now: float) -> None:
        if self._stopped is not None and not (self._paused or self._left):
            self._away += now - self._stopped
            self._stopped = None

    def content(self, now: float, characters: int = 1) -> bool:
        """Content came. Returns whether `due` may now lie earlier than before: the first content starts `idle`."""
        self._last = now = now - self._away
        if self._rate is not None:
            if not self._began:
                self._rate.restart(now)
            self._rate.add(now, characters)
        if self._began:
            return False
        self._began = True
        return True

    @property
    def due(self) -> Due | None:
        """The earliest limit that breaks if nothing happens, or `None`."""
        limits = self._deadlines
        due = self._total
        if self._stopped is not None:
            return due
        silence = limits.idle if self._began else limits.first
        if silence is not None:
            due = _earlier(due, Due(self._last + silence + self._away, 'idle' if self._began else 'first', silence))
        if self._began and self._rate is not None:
            due = _earlier(due, Due(self._rate.breaks_at + self._away, 'rate', self._rate.minimum))
        return due

    def expired(self, now: float) -> Due | None:
        """The limit that is broken at `now`, or `None`."""
        due = self.due
        return due if due is not None and due.at <= now else None


def _earlier(one: Due | None, other: Due) -> Due:
    return other if one is None or other.at < one.at else one


class _Rate:
    """Characters over a sliding window; says when the window will hold too few."""

    __slots__ = ('_from', '_recent', '_sum', '_window', 'minimum')

    def __init__(self, minimum: float, window: float) -> None:
        self.minimum = minimum
        self._window = window
        self._recent: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._from = 0.0

    def restart(self, now: float) -> None:
        self._recent.clear()
        self._sum = 0
        self._from = now

    def add(self, now: float, characters: int) -> None:
        self._recent.append((now, characters))
        self._sum += characters
        # An item that can leave without the window falling short decides nothing any more.
        needed = self.minimum * self._window
        while self._recent and self._sum - self._recent[0][1] >= needed:
            self._sum -= self._recent.popleft()[1]

    @property
    def breaks_at(self) -> float:
        """The window is full first at its own length; later it breaks when too little of it is left."""
        full = self._from + self._window
        if self._sum < self.minimum * self._window:
            return full
        return max(full, self._recent[0][0] + self._window)
