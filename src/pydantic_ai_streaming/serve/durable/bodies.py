"""Bodies of requests, up to a size."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..limits import BODY_WITHIN, Part, Unfinished, declared
from .answers import Refused

if TYPE_CHECKING:
    from starlette.types import Receive

__all__ = ['Gone', 'body_of']

DISCARDED: Final = 64 * 2**20
"""Bytes of a body too large that are still taken, and dropped: a client that is writing sees no answer before."""


class Gone(Exception):
    """The client has gone before its request was whole."""


async def body_of(headers: Mapping[str, str], receive: Receive, *, limit: int, unfinished: Unfinished) -> bytes:
    """The body of a request.

    Raises:
        Refused: It is larger than `limit` bytes, comes too slowly, or there is no room for it among the others.
        Gone: It does not come.
    """
    whole = declared(headers)
    if whole is not None and whole > limit:
        raise _too_large(limit)
    try:
        with unfinished.one() as part:
            async with asyncio.timeout(BODY_WITHIN):
                return await _read(receive, whole, limit, part)
    except TimeoutError:
        raise Refused(408, f'The body is to come within {BODY_WITHIN:.0f} seconds.', connection='close') from None


async def _read(receive: Receive, whole: int | None, limit: int, part: Part) -> bytes:
    body = bytearray()
    refused: Refused | None = None
    size, more = 0, True
    while more and size <= limit + DISCARDED:
        message = await receive()
        if message['type'] == 'http.disconnect':
            raise Gone
        piece: bytes = message.get('body', b'')
        more = message.get('more_body', False)
        size += len(piece)
        if refused is None and size > limit:
            refused = _too_large(limit)
        elif refused is None and more and size != whole and not part.fits(size):
            refused = Refused(503, 'As much of other bodies is kept as can.', retry_after=1)
        if refused is None:
            body += piece
        else:
            body = bytearray()
            part.fits(0)
    if refused is not None:
        raise refused
    return bytes(body)


def _too_large(limit: int) -> Refused:
    return Refused(413, f'The body is larger than {limit} bytes.')
