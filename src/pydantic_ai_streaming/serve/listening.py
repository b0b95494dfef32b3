"""Work for a client, until it is done or the client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from ..aio.closing import drain

if TYPE_CHECKING:
    from starlette.types import Receive

__all__ = ['while_there']


async def while_there(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Do some work for a client. It is cancelled, and waited for, when the client has gone or this is cancelled.

    Raises:
        Exception: What the work raises.
    """
    sending = asyncio.create_task(work, name='pydantic-ai-streaming send')
    listening = asyncio.create_task(_until_gone(receive), name='pydantic-ai-streaming listen')
    try:
        await asyncio.wait((sending, listening), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await drain(listening)
        await drain(sending)
    if not sending.cancelled():
        sending.result()


async def _until_gone(receive: Receive) -> None:
    while (await receive())['type'] != 'http.disconnect':
        pass
