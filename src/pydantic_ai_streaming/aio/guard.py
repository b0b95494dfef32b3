"""Deadlines for any async iterator."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import TypeVar

from ..core.deadlines import Deadlines, Due, Watchdog
from ..errors import StreamTimeout
from .alarm import SETTLE_ROUNDS, Alarm
from .beat import Beat, Noted
from .clock import clock_of, running_loop
from .closing import close, close_after
from .interruption import Interruption

__all__ = ['content_length', 'guard']

T = TypeVar('T')


def content_length(item: object) -> int:
    """How much content an item brings: the length of text and bytes, 0 for `None`, 1 for anything else."""
    if item is None:
        return 0
    return len(item) if isinstance(item, str | bytes) else 1


async def guard(
    source: AsyncIterable[T], deadlines: Deadlines, *, content: Callable[[T], int] = content_length
) -> AsyncGenerator[T]:
    """Pass a stream on unchanged, but end it when it is late.

    `first`, `idle` and `min_rate` run only while this waits for the source: what the consumer does with an item does
    not count. `total` counts from the first item that is asked for, all included. `finish_grace` has no meaning here.

    The source is closed on every way out: end, error, deadline, cancellation, `aclose`, and `break` as soon as the
    generator is collected. No scope is held while the consumer has an item.

    Args:
        source: Any async iterable.
        deadlines: The limits.
        content: How much content an item brings, in characters. Items with 0 (empty deltas, keep-alives) are passed on
            but are no progress.

    Yields:
        The items of the source.

    Raises:
        StreamTimeout: A limit has passed. `text` holds what had come, if the items are text.
        Exception: Whatever the source raises.

    Example:
        >>> async def source():
        ...     yield 'Once '
        ...     await asyncio.sleep(60)
        ...     yield 'upon a time'
        >>> async def main():
        ...     async for piece in guard(source(), Deadlines(idle=0.01)):
        ...         print(piece)
        >>> asyncio.run(main())
        Traceback (most recent call last):
        ...
        pydantic_ai_streaming.errors.StreamTimeout: ...
    """
    if not isinstance(deadlines, Deadlines):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
        raise TypeError(f'guard() needs Deadlines(first=..., idle=..., total=...), not {deadlines!r}')
    loop = running_loop('guard()')
    wait = _Wait(loop, deadlines)
    clock, beat, text = clock_of(loop), wait.beat, wait.text
    iterator = aiter(source)
    pull = iterator.__anext__
    try:
        while True:
            if beat.steady and (now := clock()) < wait.end:
                beat.back = now
            else:
                wait.begins()
            # Asked anew each time: every pull may come from another task.
            beat.puller = asyncio.current_task(loop)
            try:
                item = await pull()
            except BaseException as error:
                wait.fails(error)
                if isinstance(error, StopAsyncIteration):
                    break
                raise
            beat.puller = None
            length = content(item)
            if isinstance(item, str):
                text.append(item)
            if not (length and beat.steady):
                wait.ends(length)
            yield item
    except BaseException as error:
        wait.over()
        await close_after(iterator, error)
        raise
    wait.over()
    await close(iterator)


class _Wait:
    """The time that passes while a source is waited for, and what ends it.

    Attributes:
        beat: Where items with content are noted, in place of telling of each wait.
        text: What has come, for the error.
        end: When `total` passes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, deadlines: Deadlines) -> None:
        self._clock = clock_of(loop)
        self._watchdog = Watchdog(deadlines, self._clock())
        self._watchdog.waiting(self._watchdog.started)
        # A rate counts the characters of each item.
        self._notes = deadlines.min_rate is None
        self._interruption = Interruption()
        self._overdue = 0
        self.beat = Beat()
        self.text: list[str] = []
        self.end = math.inf if deadlines.total is None else self._watchdog.started + deadlines.total
        self._noted = Noted(self._watchdog, self.beat)
        self._alarm = Alarm(loop, self._noted, self._late)

    def begins(self) -> None:
        """The next item is waited for."""
        if self._interruption.is_going_on:
            self.fails(None)  # an item has come all the same, but too late
        self._interruption.expects(asyncio.current_task())
        now = self._clock()
        self._noted.catch_up()
        self._watchdog.returned(now)
        due = self._watchdog.expired(now)
        self._overdue = 0 if due is None else self._overdue + 1
        if due is not None and (now >= self.end or self._overdue > SETTLE_ROUNDS):
            # A source that never waits lets no alarm ring. Of one that does, more may have come while the program kept
            # the loop busy: the alarm sees to that.
            raise self._timeout(due)
        if not self._alarm.complete:
            self._alarm.set()

    def ends(self, length: int) -> None:
        """An item with so much content is there."""
        if self._interruption.is_going_on:
            self._interruption.ignored()
        now = self._clock()
        self._noted.catch_up(comes=True)
        if length and self._watchdog.content(now, length):
            self._alarm.set()
        self._watchdog.left(now)
        if length and self._notes and self._alarm.complete and not self._interruption.is_going_on:
            self.beat.begin()

    def fails(self, error: BaseException | None) -> None:
        """The source has ended, with an error or by itself: or rather, it was late.

        A source whose pull is cancelled may end or fail in its own way.
        """
        if self._interruption.ends(error) and (late := self._interruption.reason()) is not None:
            raise late from None

    def over(self) -> None:
        """Nothing is waited for any more."""
        self.beat.puller = None
        self._interruption.ends(None)
        self._alarm.cancel()

    def _late(self, due: Due) -> None:
        if self.beat.puller is not None:
            self._interruption.begin(self.beat.puller, self._timeout(due))

    def _timeout(self, due: Due) -> StreamTimeout:
        elapsed = self._clock() - self._watchdog.started
        return StreamTimeout(phase=due.phase, limit=due.limit, elapsed=elapsed, text=''.join(self.text))
