"""What a request for a run begins, or has begun when it came before: `Starting`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from inspect import isawaitable
from typing import Any, Final, TypeAlias, cast
from weakref import WeakValueDictionary

from starlette.exceptions import HTTPException

from ..core.telling import told_to
from ..errors import RunnerClosed, StreamingError, StreamLogError, StreamMissing
from ..logs.heads import Head, Write
from .asked import Asked
from .chats import Chats, chat_named, digest_of, place_of
from .refused import Refused, refusal_of
from .runner import StreamRunner
from .source import Source
from .wire import CHAT, MESSAGE, OURS, RUN, STARTING

__all__ = ['Start', 'Starting']

logger = told_to(__name__)

Start: TypeAlias = Callable[[Asked], Source | Awaitable[Source]]
"""Makes a run of what was asked for."""

DIGEST: Final = 'asked'
"""Where the details of a stream say what was asked for, if the request had a key."""

SECRET: Final = f'{OURS}secret-of-keys'
"""A stream without entries, whose incarnation goes into the ids that are made of keys: all workers of a log make the
same of a key, and who only knows the key cannot."""

FIRST_LOOK, LONGEST_LOOK = 0.01, 0.5
"""Seconds between two looks at a stream of which it is not known yet whether its run was begun."""


class Starting:
    """Starts runs for requests: one for each, and for those that come again with the same key, one for all.

    In this process, requests of one key wait for each other. In others, the log decides: of two that create the stream
    at once one does, and what the `start` of the other has made is thrown away without having been entered. Who finds
    the stream waits until its run has begun, and takes its place if it did not: as its producer is gone before it has
    entered the run, or the run was refused.

    What was begun is done, whether or not the request is still there: a key would be used up without a run.

    Args:
        runner: Runs what is started.
        start: Makes it.

    Attributes:
        chats: Of these requests.
    """

    def __init__(self, runner: StreamRunner, start: Start) -> None:
        self._runner = runner
        self._start = start
        self.chats = Chats(runner)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._going: set[asyncio.Task[str]] = set()

    async def begin(self, asked: Asked, format_name: str) -> str:
        """Start a run, or find the one that the same request has started; the id of its stream.

        Raises:
            Refused: The key was that of another request.
            Exception: What `start`, and `StreamRunner.start`, raise.
        """
        going = asyncio.create_task(self._begun(asked, format_name), name='pydantic-ai-streaming begin')
        self._going.add(going)
        going.add_done_callback(self._going.discard)
        try:
            return await asyncio.shield(going)
        except asyncio.CancelledError:
            going.add_done_callback(_tell)
            raise

    async def _begun(self, asked: Asked, format_name: str) -> str:
        chat = None if asked.chat_id is None else chat_named(asked.request, asked.owner, asked.chat_id)
        with self.chats.beginning(chat) as beginning:
            stream_id = await self._once(asked, format_name, chat)
        # From here on there is a note, or it could not be written.
        if beginning.stopped:
            try:
                await self._runner.stop(stream_id)
            except StreamingError as error:
                logger.warning('Stream %s, which was stopped before it had begun, goes on: %s', stream_id, error)
        return stream_id

    async def _once(self, asked: Asked, format_name: str, chat: str | None) -> str:
        self._refuse_when_closed()
        if asked.key is None:
            return await self._begin(asked, format_name, chat, None, {})
        parts = await self._secret_of_keys(), place_of(asked.request), asked.owner, asked.key
        stream_id = f'key-{digest_of(*parts)}'
        details = {DIGEST: digest_of(format_name, asked.digest)}
        async with self._turns.setdefault(stream_id, asyncio.Lock()):
            pause = FIRST_LOOK
            while not await self._has_begun(stream_id, details[DIGEST]):
                try:
                    return await self._begin(asked, format_name, chat, stream_id, details)
                except StreamLogError as error:
                    if error.stream_id != stream_id:
                        raise
                # The same request has come to another worker at the same time.
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_LOOK)
        return stream_id

    async def _secret_of_keys(self) -> str:
        # Not kept: the log may have come back empty, and another worker has the secret that it has now.
        log = self._runner.log
        while True:
            try:
                return (await log.head(SECRET)).incarnation
            except StreamMissing:
                made = Head(stream_id=SECRET, incarnation=secrets.token_urlsafe(16))
                with suppress(StreamLogError):  # another worker was faster
                    await log.write(Write(stream_id=SECRET, create=made))

    async def _has_begun(self, stream_id: str, digest: str) -> bool:
        """Wait until it is known whether the run of a stream was begun. One that was not is cleared away."""
        pause = FIRST_LOOK
        while True:
            self._refuse_when_closed()
            try:
                head = await self._runner.log.head(stream_id)
            except StreamMissing:
                return False
            if head.details.get(DIGEST, digest) != digest:
                # https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ (2.7)
                raise Refused(422, 'key_reused', 'This key was that of another request: a new request needs a new key.')
            if STARTING in head.details:
                await self._clear_away(head)
            elif head.length or head.closed:
                return True
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_LOOK)

    def _refuse_when_closed(self) -> None:
        """Raise `RunnerClosed` before the log is asked for anything: that would open it again."""
        if not self._runner.is_open:
            raise RunnerClosed

    async def _clear_away(self, head: Head) -> None:
        """Delete a stream whose run was not entered, if its producer is gone, or else leave it.

        Should the producer live after all, it finds the stream gone, and does not enter the run either.
        """
        with suppress(StreamLogError):
            await self._runner.log.write(
                Write(
                    stream_id=head.stream_id,
                    incarnation=head.incarnation,
                    version=head.version,
                    take_over=not head.closed,
                    delete=True,
                )
            )

    async def _begin(
        self, asked: Asked, format_name: str, chat: str | None, stream_id: str | None, details: dict[str, Any]
    ) -> str:
        source = self._start(asked)
        # A turn can be awaited too, but for a sentence on what to do instead. What is neither, the runner refuses.
        if not hasattr(source, '__aenter__') and isawaitable(source):
            source = await source
        if asked.chat_id is not None:
            details = {**details, CHAT: asked.chat_id}
        if asked.run_id is not None:
            details = {**details, RUN: asked.run_id}
        if asked.message_id is not None:
            details = {**details, MESSAGE: asked.message_id}
        formats = {format_name, 'frames'} & self._runner.formats.keys()
        self._runner.warn_unopened()
        stream_id = await self._runner.start(
            cast('Source', source), stream_id=stream_id, owner=asked.owner, formats=sorted(formats), details=details
        )
        if chat is not None:
            await self.chats.note(chat, stream_id)
        return stream_id


def _tell(going: asyncio.Task[str]) -> None:
    """Nobody is there any more who could be told why nothing was begun."""
    if not going.cancelled() and isinstance(error := going.exception(), Exception):
        with suppress(HTTPException):
            refusal_of(error)  # which tells the log of what is no client's doing
