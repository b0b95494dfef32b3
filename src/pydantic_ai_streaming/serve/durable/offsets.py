"""Offsets and cursors as they are on the wire."""

from __future__ import annotations

import re
from typing import Final

__all__ = ['advanced', 'offset_of', 'token_of']

TOKEN: Final = re.compile(r'0{16}_([0-9]{16})')
CURSOR: Final = re.compile(r'[0-9]{1,15}')
EPOCH: Final = 1_728_432_000
"""9 October 2024, from which the protocol counts the intervals of cursors."""
INTERVAL: Final = 20
"""Seconds."""


def token_of(offset: int) -> str:
    """Write an offset, so that the order of the tokens is that of the offsets.

    Clients know the token of the beginning: the protocol's tests have it.

    Example:
        >>> token_of(7)
        '0000000000000000_0000000000000007'
    """
    return f'{0:016}_{offset:016}'


def offset_of(token: str) -> int:
    """Read an offset.

    Raises:
        ValueError: No server of this kind has written it.
    """
    if (match := TOKEN.fullmatch(token)) is None:
        raise ValueError(f'{token[:40]!r} is no offset')
    return int(match[1])


def advanced(cursor: str | None, *, now: float, jitter: float) -> str:
    """The next cursor, which tells caches that a request is another one.

    Args:
        cursor: What the client has, if it is one.
        now: Seconds since 1970.
        jitter: By how many seconds it is to go beyond a cursor of this interval or a later one.

    Example:
        >>> advanced(None, now=EPOCH + 100, jitter=1)
        '5'
        >>> advanced('5', now=EPOCH + 100, jitter=70)
        '8'
    """
    current = int((now - EPOCH) // INTERVAL)
    if cursor is not None and CURSOR.fullmatch(cursor) and int(cursor) >= current:
        current = int(cursor) + max(1, int(jitter // INTERVAL))
    return str(current)
