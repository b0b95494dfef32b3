"""Two conversation stores under the same operations: whatever one answers, the other must too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import deepcopy
from random import Random
from typing import Any

from pydantic_ai.conversation import Conversation, ConversationTypeAdapter
from pydantic_ai.conversation_store import ConversationConflict, ConversationEntry, ConversationStore
from pydantic_ai.exceptions import UserError

from .conversation_store_messages import answer, paused, question, texts, usage

__all__ = ['compare_stores']

SCOPES = (None, 'ada', 'bob')
MOST_CONVERSATIONS = 8
MOST_MESSAGES = 12
Pair = tuple[Any, Any]


async def compare_stores(
    store: ConversationStore, reference: ConversationStore, *, seed: int, operations: int
) -> dict[str, int]:
    """Do the same random operations on two empty stores, and compare what they answer and hold after each.

    Saves, loads, windows, rewritten and serialised histories, branches, forks, deletes, scopes, lists, and saves of
    conversations that are out of date.

    Args:
        store: The store under test.
        reference: The store that is right, such as pydantic-ai's `InMemoryConversationStore`.
        seed: The same seed does the same operations.
        operations: How many.

    Returns:
        How often each operation was done.

    Raises:
        AssertionError: They differ; the message has the seed and the number of the operation.
    """
    comparison = _Comparison(store, reference, Random(seed))
    done: dict[str, int] = {}
    for number in range(operations):
        name = comparison.choose()
        comparison.number = number
        try:
            await comparison.operations[name]()
            await comparison.look()
        except (AssertionError, LookupError) as error:
            raise AssertionError(f'seed {seed}, operation {number} ({name}): {error!s}') from error
        done[name] = done.get(name, 0) + 1
    return done


class _Comparison:
    """The operations. What is kept of a store's answers is kept in pairs: of the store, and of the reference."""

    def __init__(self, store: ConversationStore, reference: ConversationStore, random: Random) -> None:
        self.stores = (store, reference)
        self.random = random
        self.number = 0
        self.names: list[str] = []
        self.held: list[Pair] = []
        self.entries: list[Pair] = []
        self.operations: dict[str, Callable[[], Awaitable[None]]] = {
            'start': self.start,
            'append': self.append,
            'append to a window': self.append_to_a_window,
            'append what was held': self.append_what_was_held,
            'rewrite': self.rewrite,
            'serialise': self.serialise,
            'branch': self.branch,
            'branch back': self.branch_back,
            'fork': self.fork,
            'delete': self.delete,
            'list': self.list,
            'load': self.load,
        }

    def choose(self) -> str:
        if len(self.names) >= MOST_CONVERSATIONS and self.random.random() < 0.3:
            return 'delete'
        return self.random.choice(list(self.operations)) if self.names else 'start'

    @property
    def name(self) -> str:
        return self.random.choice(self.names)

    async def both(self, operation: Callable[[ConversationStore, int], Awaitable[Any]]) -> Pair:
        """What both stores answer to the same; errors are compared by kind."""
        return (await _outcome(operation(self.stores[0], 0)), await _outcome(operation(self.stores[1], 1)))

    async def saved(self, conversations: Pair, scope: str | None = None) -> None:
        stored = await self.both(lambda store, index: store.save(conversations[index], scope=scope))
        _same(_entries(stored[0]), _entries(stored[1]))
        if not isinstance(stored[0], str):
            self.entries += zip(*stored, strict=True)

    async def loaded(self, limit: int | None = None, scope: str | None = None) -> Pair | None:
        name = self.name
        found = await self.both(lambda store, _: store.load(name, limit=limit, scope=scope))
        _same(_conversation(found[0]), _conversation(found[1]))
        return None if not isinstance(found[0], Conversation) else found

    def say(self, conversations: Pair) -> None:
        message = answer(str(self.number)) if self.random.random() < 0.5 else question(str(self.number))
        requests, is_paused = self.random.randrange(5), self.random.random() < 0.2
        for conversation in conversations:
            conversation.messages.append(message)
            conversation.usage = usage(requests)
            conversation.deferred_tool_requests = paused() if is_paused else None

    async def start(self) -> None:
        # Sometimes under a name that is taken.
        name = self.name if self.names and self.random.random() < 0.2 else f'c{self.number}'
        messages = [question(f'{self.number}.{index}') for index in range(self.random.randrange(4))]
        scope = self.random.choice(SCOPES)
        first = Conversation(conversation_id=name, messages=messages)
        await self.saved((first, deepcopy(first)), scope)
        self.names.append(name)

    async def append(self) -> None:
        if (found := await self.loaded()) is not None and len(found[0].messages) < MOST_MESSAGES:
            if self.random.random() < 0.3:
                self.held.append(deepcopy(found))
            self.say(found)
            await self.saved(found, self.random.choice((None, None, *SCOPES)))

    async def append_to_a_window(self) -> None:
        if (found := await self.loaded(limit=self.random.randrange(4))) is not None:
            self.say(found)
            await self.saved(found)

    async def append_what_was_held(self) -> None:
        if self.held:
            held = self.held.pop(self.random.randrange(len(self.held)))
            self.say(held)
            await self.saved(held)

    async def rewrite(self) -> None:
        if (found := await self.loaded()) is not None:
            keep = self.random.randrange(3)
            for conversation in found:
                conversation.messages = [question(f'summary {self.number}'), *conversation.messages[keep:]]
                conversation.new_message_index = None
            await self.saved(found)

    async def serialise(self) -> None:
        if (found := await self.loaded(limit=self.random.choice((None, 2)))) is not None:
            adapter = ConversationTypeAdapter
            travelled = [adapter.validate_json(adapter.dump_json(conversation)) for conversation in found]
            pair = (travelled[0], travelled[1])
            self.say(pair)
            await self.saved(pair)

    async def branch(self) -> None:
        if (found := await self.loaded()) is not None:
            held = self.held[-1] if self.held and self.random.random() < 0.2 else found
            at, name = self.random.randrange(6), found[0].conversation_id
            branches = await self.both(
                lambda store, index: store.branch(name, at=at, expected_revision=held[index].revision)
            )
            _same(_conversation(branches[0]), _conversation(branches[1]))
            if isinstance(branches[0], Conversation) and self.random.random() < 0.7:
                self.say(branches)
                await self.saved(branches)

    async def branch_back(self) -> None:
        if (found := await self.loaded()) is not None and self.entries:
            entry, name = self.random.choice(self.entries), found[0].conversation_id
            branches = await self.both(
                lambda store, index: store.branch(
                    name, from_entry=entry[index].id, expected_revision=found[index].revision
                )
            )
            _same(_conversation(branches[0]), _conversation(branches[1]))

    async def fork(self) -> None:
        name, at = self.name, self.random.choice((None, 0, 1, 2, 5))
        new = self.name if self.random.random() < 0.2 else f'f{self.number}'
        scopes = {'scope': self.random.choice(SCOPES), 'source_scope': self.random.choice((None, None, *SCOPES))}
        forks = await self.both(lambda store, _: store.fork(name, at=at, new_conversation_id=new, **scopes))
        _same(_conversation(forks[0]), _conversation(forks[1]))
        self.names.append(new)

    async def delete(self) -> None:
        name, scope = self.name, self.random.choice((None, None, None, *SCOPES))
        _same(*await self.both(lambda store, _: store.delete(name, scope=scope)))
        if await self.stores[1].read_record(name) is None:
            self.names = [other for other in self.names if other != name]

    async def list(self) -> None:
        scope, limit = self.random.choice(SCOPES), self.random.choice((None, 0, 1, 3))
        listed = await self.both(lambda store, _: store.list_conversations(scope=scope, limit=limit))
        _same(*([(record.conversation_id, record.scope, record.usage) for record in records] for records in listed))

    async def load(self) -> None:
        await self.loaded(self.random.choice((None, 0, 1, 3)), self.random.choice(SCOPES))

    async def look(self) -> None:
        """Compare one conversation as a whole, and whether one entry is still there."""
        if self.names:
            name = self.name
            records = [await store.read_record(name) for store in self.stores]
            _same(*[await _whole(store, record) for store, record in zip(self.stores, records, strict=True)])
        if self.entries:
            index = self.random.randrange(len(self.entries))
            entry = self.entries[index]
            found = await self.both(lambda store, which: store.read_entry(entry[which].id))
            _same(_entries([found[0]]), _entries([found[1]]))
            if isinstance(found[0], str):
                del self.entries[index]


async def _outcome(operation: Awaitable[Any]) -> Any:
    try:
        return await operation
    except ConversationConflict:
        return 'conflict'
    except UserError:
        return 'user error'
    except LookupError:
        return 'no such entry'


async def _whole(store: ConversationStore, record: Any) -> object:
    if record is None:
        return None
    lines = [await store.read_history(tip) for tip in (record.head_id, *record.branches)]
    return (record.scope, record.forked_from, record.usage, record.deferred_tool_requests, *map(_entries, lines))


def _entries(found: Any) -> object:
    """What is to be the same of entries: not their identifiers."""
    if isinstance(found, str):
        return found
    return [entry.message if isinstance(entry, ConversationEntry) else entry for entry in found]


def _conversation(found: Any) -> object:
    if not isinstance(found, Conversation):
        return found
    return (found.conversation_id, texts(found), found.usage, found.deferred_tool_requests, found.new_message_index)


def _same(ours: object, theirs: object) -> None:
    assert ours == theirs, f'{ours!r}\nshould be\n{theirs!r}'
