"""Closes connections that a provider's client leaves open when a response is left or fails. That is Google's.

A response of google-genai (2.34) is iterated through a chain of generators, with the response of httpx or aiohttp at
the bottom. Closing the outermost, which is all that pydantic-ai can do, leaves the others as they are, until the
garbage collector comes by. What closes them all is an exception from the bottom: a pull that is cancelled while it
waits there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

from pydantic_ai.models import StreamedResponse

from ..aio.closing import drain, uninterrupted

__all__ = ['close_abandoned', 'close_left']

GOOGLE = 'pydantic_ai.models.google'
"""Module of the model class whose client does not close what is left."""

GOOGLE_CLIENT = 'google.genai'
"""The client below it, whose errors keep their response open."""

TURNS_TO_WAIT = 20
"""Turns of the event loop that a pull gets to bring what has been received already, or to end."""

MAX_BUFFERED = 1000
"""Pieces of a response that may have been received but not read when it is left."""


async def close_left(response: StreamedResponse) -> None:
    """Close the connection of a response that is over for us, where its client does not. What is closed stays closed.

    One more pull is begun and cancelled, at the client's own stream: pydantic-ai's iterator over it waits for a lock
    before each pull, and a run that is cancelled there has ended that iterator while the stream below knows of nothing.
    What the pull may still bring was left, and is no part of the reply.
    """
    if type(response).__module__ != GOOGLE:
        return
    # pydantic-ai's stream that can be peeked at, and the client's stream that it was made from.
    source = getattr(getattr(response, '_response', None), 'source', None)
    if not isinstance(source, AsyncIterator):
        return
    await uninterrupted(_end(cast('AsyncIterator[object]', source)))


async def close_abandoned(error: BaseException | None) -> None:
    """Close the response in which a provider told of an error, where its client only drops it.

    google-genai raises for an error event while it iterates the response, and the error keeps the response: the
    connection would stay open for as long as somebody keeps the error, and then until the garbage collector comes by.
    Its `APIError.response` is its own wrapper, with the response of httpx or aiohttp in `response_stream`.
    """
    while error is not None:
        if type(error).__module__.startswith(GOOGLE_CLIENT):
            response: Any = getattr(getattr(error, 'response', None), 'response_stream', None)
            # Whatever goes wrong here, the error of the provider is the one to tell.
            with suppress(Exception):
                if hasattr(response, 'aclose'):
                    await uninterrupted(response.aclose())
                elif hasattr(response, 'close'):
                    response.close()
        error = error.__cause__


async def _end(source: AsyncIterator[Any]) -> None:
    for _ in range(MAX_BUFFERED):
        pull = asyncio.create_task(_next(source))
        for _ in range(TURNS_TO_WAIT):
            await asyncio.sleep(0)
            if pull.done():
                break
        await drain(pull)
        if pull.cancelled() or pull.exception() is not None:
            return


async def _next(source: AsyncIterator[Any]) -> object:
    # StopAsyncIteration would be no exception that a task can end with.
    try:
        return await anext(source)
    except StopAsyncIteration:
        raise asyncio.CancelledError from None
