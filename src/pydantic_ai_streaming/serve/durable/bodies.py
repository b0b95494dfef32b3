"""Bodies of requests, up to a size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .answers import Refused

if TYPE_CHECKING:
    from starlette.types import Receive

__all__ = ['Gone', 'body_of']

DISCARDED: Final = 64 * 2**20
"""Bytes of a body too large that are still taken, and dropped: a client that is writing sees no answer before."""


class Gone(Exception):
    """The client has gone before its request was whole."""


async def body_of(receive: Receive, *, limit: int) -> bytes:
    """The body of a request.

    Raises:
        Refused: It is larger than `limit` bytes.
        Gone: It does not come.
    """
    pieces: list[bytes] = []
    size, more = 0, True
    while more and size <= limit + DISCARDED:
        message = await receive()
        if message['type'] == 'http.disconnect':
            raise Gone
        piece: bytes = message.get('body', b'')
        more = message.get('more_body', False)
        size += len(piece)
        if size <= limit:
            pieces.append(piece)
        else:
            pieces.clear()
    if size > limit:
        raise Refused(413, f'The body is larger than {limit} bytes.')
    return b''.join(pieces)
