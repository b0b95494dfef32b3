"""Every store by the rules of the suite, pydantic-ai's in-memory one too, and 10,000 operations against that."""

from __future__ import annotations

import pytest
from pydantic_ai.conversation_store import ConversationStore, InMemoryConversationStore

from pydantic_ai_streaming.stores import TurnJournal
from pydantic_ai_streaming.testing import ConversationStoreSuite, TurnJournalSuite, compare_stores
from tests.stores.places import Place, Store


class TestInMemoryStore(ConversationStoreSuite):
    @pytest.fixture
    def store(self) -> ConversationStore:
        return InMemoryConversationStore()

    @pytest.fixture
    def another_store(self) -> None:
        return None


class TestStores(ConversationStoreSuite):
    @pytest.fixture
    def store(self, store: Store) -> ConversationStore:
        return store

    @pytest.fixture
    def another_store(self, another_store: Store) -> ConversationStore | None:
        return another_store


class TestJournals(TurnJournalSuite):
    @pytest.fixture
    def store(self, store: Store) -> TurnJournal:
        return store

    @pytest.fixture
    def another_store(self, another_store: Store) -> TurnJournal | None:
        return another_store


# All 10,000 where they take half a minute. PostgreSQL takes two, and what differs between the backends is small, so a
# part of them shows it there.
OPERATIONS = {'sqlite': 10_000, 'postgres': 10_000, 'redis': 10_000}


async def test_ten_thousand_operations_are_those_of_the_in_memory_store(store: Store, place: Place) -> None:
    done = await compare_stores(store, InMemoryConversationStore(), seed=4, operations=OPERATIONS[place.kind])
    assert sum(done.values()) == OPERATIONS[place.kind]
    assert min(done.values()) > 50, done


async def test_a_comparison_sees_a_store_that_differs() -> None:
    class Forgetful(InMemoryConversationStore):
        async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
            self._entries.clear()
            await super().delete_record(conversation_id, expected_revision=expected_revision)

    with pytest.raises(AssertionError, match='seed 4, operation'):
        await compare_stores(Forgetful(), InMemoryConversationStore(), seed=4, operations=500)
