"""One turn of a chat: a `RunStream` whose end goes into the conversation, whatever end that is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar
from uuid import uuid4

from pydantic_ai.conversation import Conversation
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelRequest, UserContent, UserPromptPart

from ..aio.closing import over
from ..core.telling import told_to
from ..errors import ConversationChanged, StreamingError, StreamUsageError, TurnInProgress
from ..run.misuse import ToBeEntered
from ..run.stream import RunStream
from ..stores.journal import JournalledTurn
from .journalling import Journalling
from .kept import KeptConversation

__all__ = ['Prompt', 'Seat', 'Turn', 'TurnSettings']

OutputT = TypeVar('OutputT')

logger = told_to('pydantic_ai_streaming')

WAITING = (
    'The conversation waits for an answer to tool calls (chat.conversation.deferred_tool_requests): '
    'chat.send(deferred_tool_results=...) gives it. To go on with a prompt, deny what waits: '
    'chat.send(prompt, deferred_tool_results=DeferredToolResults(approvals={tool_call_id: False})).'
)
"""What pydantic-ai advises where it refuses to run is for those who pass the history."""

Prompt = str | Sequence[UserContent] | None
"""What a turn asks; `None` goes on from the history as it is."""


@dataclass(frozen=True, kw_only=True)
class TurnSettings:
    """How the turns of a chat are journalled: seconds, and characters, that may be lost when the process dies."""

    every: float | None
    characters: int | None


PATIENCE = 10.0
"""Seconds that a save gets before a cancellation of whoever leaves the turn is passed on to it."""


class Seat:
    """Who has the floor in a chat: one turn at a time."""

    def __init__(self) -> None:
        self._taken_by: object = None

    def take(self, turn: object, conversation_id: str) -> None:
        """Take the floor. Raises `TurnInProgress` if another turn has it."""
        if self._taken_by is not None:
            raise TurnInProgress(conversation_id, where='in this chat')
        self._taken_by = turn

    def leave(self, turn: object) -> None:
        """Give it back."""
        if self._taken_by is turn:
            self._taken_by = None


class Turn(ToBeEntered, AbstractAsyncContextManager[RunStream[OutputT]], Generic[OutputT]):
    """A turn that was described and begins when it is entered. Made by `Chat.send`, `Chat.regenerate` and `Chat.edit`.

    Args:
        kept: The conversation.
        seat: Who has the floor.
        settings: How it is journalled.
        prompt: What to ask, given the conversation; it may go back in it first.
        describe: Makes the stream of the run.
    """

    def __init__(
        self,
        kept: KeptConversation,
        seat: Seat,
        settings: TurnSettings,
        prompt: Callable[[], Awaitable[Prompt]],
        describe: Callable[[Prompt, Conversation], RunStream[OutputT]],
    ) -> None:
        self._kept = kept
        self._seat = seat
        self._settings = settings
        self._prompt = prompt
        self._describe = describe
        self._stream: RunStream[OutputT] | None = None
        self._journalling: Journalling | None = None

    async def __aenter__(self) -> RunStream[OutputT]:
        if self._stream is not None:
            raise StreamUsageError('This turn was begun before, and a turn is one run: make another, chat.send(...).')
        self._seat.take(self, self._kept.id)
        self._journalling = None
        try:
            prompt = await self._prompt()
            conversation = await self._kept.ready()
            stream = self._describe(prompt, conversation)
            await self._journal(prompt, conversation)
            self._stream = await stream.__aenter__()
        except BaseException as error:
            self._kept.call_off(None if self._journalling is None else self._journalling.turn_id)
            calling_off = asyncio.create_task(self._call_off(error), name='pydantic-ai-streaming call off')
            try:
                await over(calling_off)
            finally:
                self._seat.leave(self)
            raise
        self._kept.begun()
        if self._journalling is not None:
            self._journalling.follow(stream)
        return stream

    async def _call_off(self, error: BaseException) -> None:
        """Nobody was asked yet: leave everything as it was before."""
        if self._journalling is not None:
            # What cannot be cleared now is over all the same, for other processes some writes later.
            await self._journalling.clear()
        try:
            await self._kept.return_()
        except Exception as failure:
            error.add_note(
                'Moreover, the conversation has gone back for this turn, and could not return: the chat tries again at '
                f'its next turn, and what followed is one of chat.branches(). {failure}'
            )

    async def _journal(self, prompt: Prompt, conversation: Conversation) -> None:
        kept, every = self._kept, self._settings.every
        if kept.journal is None or every is None:
            return
        turn = JournalledTurn(
            conversation_id=kept.id,
            turn_id=uuid4().hex,
            revision=conversation.revision,
            scope=kept.scope,
            every=every,
            usage=conversation.usage,
        )
        kept.own = turn.turn_id
        self._journalling = Journalling(kept.journal, turn, characters=self._settings.characters)
        asked: list[ModelMessage] = [] if prompt is None else [ModelRequest(parts=[UserPromptPart(prompt)])]
        await self._journalling.begin(asked, replaces=kept.replaces)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._stream is not None
        try:
            await self._stream.__aexit__(kind, error, traceback)
        except BaseException as failure:
            await self._settle(self._stream, failure)
            raise
        await self._settle(self._stream, error)

    async def _settle(self, stream: RunStream[OutputT], error: BaseException | None) -> None:
        """Save the turn, even if the caller is cancelled. If both went wrong, the error of the run goes first."""
        settling = asyncio.create_task(self._save(stream), name='pydantic-ai-streaming save')
        try:
            await over(settling, patience=PATIENCE)
        except asyncio.CancelledError:
            if settling.cancelled() or settling.exception() is not None:
                why = 'it was cancelled' if settling.cancelled() else settling.exception()
                logger.warning('The turn of conversation %r could not be saved: %s', self._kept.id, why)
            raise
        finally:
            self._seat.leave(self)
        failure = settling.exception()
        if failure is not None and error is None:
            raise failure
        if failure is not None and error is not None:
            error.add_note(f'Moreover, the turn could not be saved; the chat tries again at its next turn. {failure}')
        conversation = self._kept.conversation
        if isinstance(error, UserError) and conversation is not None and conversation.deferred_tool_requests:
            error.add_note(WAITING)

    async def _save(self, stream: RunStream[OutputT]) -> None:
        self._kept.take(stream)
        if self._journalling is not None:
            await self._journalling.stop()
        try:
            await self._kept.save()
        except StreamingError as error:
            error.text, error.messages = stream.text_so_far, stream.new_messages
            if isinstance(error, ConversationChanged):
                raise ConversationChanged(self._kept.id, text=error.text, messages=error.messages) from None
            raise
        if self._journalling is not None:
            await self._journalling.clear()
