"""`Chat`: a conversation turn by turn, of which nothing is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack, cast, overload

from pydantic_ai.agent import AbstractAgent
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationStore, InMemoryConversationStore
from pydantic_ai.output import OutputSpec
from pydantic_ai.usage import RunUsage, UsageLimits

from ..core.deadlines import Deadlines
from ..core.numbers import check_number
from ..core.wording import a
from ..errors import StreamUsageError
from ..reduce.exchanges import exchanges
from ..reduce.recovery import Recovery
from ..run.misuse import check_settings
from ..run.stream import RunStream
from ..run.watch import OnTruncation
from .conversation import ChatConversation
from .kept import KeptConversation
from .options import OF_THE_CHAT, RunOptions
from .turn import Prompt, Turn, TurnSettings

__all__ = ['Chat']

DepsT = TypeVar('DepsT')
OutputT = TypeVar('OutputT')
OtherT = TypeVar('OtherT')


class Chat(ChatConversation, Generic[DepsT, OutputT]):
    """A conversation turn by turn: each turn is a `RunStream`, and goes into the history however it ends.

    A turn that is complete, left with `break`, timed out, failed or cancelled: the next one goes on from what was said,
    with the usage so far, tool calls without a result closed. With a store the conversation is saved at the end of each
    turn. The stores of this package also keep a journal: should the process die in the middle of a turn, the
    conversation opens again with the prompt, the tool results and the text that had come, at most `journal_every`
    short.

    One conversation has one turn at a time, in all processes that use the store; a second one raises `TurnInProgress`.
    `async with chat:` loads the conversation at its beginning; without it the first turn does.

    Args:
        agent: Who answers.
        store: Where the conversation is kept; in memory by default.
        conversation_id: Its id; a new one by default.
        scope: Whose or where it is. It is then only found with this scope.
        history_limit: How many of the last messages to load; all by default. What is stored stays whole.
        deadlines: Limits of each turn.
        on_truncation: What to do with a reply that was cut off, as for `RunStream`.
        recovery: How a turn goes on after a reply that breaks off, as for `RunStream`.
        journal_every: Seconds of text that may be lost when the process dies, as long as the store keeps up. A turn of
            a process that has died is taken over after three times as long. `None` keeps no journal.
        journal_characters: Characters of which the same is true; no limit by default.
        **options: What each turn passes to the run (`deps`, `model_settings`, ...), unless it says otherwise.
            `usage_limits` count all turns; without any, each turn may make 50 requests, as each run of pydantic-ai.

    Raises:
        TypeError: `agent` is no agent, `store` no store, or a setting is of another type.
        ValueError: A limit is not positive, or an id or a scope is no text that could be stored.
        StreamUsageError: An option is the chat's own business.

    Example:
        ```python
        import asyncio

        from pydantic_ai import Agent
        from pydantic_ai_streaming import Chat
        from pydantic_ai_streaming.stores import SQLiteConversationStore
        from pydantic_ai_streaming.testing import ScriptedModel

        agent = Agent(ScriptedModel(['Once upon ', 'a time'], ['there was a stream.']))


        async def main():
            async with SQLiteConversationStore('stories.db') as store, Chat(agent, store, 'story') as chat:
                async with chat.send('A story') as stream:
                    async for piece in stream.text():
                        break
                async with chat.send('Go on') as stream:
                    print(await stream.get_output())
                print([(exchange.prompt, exchange.text) for exchange in chat.exchanges])


        asyncio.run(main())
        #> there was a stream.
        #> [('A story', 'Once upon '), ('Go on', 'there was a stream.')]
        ```
    """

    def __init__(
        self,
        agent: AbstractAgent[DepsT, OutputT],
        store: ConversationStore | None = None,
        conversation_id: str | None = None,
        *,
        scope: str | None = None,
        history_limit: int | None = None,
        deadlines: Deadlines | None = None,
        on_truncation: OnTruncation = 'raise',
        recovery: Recovery | None = None,
        journal_every: float | None = 0.5,
        journal_characters: int | None = None,
        **options: Unpack[RunOptions[DepsT]],
    ) -> None:
        if not isinstance(agent, AbstractAgent):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
            raise TypeError(f'Chat needs the agent that answers, not {a(agent)}: Chat(agent, store, conversation_id)')
        check_settings(deadlines, on_truncation, recovery)
        if store is not None and not isinstance(store, ConversationStore):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
            raise TypeError(f'store={store!r}: use a ConversationStore, such as SQLiteConversationStore("chats.db")')
        for name, value in {
            'history_limit': history_limit,
            'journal_every': journal_every,
            'journal_characters': journal_characters,
        }.items():
            if value is not None:
                check_number(name, value)
            if value is not None and not 0 < value < float('inf'):
                raise ValueError(f'{name}={value!r}: use a positive number')
        self._agent = agent
        self._deadlines = deadlines
        self._on_truncation: OnTruncation = on_truncation
        self._recovery = recovery
        self._options = cast('dict[str, Any]', options)
        _refuse_own(self._options)
        self._turns = TurnSettings(every=journal_every, characters=journal_characters)
        self._history_limit = history_limit
        kept = KeptConversation(
            store if store is not None else InMemoryConversationStore(),
            conversation_id if conversation_id is not None else Conversation().conversation_id,
            scope=scope,
            history_limit=history_limit,
            journalled=journal_every is not None,
        )
        super().__init__(kept)

    async def __aenter__(self) -> Self:
        await self.load()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing is left to do: turns are saved when they end, and the store is closed by whoever has opened it."""

    @overload
    def send(
        self,
        prompt: Prompt = None,
        *,
        output_type: None = None,
        deadlines: Deadlines | None = None,
        recovery: Recovery | None = None,
        **options: Unpack[RunOptions[DepsT]],
    ) -> Turn[OutputT]: ...

    @overload
    def send(
        self,
        prompt: Prompt = None,
        *,
        output_type: OutputSpec[OtherT],
        deadlines: Deadlines | None = None,
        recovery: Recovery | None = None,
        **options: Unpack[RunOptions[DepsT]],
    ) -> Turn[OtherT]: ...

    def send(
        self,
        prompt: Prompt = None,
        *,
        output_type: Any = None,
        deadlines: Deadlines | None = None,
        recovery: Recovery | None = None,
        **options: Any,
    ) -> Turn[Any]:
        """Describe the next turn; `async with chat.send(...) as stream:` begins it.

        Args:
            prompt: What to say. `None` has the model asked again from the history as it is, for example after a turn
                that failed before anything came.
            output_type: Another output type than the agent's, for this turn.
            deadlines: Other limits than the chat's, for this turn.
            recovery: Another recovery than the chat's, for this turn.
            **options: The parameters of `agent.run_stream_events`, except what the chat itself knows.

        Raises:
            StreamUsageError: An option is the chat's own business.

        The context raises:
            TurnInProgress: Another turn of the conversation goes on, here or in another process.
            ConversationChanged: Somebody else has saved the conversation; if it was during the turn, the error has the
                turn's messages.
            StoreError: The store cannot do it. At the end of a turn, the chat still has the turn, and the next turn or
                `save` tries again.
            Exception: As `RunStream`.
        """

        async def as_given() -> Prompt:
            return prompt

        return self._turn(as_given, output_type, deadlines, recovery, options)

    def regenerate(
        self,
        *,
        deadlines: Deadlines | None = None,
        recovery: Recovery | None = None,
        **options: Unpack[RunOptions[DepsT]],
    ) -> Turn[OutputT]:
        """Ask the last prompt again, in place of its reply. The reply that was there stays, as a branch.

        Args:
            deadlines: As for `send`.
            recovery: As for `send`.
            **options: As for `send`.

        The context raises:
            StreamUsageError: There is no prompt yet.
            Exception: As that of `send`.
        """

        async def again() -> Prompt:
            return await self._back_to(-1)

        return self._turn(again, None, deadlines, recovery, cast('dict[str, Any]', options))

    def edit(
        self,
        prompt: Prompt,
        *,
        exchange: int = -1,
        deadlines: Deadlines | None = None,
        recovery: Recovery | None = None,
        **options: Unpack[RunOptions[DepsT]],
    ) -> Turn[OutputT]:
        """Ask something else in place of an earlier prompt. What followed it stays, as a branch.

        Args:
            prompt: What to ask.
            exchange: In place of which prompt, as an index into the exchanges of the stored history.
            deadlines: As for `send`.
            recovery: As for `send`.
            **options: As for `send`.

        The context raises:
            StreamUsageError: There is no such exchange.
            Exception: As that of `send`.
        """

        async def instead() -> Prompt:
            await self._back_to(exchange)
            return prompt

        return self._turn(instead, None, deadlines, recovery, cast('dict[str, Any]', options))

    def _turn(
        self,
        prompt: Callable[[], Awaitable[Prompt]],
        output_type: Any,
        deadlines: Deadlines | None,
        recovery: Recovery | None,
        options: dict[str, Any],
    ) -> Turn[Any]:
        _refuse_own(options)
        check_settings(deadlines, self._on_truncation, recovery)
        options = {**self._options, **options}

        def describe(prompt: Prompt, conversation: Conversation) -> RunStream[Any]:
            limits: dict[str, Any] = {'usage_limits': _a_run_of_requests_after(conversation.usage), **options}
            run = self._agent.run_stream_events(prompt, output_type=output_type, conversation=conversation, **limits)
            return RunStream(
                run,
                deadlines=deadlines or self._deadlines,
                on_truncation=self._on_truncation,
                recovery=recovery or self._recovery,
            )

        return Turn(self._kept, self._seat, self._turns, prompt, describe)

    async def _back_to(self, number: int) -> Prompt:
        """Go back to before an exchange of the stored history; its prompt."""
        await self._kept.ready()
        entries = await self._kept.store.load_entries(self._kept.id, scope=self._kept.scope) or []
        all_exchanges = [one for one in exchanges([entry.message for entry in entries]) if one.prompt is not None]
        try:
            exchange = all_exchanges[number]
        except IndexError:
            count = len(all_exchanges)
            raise StreamUsageError(
                f'Exchange {number} is not there: the conversation has {count or "none"}. Use an index from '
                f'{-count} to {count - 1}.'
                if count
                else 'The conversation has no prompt yet: use chat.send(prompt).'
            ) from None
        await self._kept.go_back(at=exchange.start, head=entries[-1].id)
        return exchange.prompt

    # Other conversations

    async def save_as(self, conversation_id: str | None = None) -> Chat[DepsT, OutputT]:
        """Save the conversation as it is here under another id, whatever became of the stored one.

        Args:
            conversation_id: The id; a new one by default.

        Raises:
            ConversationConflict: A conversation with this id is stored already.
            StoreError: The store cannot do it.
        """
        other = self._other(conversation_id)
        kept = other._kept
        kept.conversation = Conversation(
            messages=list(self.conversation.messages), usage=self.conversation.usage, conversation_id=kept.id
        )
        await kept.store.save(kept.conversation, scope=kept.scope)
        return other

    async def fork(
        self, conversation_id: str | None = None, *, at: int | None = None, from_entry: str | None = None
    ) -> Chat[DepsT, OutputT]:
        """Begin another conversation from the stored one, which shares its history, as `ConversationStore.fork`.

        Args:
            conversation_id: Its id; a new one by default.
            at: How many messages to keep; all by default.
            from_entry: The last entry to keep instead: one of the history, or of a branch that was left.

        Raises:
            UserError: There is no such point, or nothing was saved yet.
            ConversationConflict: A conversation with this id is stored already.
            StoreError: The store cannot do it.
        """
        other, kept = self._other(conversation_id), self._kept
        await kept.store.fork(
            kept.id,
            at=at,
            from_entry=from_entry,
            new_conversation_id=other.conversation_id,
            scope=kept.scope,
            source_scope=kept.scope,
        )
        await other.load()
        return other

    def _other(self, conversation_id: str | None) -> Chat[DepsT, OutputT]:
        return Chat(
            self._agent,
            self._kept.store,
            conversation_id,
            scope=self._kept.scope,
            history_limit=self._history_limit,
            deadlines=self._deadlines,
            on_truncation=self._on_truncation,
            recovery=self._recovery,
            journal_every=self._turns.every,
            journal_characters=self._turns.characters,
            **cast('RunOptions[DepsT]', self._options),
        )


def _a_run_of_requests_after(usage: RunUsage) -> UsageLimits:
    # pydantic-ai's default of 50 requests counts those of the whole conversation, which would then end for good.
    limit = UsageLimits().request_limit
    return UsageLimits(request_limit=None if limit is None else usage.requests + limit)


def _refuse_own(options: dict[str, Any]) -> None:
    for name in options:
        if name not in RunOptions.__annotations__ and name not in OF_THE_CHAT:
            raise TypeError(f'{name!r} is no option of a chat or a turn: those of agent.run_stream_events are.')
        if name in OF_THE_CHAT:
            raise StreamUsageError(
                f'{name}= is what the chat itself hands on to a turn: leave it out. Another history is another Chat, '
                'for example Chat(agent, store, conversation_id), or await chat.fork().'
            )
