"""The conformance suite of turn journals: subclass it, give it a store, and pytest runs the rules."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationStore

from ..stores.journal import JournalledTurn, TurnJournal
from .conversation_store_messages import answer, every_kind, question, usage

__all__ = ['TurnJournalSuite']

EVERY = 0.1


def _turn(turn_id: str = 'mine', conversation_id: str = 'c', **more: object) -> JournalledTurn:
    turn = JournalledTurn(conversation_id=conversation_id, turn_id=turn_id, every=EVERY, messages=[question('Hi')])
    return replace(turn, **more)


class TurnJournalSuite:
    """The rules of `TurnJournal`, each a test. Subclass it in a test module and give it a `store`.

    The store must be empty at the beginning of each test. Give `another_store` too if several programs can use the same
    data: it is a second store over them. Needs pytest-asyncio.

    Example:
        ```python
        from pathlib import Path

        import pytest_asyncio
        from pydantic_ai_streaming.stores import SQLiteConversationStore
        from pydantic_ai_streaming.testing import TurnJournalSuite


        class TestSQLite(TurnJournalSuite):
            @pytest_asyncio.fixture
            async def store(self, tmp_path: Path):
                async with SQLiteConversationStore(tmp_path / 'chats.db') as store:
                    yield store
        ```
    """

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def store(self) -> TurnJournal:
        """The store under test, empty."""
        raise NotImplementedError('give a `store` fixture')

    @pytest.fixture
    def another_store(self) -> TurnJournal | None:
        """A second store over the same data; without it, the rules about several programs are skipped."""
        return None

    async def test_it_is_a_journal(self, store: TurnJournal) -> None:
        assert isinstance(store, TurnJournal)

    async def test_a_conversation_without_a_turn_has_none(self, store: TurnJournal) -> None:
        assert await store.read_turn('c') is None
        await store.clear_turn('c', 'mine')

    async def test_a_turn_comes_back_as_it_was_written(self, store: TurnJournal) -> None:
        turn = _turn(messages=every_kind(), usage=usage(3), revision='r1', scope='ada')
        assert await store.write_turn(turn)
        assert _without_times(await store.read_turn('c')) == turn

    async def test_a_turn_is_written_again_and_again(self, store: TurnJournal) -> None:
        turn = _turn()
        for number in range(20):
            turn = replace(turn, messages=[*turn.messages, answer(f'{number} {"word " * 200}')])
            assert await store.write_turn(turn)
        assert _without_times(await store.read_turn('c')) == turn

    async def test_a_turn_that_is_cleared_is_gone(self, store: TurnJournal) -> None:
        await store.write_turn(_turn())
        await store.clear_turn('c', 'mine')
        assert await store.read_turn('c') is None
        assert await store.write_turn(_turn('yours'))

    async def test_a_turn_does_not_take_the_place_of_another(self, store: TurnJournal) -> None:
        await store.write_turn(_turn())
        assert not await store.write_turn(_turn('yours'))
        assert not await store.write_turn(_turn('yours'), replaces='some other')
        found = await store.read_turn('c')
        assert found is not None
        assert found.turn_id == 'mine'

    async def test_a_turn_takes_the_place_of_the_one_that_it_may_replace(self, store: TurnJournal) -> None:
        await store.write_turn(_turn())
        assert await store.write_turn(_turn('yours'), replaces='mine')
        assert not await store.write_turn(_turn()), 'whoever was replaced notices'
        await store.clear_turn('c', 'mine')
        found = await store.read_turn('c')
        assert found is not None
        assert found.turn_id == 'yours'

    async def test_conversations_have_turns_of_their_own(self, store: TurnJournal) -> None:
        names = ['a', 'b', "it's", '100 %s', 'a:b*c', 'naïve 🦜', 'x' * 500]
        for name in names:
            assert await store.write_turn(_turn(name, name))
        await store.clear_turn('a', 'a')
        found = [await store.read_turn(name) for name in names]
        assert [turn and turn.conversation_id for turn in found] == [None, *names[1:]]

    async def test_text_of_any_characters(self, store: TurnJournal) -> None:
        turn = _turn(messages=[question('NUL \x00, newline \n, quote " \', backslash \\, € 🦜 \u2028 \uffff')])
        await store.write_turn(turn)
        assert _without_times(await store.read_turn('c')) == turn

    async def test_a_turn_grows_old_until_it_is_written_again(self, store: TurnJournal) -> None:
        await store.write_turn(_turn())
        first = await store.read_turn('c')
        await asyncio.sleep(0.05)
        older = await store.read_turn('c')
        await store.write_turn(_turn())
        again = await store.read_turn('c')
        assert first is not None
        assert older is not None
        assert again is not None
        assert older.written_at == first.written_at < again.written_at
        assert 0 <= first.age < older.age
        assert first.age + 0.02 < older.age, 'ages are seconds'
        assert older.left_in < 3 * EVERY

    async def test_of_many_that_begin_at_once_one_does(self, store: TurnJournal) -> None:
        begun = await asyncio.gather(*(store.write_turn(_turn(f'turn-{number}')) for number in range(20)))
        assert begun.count(True) == 1
        found = await store.read_turn('c')
        assert found is not None
        assert found.turn_id == f'turn-{begun.index(True)}'

    async def test_another_program_sees_the_turn(self, store: TurnJournal, another_store: TurnJournal | None) -> None:
        if another_store is None:
            pytest.skip('no another_store')
        await store.write_turn(_turn())
        assert _without_times(await another_store.read_turn('c')) == _turn()
        assert not await another_store.write_turn(_turn('yours'))
        await another_store.clear_turn('c', 'mine')
        assert await store.read_turn('c') is None

    async def test_a_conversation_that_is_deleted_takes_its_turn_with_it(self, store: TurnJournal) -> None:
        if not isinstance(store, ConversationStore):
            pytest.skip('no ConversationStore')
        await store.save(Conversation(conversation_id='c'), scope='ada')
        await store.write_turn(_turn(scope='ada'))
        await store.delete('c', scope='grace')
        assert await store.read_turn('c') is not None
        await store.delete('c', scope='ada')
        assert await store.read_turn('c') is None
        await store.write_turn(_turn('first', 'never saved'))
        await store.delete('never saved')
        assert await store.read_turn('never saved') is None


def _without_times(turn: JournalledTurn | None) -> JournalledTurn | None:
    return None if turn is None else replace(turn, written_at=0, age=0)
