"""Making the stream of a run, so that a failure leaves none behind: `Making`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from ..aio.closing import drain
from ..errors import StoreError, StoreUnavailable, StreamLogError
from ..logs.heads import Write
from ..logs.log import StreamLog
from ..logs.producer import Producer
from .wire import STARTING

__all__ = ['Making']

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
"""Seconds between two attempts to delete a stream that nobody was told of."""


class Making:
    """Makes streams of a log. Of those of one name, in whichever process they are made, one gets a run at a time.

    A stream that a program has named says until its run is entered that it was not (`STARTING`). Who finds that, and
    its producer gone, may delete it and make it anew: the one that was thought to be gone then enters no run.

    Args:
        log: Where they are made.
        ttl: Seconds after its last entry after which a stream is forgotten.
    """

    def __init__(self, log: StreamLog, *, ttl: float) -> None:
        self._log = log
        self._ttl = ttl
        self._taking_back: set[asyncio.Task[None]] = set()

    async def make(self, stream_id: str | None, owner: str | None, details: dict[str, Any]) -> Producer:
        """Make a stream whose run is entered next.

        Raises:
            StreamLogError: There is one of this name.
            StoreUnavailable: The log cannot be reached. What may have been made is deleted when it is there again.
        """
        name = secrets.token_urlsafe(16) if stream_id is None else stream_id
        token = secrets.token_urlsafe(9)
        first = details if stream_id is None else {**details, STARTING: True}
        create = partial(self._log.create, name, owner=owner, ttl=self._ttl, details=first, token=token)
        try:
            producer = await create()
            if stream_id is not None:
                await self._enter(producer, details)
        except StoreError:  # it may have been done all the same
            self._take_back_later(name, token, create)
            raise
        return producer

    async def _enter(self, producer: Producer, details: dict[str, Any]) -> None:
        enter = Write(
            stream_id=producer.stream_id,
            epoch=producer.epoch,
            incarnation=producer.incarnation,
            token=secrets.token_urlsafe(9),
            details=details,
        )
        try:
            await self._log.write(enter)
        except BaseException:
            producer.over = True
            raise

    def _take_back_later(
        self, stream_id: str, token: str, create: Callable[[], Awaitable[Producer]] | None = None
    ) -> None:
        taking_back = asyncio.create_task(
            self._take_back(stream_id, token, create), name='pydantic-ai-streaming take back'
        )
        self._taking_back.add(taking_back)
        taking_back.add_done_callback(self._taking_back.discard)

    async def _take_back(self, stream_id: str, token: str, create: Callable[[], Awaitable[Producer]] | None) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                if create is not None:
                    # Made for certain first: a request that is still on its way to the log would make it after it was
                    # found missing.
                    with suppress(StreamLogError):
                        (await create()).over = True
                await self._delete(stream_id, token)
            except StoreUnavailable:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            except StoreError:
                return  # a log that is full or cannot be written has not got it
            else:
                return

    async def forget(self, producer: Producer) -> None:
        """Delete a stream that nobody was told of; when the log is there again, if it cannot be reached."""
        producer.over = True
        try:
            await self._delete(producer.stream_id, producer.incarnation)
        except StoreError:
            self._take_back_later(producer.stream_id, producer.incarnation)

    async def _delete(self, stream_id: str, incarnation: str) -> None:
        with suppress(StreamLogError):  # it is gone, or another's
            await self._log.write(Write(stream_id=stream_id, incarnation=incarnation, delete=True))

    async def close(self) -> None:
        """Take nothing back any more."""
        for task in tuple(self._taking_back):
            await drain(task)
