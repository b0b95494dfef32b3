"""The conformance suite of conversation stores: subclass it, give it a store, and pytest runs the rules."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from dataclasses import replace

import pytest
from pydantic_ai.conversation import Conversation, ConversationTypeAdapter
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
    ConversationStore,
    InMemoryConversationStore,
)
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelRequest, ToolReturnPart

from .conversation_store_comparison import compare_stores
from .conversation_store_messages import TOOL_VALUES, answer, every_kind, paused, question, texts, usage

__all__ = ['ConversationStoreSuite']


class ConversationStoreSuite:
    """The rules of pydantic-ai's `ConversationStore`, each a test. Subclass it in a test module and give it a `store`.

    The store must be empty at the beginning of each test. Give `another_store` too if several programs can use the same
    data: it is a second store over them. Needs pytest-asyncio.

    Example:
        ```python
        from pathlib import Path

        import pytest_asyncio
        from pydantic_ai_streaming.stores import SQLiteConversationStore
        from pydantic_ai_streaming.testing import ConversationStoreSuite


        class TestSQLite(ConversationStoreSuite):
            @pytest_asyncio.fixture
            async def store(self, tmp_path: Path):
                async with SQLiteConversationStore(tmp_path / 'chats.db') as store:
                    yield store
        ```
    """

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def store(self) -> ConversationStore:
        """The store under test, empty."""
        raise NotImplementedError('give a `store` fixture')

    @pytest.fixture
    def another_store(self) -> ConversationStore | None:
        """A second store over the same data; without it, the rules about several programs are skipped."""
        return None

    # Saving and loading

    async def test_a_conversation_that_was_never_saved_is_none(self, store: ConversationStore) -> None:
        assert await store.load('never') is None
        assert await store.load_entries('never') is None
        assert await store.read_record('never') is None
        assert await store.list_conversations() == []

    async def test_what_was_saved_loads_again(self, store: ConversationStore) -> None:
        saved = Conversation(
            messages=[question('Hi'), answer('Hello')], usage=usage(3), deferred_tool_requests=paused()
        )
        entries = await store.save(saved, scope='ada')
        loaded = await store.load(saved.conversation_id)
        assert loaded == saved
        assert loaded is not None
        assert loaded.revision is not None
        assert loaded.deferred_tool_requests == paused()
        assert [entry.message for entry in entries] == saved.messages
        record = await store.read_record(saved.conversation_id)
        assert record is not None
        assert (record.scope, record.head_id, record.branches) == ('ada', entries[-1].id, [])

    async def test_an_empty_conversation_is_one(self, store: ConversationStore) -> None:
        await store.save(Conversation(conversation_id='empty'))
        assert await store.load_entries('empty') == []

    async def test_every_kind_of_message_comes_back(self, store: ConversationStore) -> None:
        saved = Conversation(messages=every_kind())
        await store.save(saved)
        loaded = await store.load(saved.conversation_id)
        assert loaded is not None
        assert loaded.messages == saved.messages

    async def test_a_save_stores_what_is_new(self, store: ConversationStore) -> None:
        conversation = Conversation(messages=[question('1')])
        first = await store.save(conversation)
        assert await store.save(conversation) == []
        loaded = await store.load(conversation.conversation_id)
        assert loaded is not None
        loaded.messages.append(answer('2'))
        second = await store.save(loaded)
        assert [entry.parent_id for entry in (*first, *second)] == [None, first[0].id]
        assert await store.load_entries(conversation.conversation_id) == [*first, *second]

    async def test_a_long_history_keeps_its_order(self, store: ConversationStore) -> None:
        conversation = Conversation(messages=[question(str(number)) for number in range(1500)])
        await store.save(conversation)
        assert texts(await store.load(conversation.conversation_id)) == [str(number) for number in range(1500)]

    @pytest.mark.parametrize('name', ["it's", '100 %s', 'naïve 🦜', '{"a": 1}', 'a:b*c', 'x' * 500])
    async def test_names_of_any_characters(self, store: ConversationStore, name: str) -> None:
        await store.save(Conversation(conversation_id=name, messages=[question(name)]), scope=name)
        await store.save(Conversation(conversation_id='other', messages=[question('other')]))
        assert texts(await store.load(name, scope=name)) == [name]
        assert [record.scope for record in await store.list_conversations(scope=name)] == [name]

    async def test_text_of_any_characters(self, store: ConversationStore) -> None:
        text = 'NUL \x00, newline \n, quote " \', backslash \\, € 🦜 \u2028 \uffff'
        await store.save(Conversation(conversation_id='text', messages=[question(text), answer(text)]))
        assert texts(await store.load('text')) == [text, text]

    async def test_what_a_store_gives_and_takes_is_a_copy(self, store: ConversationStore) -> None:
        conversation = Conversation(messages=[question('Hi')], usage=usage(1))
        await store.save(conversation)
        for other in (conversation, await store.load(conversation.conversation_id)):
            assert other is not None
            other.messages[0] = question('changed')
            other.usage.requests = 99
        loaded = await store.load(conversation.conversation_id)
        assert loaded is not None
        assert (texts(loaded), loaded.usage.requests) == (['Hi'], 1)

    # Windows

    async def test_a_limit_loads_the_last_messages(self, store: ConversationStore) -> None:
        await store.save(Conversation(conversation_id='c', messages=[question('1'), answer('2'), question('3')]))
        for limit, expected in ((0, []), (1, ['3']), (2, ['2', '3']), (3, ['1', '2', '3']), (9, ['1', '2', '3'])):
            assert texts(await store.load('c', limit=limit)) == expected
        with pytest.raises(UserError):
            await store.load('c', limit=-1)

    async def test_saving_a_window_grows_the_whole(self, store: ConversationStore) -> None:
        await store.save(Conversation(conversation_id='c', messages=[question('1'), answer('2'), question('3')]))
        window = await store.load('c', limit=1)
        assert window is not None
        window.messages.append(answer('4'))
        await store.save(window)
        assert texts(await store.load('c')) == ['1', '2', '3', '4']

    async def test_reading_at_once_is_reading_one_by_one(self, store: ConversationStore) -> None:
        entries = await store.save(Conversation(messages=[question(str(number)) for number in range(5)]))
        for head in entries:
            for limit in (None, 0, 1, 3):
                at_once = await store.read_history(head.id, limit=limit)
                assert at_once == await ConversationStore.read_history(store, head.id, limit=limit)
        assert await store.read_history(None) == []

    # Round trips

    @pytest.mark.parametrize('name', TOOL_VALUES)
    async def test_what_a_tool_returned_is_recognised(self, store: ConversationStore, name: str) -> None:
        messages = [question('Go'), ModelRequest(parts=[ToolReturnPart('tool', TOOL_VALUES[name], 'call')])]
        conversation = Conversation(messages=list(messages))
        await store.save(conversation)
        # The same messages in a conversation that does not know what is stored.
        again = replace(conversation, messages=[*deepcopy(messages), answer('Done')], new_message_index=None)
        assert len(await store.save(again)) == 1
        record = await store.read_record(conversation.conversation_id)
        assert record is not None
        assert record.branches == []

    async def test_a_round_trip_through_json_makes_no_branch(self, store: ConversationStore) -> None:
        conversation = Conversation(messages=every_kind())
        await store.save(conversation)
        loaded = await store.load(conversation.conversation_id)
        assert loaded is not None
        travelled = ConversationTypeAdapter.validate_json(ConversationTypeAdapter.dump_json(loaded))
        travelled.messages.append(answer('Welcome back'))
        assert len(await store.save(travelled)) == 1
        record = await store.read_record(conversation.conversation_id)
        assert record is not None
        assert record.branches == []

    # Branches and forks

    async def test_a_rewritten_history_leaves_a_branch(self, store: ConversationStore) -> None:
        entries = await store.save(
            Conversation(conversation_id='c', messages=[question('1'), answer('2'), question('3')])
        )
        record = await store.read_record('c')
        assert record is not None
        rewritten = Conversation(
            conversation_id='c', messages=[question('1'), answer('other')], revision=record.revision
        )
        assert len(await store.save(rewritten)) == 1
        record = await store.read_record('c')
        assert record is not None
        assert record.branches == [entries[-1].id]
        back = await store.branch('c', from_entry=entries[-1].id, expected_revision=record.revision)
        assert texts(back) == texts(await store.load('c')) == ['1', '2', '3']

    async def test_a_branch_continues_from_an_earlier_message(self, store: ConversationStore) -> None:
        saved = Conversation(
            conversation_id='c', messages=[question('1'), answer('2')], deferred_tool_requests=paused()
        )
        await store.save(saved)
        branch = await store.branch('c', at=1, expected_revision=saved.revision)
        assert branch.deferred_tool_requests is None
        branch.messages.append(answer('another 2'))
        await store.save(branch)
        assert texts(await store.load('c')) == ['1', 'another 2']
        with pytest.raises(ConversationConflict):
            await store.branch('c', at=0, expected_revision=saved.revision)
        with pytest.raises(UserError):
            await store.branch('c', at=9, expected_revision=branch.revision)
        with pytest.raises(UserError):
            await store.branch('c', from_entry='nowhere', expected_revision=branch.revision)

    async def test_a_fork_goes_its_own_way(self, store: ConversationStore) -> None:
        await store.save(Conversation(conversation_id='c', messages=[question('1'), answer('2')]), scope='ada')
        fork = await store.fork('c', at=1, new_conversation_id='f')
        fork.messages.append(answer('other'))
        await store.save(fork)
        assert texts(await store.load('c')) == ['1', '2']
        assert texts(await store.load('f', scope='ada')) == ['1', 'other']
        record = await store.read_record('f')
        assert record is not None
        assert record.forked_from == 'c'
        with pytest.raises(ConversationConflict):
            await store.fork('c', new_conversation_id='f')

    @pytest.mark.parametrize('deleted', ['c', 'f'])
    async def test_a_fork_outlives_the_original_and_the_other_way_round(
        self, store: ConversationStore, deleted: str
    ) -> None:
        await store.save(Conversation(conversation_id='c', messages=[question('1'), answer('2')]))
        fork = await store.fork('c', at=1, new_conversation_id='f')
        fork.messages.append(answer('other'))
        await store.save(fork)
        await store.delete(deleted)
        assert texts(await store.load('c')) == ([] if deleted == 'c' else ['1', '2'])
        assert texts(await store.load('f')) == ([] if deleted == 'f' else ['1', 'other'])

    async def test_a_branch_outlives_what_was_forked_from_it(self, store: ConversationStore) -> None:
        saved = Conversation(conversation_id='c', messages=[question('1'), answer('2'), question('3')])
        entries = await store.save(saved)
        await store.branch('c', at=1, expected_revision=saved.revision)
        await store.fork('c', from_entry=entries[1].id, new_conversation_id='f')
        await store.delete('f')
        record = await store.read_record('c')
        assert record is not None
        back = await store.branch('c', from_entry=entries[2].id, expected_revision=record.revision)
        assert texts(back) == ['1', '2', '3']

    async def test_a_fork_during_a_delete_is_whole_or_refused(self, store: ConversationStore) -> None:
        for number in range(10):
            await store.save(Conversation(conversation_id='c', messages=[question('1'), answer('2')]))
            forks = [store.fork('c', at=1, new_conversation_id=f'{number}.{fork}') for fork in range(4)]
            await asyncio.gather(*forks, store.delete('c'), return_exceptions=True)
            for record in await store.list_conversations():
                assert texts(await store.load(record.conversation_id)) == ['1']

    # Scopes, lists, deletes

    async def test_a_scope_keeps_others_out(self, store: ConversationStore) -> None:
        saved = Conversation(conversation_id='c', messages=[question('1')])
        await store.save(saved, scope='ada')
        assert await store.load('c', scope='bob') is None
        assert await store.load_entries('c', scope='bob') is None
        await store.delete('c', scope='bob')
        with pytest.raises(ConversationConflict):
            await store.save(saved, scope='bob')
        with pytest.raises(UserError):
            await store.fork('c', source_scope='bob')
        with pytest.raises(UserError):
            await store.branch('c', at=0, scope='bob', expected_revision=saved.revision)
        await store.save(saved)
        assert texts(await store.load('c', scope='ada')) == ['1']

    async def test_lists_have_the_last_saved_first(self, store: ConversationStore) -> None:
        for name, scope in (('1', 'ada'), ('2', 'bob'), ('3', 'ada'), ('4', None)):
            await store.save(Conversation(conversation_id=name), scope=scope)
        first = await store.load('1')
        assert first is not None
        await store.save(first)

        async def listed(scope: str | None = None, limit: int | None = None) -> list[str]:
            return [record.conversation_id for record in await store.list_conversations(scope=scope, limit=limit)]

        assert await listed() == ['1', '4', '3', '2']
        assert await listed('ada') == ['1', '3']
        assert await listed('ada', 1) == ['1']
        assert await listed('eve') == await listed(None, 0) == []
        with pytest.raises(UserError):
            await store.list_conversations(limit=-1)

    async def test_a_deleted_conversation_is_gone(self, store: ConversationStore) -> None:
        saved = Conversation(conversation_id='c', messages=[question('1')])
        await store.save(saved, scope='ada')
        await store.delete('c')
        await store.delete('c')
        assert await store.load('c') is None
        assert await store.list_conversations() == await store.list_conversations(scope='ada') == []
        with pytest.raises(ConversationConflict):
            await store.save(saved)
        await store.save(Conversation(conversation_id='c', messages=[question('new')]))
        with pytest.raises(ConversationConflict):
            await store.save(saved)

    # Conflicts

    async def test_a_stale_save_leaves_nothing_behind(self, store: ConversationStore) -> None:
        saved = Conversation(conversation_id='c', messages=[question('1')])
        await store.save(saved)
        stale = await store.load('c')
        assert stale is not None
        saved.messages.append(answer('2'))
        await store.save(saved)
        stale.messages.append(answer('stale'))
        with pytest.raises(ConversationConflict):
            await store.save(stale)
        assert texts(await store.load('c')) == ['1', '2']
        with pytest.raises(ConversationConflict):
            await store.save(Conversation(conversation_id='c'))

    async def test_a_refused_record_leaves_no_entry_behind(self, store: ConversationStore) -> None:
        entry = ConversationEntry(parent_id=None, message=question('1'))
        record = ConversationRecord(conversation_id='c', head_id=entry.id)
        with pytest.raises(ConversationConflict):
            await store.write_record(record, new_entries=[entry], expected_revision='another')
        headless = replace(record, head_id='nowhere')
        with pytest.raises(ConversationConflict):
            await store.write_record(headless, new_entries=[entry], expected_revision=None)
        with pytest.raises(LookupError):
            await store.read_entry(entry.id)
        await store.write_record(record, new_entries=[entry], expected_revision=None)
        with pytest.raises(ConversationConflict):
            await store.write_record(record, expected_revision=None)
        with pytest.raises(ConversationConflict):
            await store.delete_record('c', expected_revision='another')
        assert await store.read_entry(entry.id) == entry

    async def test_an_entry_that_is_not_there_is_a_lookup_error(self, store: ConversationStore) -> None:
        with pytest.raises(LookupError):
            await store.read_entry('nowhere')
        with pytest.raises(LookupError):
            await store.read_history('nowhere')

    async def test_of_many_saves_at_once_one_is_made(self, store: ConversationStore) -> None:
        await store.save(Conversation(conversation_id='c', messages=[question('1')]))
        copies = [await store.load('c') for _ in range(8)]
        for number, copy in enumerate(copies):
            assert copy is not None
            copy.messages.append(answer(str(number)))
        results = await asyncio.gather(*(store.save(copy) for copy in copies if copy), return_exceptions=True)
        assert sum(isinstance(result, ConversationConflict) for result in results) == 7
        assert len(texts(await store.load('c'))) == 2

    async def test_writers_that_try_again_lose_nothing(self, store: ConversationStore) -> None:
        await store.save(Conversation(conversation_id='c'))

        async def write(writer: int) -> None:
            for number in range(5):
                while True:
                    conversation = await store.load('c', limit=1)
                    assert conversation is not None
                    conversation.messages.append(answer(f'{writer}.{number}'))
                    try:
                        await store.save(conversation)
                    except ConversationConflict:
                        continue
                    break

        await asyncio.gather(*(write(writer) for writer in range(8)))
        found = texts(await store.load('c'))
        assert sorted(found) == sorted(f'{writer}.{number}' for writer in range(8) for number in range(5))
        assert [text for text in found if text.startswith('3.')] == [f'3.{number}' for number in range(5)]

    async def test_another_program_sees_what_was_saved(
        self, store: ConversationStore, another_store: ConversationStore | None
    ) -> None:
        if another_store is None:
            pytest.skip('no another_store')
        saved = Conversation(conversation_id='c', messages=[question('1')])
        await store.save(saved, scope='ada')
        theirs = await another_store.load('c', scope='ada')
        assert theirs == saved
        assert theirs is not None
        theirs.messages.append(answer('theirs'))
        await another_store.save(theirs)
        saved.messages.append(answer('ours'))
        with pytest.raises(ConversationConflict):
            await store.save(saved)
        assert texts(await store.load('c')) == ['1', 'theirs']

    async def test_it_does_what_the_in_memory_store_does(self, store: ConversationStore) -> None:
        await compare_stores(store, InMemoryConversationStore(), seed=1, operations=200)
