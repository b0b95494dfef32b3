"""What the suite of stream logs reads with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ..errors import StreamLogError
from ..logs.tail import Follower

__all__ = ['LONG', 'eventually', 'everything', 'refused', 'some']

LONG = 1000.0
"""Seconds of a lease that is not renewed while a test runs: what a renewal brings to light would hide what is amiss."""

WITHIN = 20.0
"""Seconds after which something that has to happen has not: long, for a machine with much else to do."""


def some(count: int, start: int = 0) -> list[bytes]:
    """Entries, each of which tells its offset."""
    return [b'entry %d' % number for number in range(start, start + count)]


async def everything(follower: Follower) -> list[bytes]:
    """All entries until the end, which have to be where the slices say."""
    found: list[bytes] = []
    first = follower.offset
    async with asyncio.timeout(WITHIN):
        async for part in follower:
            assert part.start == first + len(found), f'a slice begins at {part.start}, not {first + len(found)}'
            found += part.entries
            assert follower.offset == part.end == first + len(found)
    return found


async def refused(write: Awaitable[Any]) -> str:
    """Why a write is refused; it has to be."""
    try:
        done = await write
    except StreamLogError as error:
        return error.reason
    raise AssertionError(f'it was done: {done!r}')


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until this holds, which has to happen."""
    async with asyncio.timeout(WITHIN):
        while not await holds():  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.02)
