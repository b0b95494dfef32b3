"""Which stream a chat had last, and how to stop it while it begins: `Chats`."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from ..core.telling import told_to
from ..errors import StreamingError, StreamLogError, StreamMissing
from ..logs.heads import Head, Write
from .runner import StreamRunner
from .wire import OURS

__all__ = ['Beginning', 'Chats', 'chat_named', 'digest_of', 'place_of']

logger = told_to(__name__)

AGAIN = 1.0
"""Seconds after which a note that could not be written is tried again, at most."""


@dataclass(slots=True, eq=False)
class Beginning:
    """A request that starts something in a chat.

    Attributes:
        stopped: Whether somebody has asked for its end meanwhile.
    """

    stopped: bool = False


class Chats:
    """Notes on the stream that each chat had last, each in a stream without entries that lives as long as that one.

    That a chat begins something is known in this process alone, until there is a note: `start` is the program's, and
    may take its time. A stop that comes to another worker meanwhile finds nothing.

    Args:
        runner: Whose streams they are.
    """

    def __init__(self, runner: StreamRunner) -> None:
        self._runner = runner
        self._log = runner.log
        self._beginning: dict[str, set[Beginning]] = {}
        self._last: dict[str, str] = {}
        self._keeping: set[asyncio.Task[None]] = set()

    @contextmanager
    def beginning(self, name: str | None) -> Generator[Beginning]:
        """While a request begins something in a chat, if it names one: who stops the chat stops that, too."""
        one = Beginning()
        if name is None:
            yield one
            return
        others = self._beginning.setdefault(name, set())
        others.add(one)
        try:
            yield one
        finally:
            others.discard(one)
            if not others:
                self._beginning.pop(name, None)

    async def last_of(self, name: str) -> Head:
        """The stream that a chat had last.

        Raises:
            StreamMissing: It had none, or none that is still kept.
        """
        return await self._log.head((await self._log.head(name)).details['stream'])

    async def stop(self, name: str) -> bool:
        """End what goes on in a chat, and what begins here; returns whether there was something.

        Raises:
            StreamMissing: It had no stream, and begins none.
        """
        beginning = tuple(self._beginning.get(name, ()))
        for one in beginning:
            one.stopped = True
        # Of its runs here one is known although its note could not be written.
        here = self._last.get(name)
        stopped = bool(beginning)
        if here is not None:
            with suppress(StreamMissing):
                stopped |= await self._runner.stop(here)
        try:
            stopped |= await self._runner.stop((await self.last_of(name)).stream_id)
        except StreamMissing:
            if here is None and not beginning:
                raise
        return stopped

    async def note(self, name: str, stream_id: str) -> None:
        """Keep which stream a chat had last. Should that fail, the run goes on, and it is tried again."""
        self._last[name] = stream_id
        try:
            await self._write(name, stream_id)
            is_noted = True
        except StreamingError as error:
            logger.warning('It could not be noted that a chat has stream %s: %s', stream_id, error)
            is_noted = False
        keeping = asyncio.create_task(self._keep(name, stream_id, is_noted), name='pydantic-ai-streaming note')
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)

    async def _keep(self, name: str, stream_id: str, is_noted: bool) -> None:
        """Have a note live for as long as its stream, which lives on with each write of the run."""
        every = self._runner.ttl / 3
        is_over = False
        while not is_over and self._last.get(name) == stream_id:
            is_over = await self._runner.until_over(stream_id, within=every if is_noted else min(AGAIN, every))
            if not self._runner.is_open:
                break  # and its log is not to be opened again
            with suppress(StreamingError):
                await (self._touch if is_noted else self._write)(name, stream_id)
                is_noted = True
        if self._last.get(name) == stream_id:
            del self._last[name]

    async def _touch(self, name: str, stream_id: str) -> None:
        try:
            await self._log.write(Write(stream_id=name))
        except StreamMissing:
            await self._create(name, stream_id)

    async def _write(self, name: str, stream_id: str) -> None:
        write = Write(stream_id=name, details={'stream': stream_id})
        try:
            await self._log.write(write)
        except StreamMissing:
            try:
                await self._create(name, stream_id)
            except StreamLogError:  # two that come at once may both be the first
                await self._log.write(write)

    async def _create(self, name: str, stream_id: str) -> None:
        head = Head(stream_id=name, incarnation=stream_id, ttl=self._runner.ttl, details={'stream': stream_id})
        await self._log.write(Write(stream_id=name, create=head))


def chat_named(request: HTTPConnection, owner: str | None, chat: str) -> str:
    """The id of the note of a chat: of this owner, at this place."""
    return f'{OURS}chat-{digest_of(place_of(request), owner, chat)}'


def place_of(request: HTTPConnection) -> str:
    """Where the router is mounted that has got a request: what its clients name means something there alone."""
    return request.scope.get('root_path', '')


def digest_of(*parts: str | None) -> str:
    """The same for the same parts, and not to be guessed without one of them."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
