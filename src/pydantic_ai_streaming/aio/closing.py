"""Ending what is still going on: iterators and tasks."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ['close', 'drain', 'outlast']


async def close(iterator: object) -> None:
    """Close an async iterator, if it is of a kind that can be closed."""
    aclose = getattr(iterator, 'aclose', None)
    if aclose is not None:
        await aclose()


async def drain(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it is over. If the caller is cancelled meanwhile, that goes on afterwards."""
    cancelled: asyncio.CancelledError | None = None
    task.cancel()
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
            task.cancel()
    if not task.cancelled():
        task.exception()
    if cancelled is not None:
        raise cancelled


async def outlast(*tasks: asyncio.Task[Any]) -> None:
    """Wait until tasks are over, even if the caller is cancelled meanwhile; that goes on afterwards.

    Cancelled a second time, the caller is in a hurry: then the tasks are cancelled too.
    """
    cancelled: asyncio.CancelledError | None = None
    while going := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(going)
        except asyncio.CancelledError as error:
            if cancelled is not None:
                for task in going:
                    task.cancel()
            cancelled = error
    if cancelled is not None:
        raise cancelled
