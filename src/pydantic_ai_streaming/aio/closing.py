"""Ending what is still going on: iterators and tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import anyio

__all__ = ['close', 'close_after', 'drain', 'over', 'uninterrupted']

PATIENCE = 0.1
"""Seconds that something gets to end before a cancellation of whoever waits for that is passed on to it.

HTTP clients take locks on the way to closing a connection, and one that is cancelled there a second time leaves it open
for good. Who is cancelled once may be cancelled again in the very next turn: anyio does it in each turn.
"""


async def close(iterator: object) -> None:
    """Close an async iterator, if it is of a kind that can be closed."""
    aclose = getattr(iterator, 'aclose', None)
    if aclose is not None:
        await aclose()


async def close_after(iterator: object, error: BaseException) -> None:
    """Close an async iterator because of an error, which a failure to close must not hide: it becomes a note of it.

    Whoever leaves early (`GeneratorExit`) has no error yet and is told of the failure.
    """
    try:
        await close(iterator)
    except Exception as failure:
        if isinstance(error, GeneratorExit):
            raise
        error.add_note(f'Closing the source failed, too: {failure!r}')


async def drain(task: asyncio.Task[Any]) -> None:
    """Cancel a task, if nobody has yet, and wait until it is over. Its own end is not told.

    Raises:
        asyncio.CancelledError: As `over`.
    """
    if not task.cancelling():
        task.cancel()
    try:
        await over(task)
    finally:
        if task.done() and not task.cancelled():
            task.exception()


async def over(*tasks: asyncio.Task[Any], patience: float = PATIENCE) -> None:
    """Wait until tasks are over that clear up.

    A cancellation of the caller waits for that too. One that comes when they have taken long already is passed on to
    them. The cancellation of an anyio scope waits without that: it says once, for all that is inside, that it is over.

    Args:
        *tasks: What clears up.
        patience: Seconds after which they have taken long.

    Raises:
        asyncio.CancelledError: The caller was cancelled meanwhile.
    """
    clock = asyncio.get_running_loop().time
    long = clock() + patience
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while going := [task for task in tasks if not task.done()]:
            try:
                await asyncio.wait(going)
            except asyncio.CancelledError as error:
                cancelled = error
                if clock() >= long:
                    for task in going:
                        task.cancel()
    if cancelled is not None:
        raise cancelled


async def uninterrupted(work: Coroutine[Any, Any, object]) -> None:
    """Do what closes a connection. It gets `PATIENCE` seconds before a cancellation of the caller reaches it.

    Raises:
        asyncio.CancelledError: The caller was cancelled meanwhile.
        Exception: What the work raises, if the caller was not cancelled.
    """
    task = asyncio.create_task(work)
    try:
        await over(task)
    except asyncio.CancelledError:
        if not task.cancelled():
            task.exception()
        raise
    task.result()
