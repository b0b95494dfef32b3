"""What a request for a run begins, or has begun when it came before: `Starting`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias, cast
from weakref import WeakValueDictionary

from ..errors import StreamLogError, StreamMissing
from ..logs.heads import Head, Write
from .asked import Asked
from .refused import Refused
from .runner import StreamRunner
from .source import Source
from .wire import CHAT, RUN

__all__ = ['Start', 'Starting', 'named']

Start: TypeAlias = Callable[[Asked], Source | Awaitable[Source]]
"""Makes a run of what was asked for."""

DIGEST: Final = 'asked'
"""Where the details of a stream say what was asked for, if the request had a key."""

SECRET: Final = 'secret-of-keys'
"""A stream without entries, and where its details say what goes into the ids that are made of keys: all workers of a
log make the same of a key, and who only knows the key cannot."""


class Starting:
    """Starts runs for requests: one for each, and for those that come again with the same key, one for all.

    In this process, requests of one key wait for each other. In others, the log decides: of two that create the stream
    at once one does, and what the `start` of the other has made is thrown away without having been entered.

    What was begun is done, whether or not the request is still there: a key would be used up without a run.
    """

    def __init__(self, runner: StreamRunner, start: Start) -> None:
        self._runner = runner
        self._start = start
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._going: set[asyncio.Task[str]] = set()
        self._secret: str | None = None

    async def begin(self, asked: Asked, format_name: str) -> str:
        """Start a run, or find the one that the same request has started; the id of its stream.

        Raises:
            Refused: The key was that of another request.
            Exception: What `start`, and `StreamRunner.start`, raise.
        """
        going = asyncio.create_task(self._once(asked, format_name), name='pydantic-ai-streaming begin')
        self._going.add(going)
        going.add_done_callback(self._has_begun_one)
        return await asyncio.shield(going)

    def _has_begun_one(self, going: asyncio.Task[str]) -> None:
        self._going.discard(going)
        if not going.cancelled():
            going.exception()  # which nobody may be there to be told of

    async def _once(self, asked: Asked, format_name: str) -> str:
        if asked.key is None:
            return await self._begin(asked, format_name, None, {})
        stream_id = named('key', await self._secret_of_keys(), asked.owner, asked.key)
        digest = _digest(format_name, asked.digest)
        async with self._turns.setdefault(stream_id, asyncio.Lock()):
            if await self._has_begun(stream_id, digest):
                return stream_id
            try:
                return await self._begin(asked, format_name, stream_id, {DIGEST: digest})
            except StreamLogError as error:
                if error.reason != 'exists' or not await self._has_begun(stream_id, digest):
                    raise
                return stream_id  # the same request has come to another worker at the same time

    async def _secret_of_keys(self) -> str:
        if self._secret is None:
            log, made = self._runner.log, secrets.token_urlsafe(16)
            details = {SECRET: made}
            with suppress(StreamLogError):  # it is there already
                await log.write(
                    Write(stream_id=SECRET, create=Head(stream_id=SECRET, incarnation=made, details=details))
                )
            head = await log.head(SECRET)
            if SECRET not in head.details:  # somebody has made a stream of this name, who may write into the log
                await log.write(Write(stream_id=SECRET, details={**head.details, **details}))
                head = await log.head(SECRET)
            self._secret = str(head.details[SECRET])
        return self._secret

    async def _has_begun(self, stream_id: str, digest: str) -> bool:
        try:
            head = await self._runner.log.head(stream_id)
        except StreamMissing:
            return False
        if head.details.get(DIGEST, digest) != digest:
            # https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ (2.7)
            raise Refused(422, 'key_reused', 'This key was that of another request: a new request needs a new key.')
        return True

    async def _begin(self, asked: Asked, format_name: str, stream_id: str | None, details: dict[str, Any]) -> str:
        source = self._start(asked)
        if not hasattr(source, '__aenter__'):  # a turn can be awaited too, but for a sentence on what to do instead
            source = await cast('Awaitable[Source]', source)
        if asked.chat_id is not None:
            details = {**details, CHAT: asked.chat_id}
        if asked.run_id is not None:
            details = {**details, RUN: asked.run_id}
        formats = {format_name, 'frames'} & self._runner.formats.keys()
        self._runner.warn_unopened()
        stream_id = await self._runner.start(
            cast('Source', source), stream_id=stream_id, owner=asked.owner, formats=sorted(formats), details=details
        )
        if asked.chat_id is not None:
            await self._note(asked.owner, asked.chat_id, stream_id)
        return stream_id

    async def _note(self, owner: str | None, chat: str, stream_id: str) -> None:
        """Keep which stream a chat had last, in a stream without entries."""
        log = self._runner.log
        name, details = named('chat', owner, chat), {'stream': stream_id}
        try:
            await log.write(Write(stream_id=name, details=details))
        except StreamMissing:
            head = Head(stream_id=name, incarnation=stream_id, ttl=self._runner.ttl, details=details)
            try:
                await log.write(Write(stream_id=name, create=head))
            except StreamLogError:  # two that come at once may both be the first
                await log.write(Write(stream_id=name, details=details))


def named(kind: str, *parts: str | None) -> str:
    """An id for what a client has named: the same for the same parts, and not to be guessed without one of them."""
    return f'{kind}-{_digest(*parts)}'


def _digest(*parts: str | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
