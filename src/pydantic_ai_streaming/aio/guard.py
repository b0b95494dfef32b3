"""Deadlines for any async iterator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import TypeVar

from ..core.deadlines import Deadlines, Due, Watchdog
from ..errors import StreamTimeout
from .clock import running_loop
from .closing import close, close_after

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
    clock = running_loop('guard()').time
    watchdog = Watchdog(deadlines, clock())
    watchdog.waiting(clock())
    iterator = aiter(source)
    text: list[str] = []
    try:
        while True:
            due = watchdog.due
            if due is not None and due.at <= clock():
                # A source that never waits would never meet the end of a timeout.
                raise _timeout(due, clock() - watchdog.started, text)
            scope = asyncio.timeout_at(None if due is None else due.at)
            try:
                async with scope:
                    item = await anext(iterator)
            except Exception as error:
                # A source whose pull is cancelled by a deadline may end or fail in its own way: it was the deadline.
                if due is None or not scope.expired():
                    if isinstance(error, StopAsyncIteration):
                        break
                    raise
                raise _timeout(due, clock() - watchdog.started, text) from None
            length = content(item)
            if length:
                watchdog.content(clock(), length)
            if isinstance(item, str):
                text.append(item)
            watchdog.paused(clock())
            yield item
            watchdog.resumed(clock())
    except BaseException as error:
        await close_after(iterator, error)
        raise
    await close(iterator)


def _timeout(due: Due, elapsed: float, text: list[str]) -> StreamTimeout:
    return StreamTimeout(phase=due.phase, limit=due.limit, elapsed=elapsed, text=''.join(text))
