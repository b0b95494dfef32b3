"""What a source in full flow leaves of each item: `Beat`. `Noted` reads it before it tells a deadline."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from ..core.deadlines import Due, Watchdog

__all__ = ['NEVER', 'Beat', 'Noted']

NEVER = -math.inf
"""When something happened that has not happened."""


class Beat:
    """One instant for each item, in place of two calls, while content follows content.

    Such an item can only put a deadline off, until so long after the next was awaited; when it came does not matter,
    nor do those before it. So whoever passes them on notes when the next is awaited, and `Noted` reads that when
    somebody asks for a deadline, a timer that rings mostly. What is no content is told to the watchdog, and everything
    is while `steady` does not hold.

    Attributes:
        steady: Whether the instants of content are to be noted here.
        back: When an item was awaited last since it holds, on the loop's clock; `NEVER` before the first.
        puller: The task that waits for an item; `None` while the last one is still with whoever took it.
    """

    __slots__ = ('back', 'puller', 'steady')

    def __init__(self) -> None:
        self.steady = False
        self.back = NEVER
        self.puller: asyncio.Task[Any] | None = None

    def begin(self) -> None:
        """From here on instants are noted: content has come just now."""
        self.back = NEVER
        self.steady = True


class Noted:
    """A watchdog that is told what a beat has noted before it answers.

    Args:
        watchdog: Whom to ask. Whoever tells it something lets it `catch_up` before.
        beat: Where content is noted.
    """

    __slots__ = ('_beat', '_watchdog')

    def __init__(self, watchdog: Watchdog, beat: Beat) -> None:
        self._watchdog = watchdog
        self._beat = beat

    @property
    def is_running(self) -> bool:
        """Whether silence counts right now."""
        self.catch_up()
        return self._watchdog.is_running

    @property
    def due(self) -> Due | None:
        """The deadline that passes next if nothing happens."""
        self.catch_up()
        return self._watchdog.due

    def expired(self, now: float) -> Due | None:
        """The deadline that has passed at an instant, if one has."""
        self.catch_up()
        return self._watchdog.expired(now)

    def catch_up(self, *, comes: bool = False) -> None:
        """Tell the watchdog what was noted; `comes` if something else has come just now, which was waited for.

        What is next is told again: an alarm may have to be set anew.
        """
        beat = self._beat
        if not beat.steady:
            return
        beat.steady = False
        if (back := beat.back) == NEVER:
            return
        self._watchdog.returned(back)
        # Content came before, and the next was waited for since; or else after, and nothing is waited for now.
        self._watchdog.content(back)
        if beat.puller is None and not comes:
            self._watchdog.left(back)
