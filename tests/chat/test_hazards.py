"""What may go wrong around a turn: it cannot begin, its store fails or hangs, an approval is waited for meanwhile."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest
from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import Chat, StoreUnavailable, StreamUsageError
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall
from tests.chat.journals import JournalStore

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]


def said(messages: list[ModelMessage]) -> list[str]:
    return [str(getattr(part, 'content', '')) for message in messages for part in message.parts]


def talker(*replies: Any, gap: float = 0.1) -> Agent[None, str]:
    return Agent(ScriptedModel(*replies, gap=gap))


WORDS = [f'{n} ' for n in range(40)]
TWO_EXCHANGES = ['One', '1.', 'Two', '2.']


async def two_exchanges(store: JournalStore, **settings: Any) -> Chat[None, str]:
    chat = Chat(talker(['1.'], ['2.'], ['3.'], ['4.']), store, 'c', **settings)
    for prompt in ('One', 'Two'):
        async with chat.send(prompt) as stream:
            await stream.get_output()
    return chat


# A turn that cannot begin


class Failing(JournalStore):
    """A store whose call number `fails` (from 1), or every call from that one on, raises or hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.fails = 0
        self.for_good = False
        self.hangs = False

    async def _call(self) -> None:
        self.calls += 1
        if self.fails and (self.calls == self.fails or (self.for_good and self.calls > self.fails)):
            if self.hangs:
                await asyncio.sleep(1e6)
            raise StoreUnavailable(f'call {self.calls} has failed')

    async def write_turn(self, turn: Any, **options: Any) -> bool:
        await self._call()
        return await super().write_turn(turn, **options)

    async def read_turn(self, conversation_id: str) -> Any:
        await self._call()
        return await super().read_turn(conversation_id)

    async def clear_turn(self, conversation_id: str, turn_id: str) -> None:
        await self._call()
        await super().clear_turn(conversation_id, turn_id)

    async def read_record(self, conversation_id: str) -> Any:
        await self._call()
        return await super().read_record(conversation_id)

    async def write_record(self, record: Any, **options: Any) -> None:
        await self._call()
        await super().write_record(record, **options)

    async def read_entry(self, entry_id: str) -> Any:
        await self._call()
        return await super().read_entry(entry_id)


def sends(chat: Chat[None, str]) -> Any:
    return chat.send('Go')


def regenerates(chat: Chat[None, str]) -> Any:
    return chat.regenerate()


@pytest.mark.parametrize('hangs', [False, True], ids=['raises', 'hangs'])
@pytest.mark.parametrize('for_good', [False, True], ids=['once', 'for good'])
@pytest.mark.parametrize('turn', [sends, regenerates])
async def test_whichever_call_of_the_store_fails_nothing_is_lost_and_the_next_turn_works(
    turn: Callable[[Chat[None, str]], Any], for_good: bool, hangs: bool
) -> None:
    for call in range(1, 60):
        store = Failing()
        await two_exchanges(store)
        store.calls, store.fails, store.for_good, store.hangs = 0, call, for_good, hangs
        chat = Chat(talker(['a ', 'b '], ['Next.']), store, 'c')
        shown: list[str] = []

        async def all_of_it(chat: Chat[None, str], shown: list[str]) -> None:
            async with turn(chat) as stream:
                shown.extend([piece async for piece in stream.text()])

        task = asyncio.create_task(all_of_it(chat, shown))
        await asyncio.wait({task}, timeout=20)
        while not task.done():
            # Who waits for a store that hangs is let go by a cancellation, or by the next one, when it was to save.
            task.cancel()
            await asyncio.wait({task}, timeout=20)
        if store.calls < call:
            break
        store.fails = 0
        if shown:
            assert ''.join(shown) in said(chat.messages), f'call {call}'
        async with chat.send('And?') as stream:
            await stream.get_output()
        if not shown:
            assert said(chat.messages)[:-1] == [*TWO_EXCHANGES, 'And?'], f'call {call}'
        stored = await store.load('c')
        assert stored is not None
        assert said(stored.messages) == said(chat.messages)
        assert store.turns == {}
    else:
        pytest.fail('the turn asks the store for ever')


async def test_a_prompt_whose_turn_did_not_begin_is_not_in_the_history_even_if_the_journal_has_it() -> None:
    class LosesAnswers(JournalStore):
        loses = True

        async def write_turn(self, turn: Any, **options: Any) -> bool:
            written = await super().write_turn(turn, **options)
            if self.loses:
                raise StoreUnavailable('the answer was lost')
            return written

        async def clear_turn(self, conversation_id: str, turn_id: str) -> None:
            if self.loses:
                raise StoreUnavailable('gone')
            await super().clear_turn(conversation_id, turn_id)

    store = LosesAnswers()
    chat = Chat(talker(['Hello.']), store, 'c')
    with pytest.raises(StoreUnavailable):
        async with chat.send('Hi'):
            pass
    store.loses = False
    async with chat.send('Hi') as stream:
        await stream.get_output()
    assert said(chat.messages) == ['Hi', 'Hello.']
    assert store.turns == {}


async def test_a_misspelt_option_of_regenerate_leaves_the_reply_where_it_was() -> None:
    chat = await two_exchanges(JournalStore())
    options: Any = {'modle': 'gpt'}
    with pytest.raises(TypeError, match='modle'):
        async with chat.regenerate(**options):
            pass
    assert said(chat.messages) == TWO_EXCHANGES
    async with chat.regenerate() as stream:
        await stream.get_output()
    assert said(chat.messages) == ['One', '1.', 'Two', '3.']


async def test_a_turn_is_begun_once() -> None:
    chat = Chat(talker(['Hello.'], ['Hello.']), JournalStore(), 'c')
    turn = chat.send('Hi')
    async with turn as stream:
        with pytest.raises(StreamUsageError, match='begun before'):
            async with turn:
                pass
        await stream.get_output()
    with pytest.raises(StreamUsageError, match='begun before'):
        async with turn:
            pass
    assert said(chat.messages) == ['Hi', 'Hello.']


async def test_a_regenerated_reply_is_asked_for_with_the_window_of_the_chat() -> None:
    model = ScriptedModel(['1.'], ['2.'], ['3.'], ['3, again.'])
    store = JournalStore()
    chat = Chat(Agent(model), store, 'c')
    for prompt in ('One', 'Two', 'Three'):
        async with chat.send(prompt) as stream:
            await stream.get_output()
    async with (window := Chat(Agent(model), store, 'c', history_limit=2)).regenerate() as stream:
        await stream.get_output()
    assert said(model.requests[-1].messages) == ['Two', '2.', 'Three']
    assert said(window.messages) == ['Two', '2.', 'Three', '3, again.']
    stored = await store.load('c')
    assert stored is not None
    assert said(stored.messages) == ['One', '1.', 'Two', '2.', 'Three', '3, again.']


# An approval that is waited for


async def waiting_for_an_approval() -> Chat[object, Any]:
    agent: Agent[object, Any] = Agent(
        ScriptedModel([ToolCall('pay')], ['Done.'], ['Done.']), output_type=[str, DeferredToolRequests]
    )

    @agent.tool_plain(requires_approval=True)
    def pay() -> str:
        return 'paid'

    chat = Chat(agent, JournalStore(), 'c')
    async with chat.send('Pay') as stream:
        await stream.get_output()
    return chat


@pytest.mark.parametrize(
    ('prompt', 'results'), [('Never mind', None), (None, DeferredToolResults(approvals={'another call': True}))]
)
async def test_a_turn_that_does_not_answer_an_approval_leaves_it_waiting(prompt: str | None, results: Any) -> None:
    chat = await waiting_for_an_approval()
    before = chat.messages
    with pytest.raises(UserError) as raised:
        async with chat.send(prompt, deferred_tool_results=results) as stream:
            await stream.get_output()
    assert 'To go on with a prompt, deny what waits' in raised.value.__notes__[0]
    assert chat.messages == before
    requests = chat.conversation.deferred_tool_requests
    assert requests is not None
    call_id = requests.approvals[0].tool_call_id
    async with chat.send(deferred_tool_results=DeferredToolResults(approvals={call_id: True})) as stream:
        assert await stream.get_output() == 'Done.'
    assert 'paid' in said(chat.messages)
    assert chat.conversation.deferred_tool_requests is None


async def test_a_prompt_goes_on_where_what_waits_is_denied() -> None:
    chat = await waiting_for_an_approval()
    requests = chat.conversation.deferred_tool_requests
    assert requests is not None
    denied = DeferredToolResults(approvals={call.tool_call_id: False for call in requests.approvals})
    async with chat.send('Never mind', deferred_tool_results=denied) as stream:
        assert await stream.get_output() == 'Done.'
    assert 'paid' not in said(chat.messages)
    assert chat.exchanges[-1].prompt == 'Never mind'
    assert chat.conversation.deferred_tool_requests is None


async def test_an_approval_whose_process_dies_before_it_acts_is_still_waited_for() -> None:
    chat = await waiting_for_an_approval()
    store: Any = chat._kept.store  # pyright: ignore[reportPrivateUsage] - made by the function above
    requests = chat.conversation.deferred_tool_requests
    assert requests is not None
    results = DeferredToolResults(approvals={requests.approvals[0].tool_call_id: True})
    async with chat.send(deferred_tool_results=results):
        store.dies = True
    store.dies = False
    after = Chat(talker(['Never asked.']), store, 'c')
    await after.load()
    assert after.conversation.deferred_tool_requests is not None


# A store that hangs, and one that fails while nobody waits any more


async def test_a_turn_whose_journal_hangs_can_be_left_and_is_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    store = JournalStore()
    chat = Chat(talker(WORDS), store, 'c')

    async def turn() -> None:
        async with chat.send('Count') as stream:
            await asyncio.sleep(1)
            store.takes = 1e6
            await stream.get_output()

    task = asyncio.create_task(turn())
    await asyncio.sleep(60)
    task.cancel()
    with caplog.at_level(logging.WARNING, 'pydantic_ai_streaming'):
        await asyncio.wait({task}, timeout=1)
    assert task.cancelled()
    assert 'could not be saved: it was cancelled' in caplog.text
    assert said(chat.messages) == ['Count', ''.join(WORDS)]
    await chat.save()
    stored = await store.load('c')
    assert stored is not None
    assert said(stored.messages) == ['Count', ''.join(WORDS)]


async def test_a_save_that_fails_after_its_caller_was_cancelled_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    unheard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))

    class Slow(JournalStore):
        slow = False

        async def write_record(self, record: Any, **options: Any) -> None:
            if self.slow:
                await asyncio.sleep(1)
                raise StoreUnavailable('gone')
            await super().write_record(record, **options)

    store = Slow()
    chat = Chat(talker(['Hello.']), store, 'c')

    async def turn() -> None:
        async with chat.send('Hi') as stream:
            await stream.get_output()
            store.slow = True

    task = asyncio.create_task(turn())
    await asyncio.sleep(0.5)
    task.cancel()
    with caplog.at_level(logging.WARNING, 'pydantic_ai_streaming'):
        await asyncio.wait({task})
    assert task.cancelled()
    del task
    gc.collect()
    assert unheard == []
    assert "'c' could not be saved: Gone" in caplog.text
    assert said(chat.messages) == ['Hi', 'Hello.']


async def test_what_a_store_raises_besides_its_own_errors_is_no_reason_to_lose_a_turn() -> None:
    chat = await two_exchanges(JournalStore())

    async def odd(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    store: Any = chat._kept.store  # pyright: ignore[reportPrivateUsage] - made by the function above
    store.write_record = odd

    async def turn() -> None:
        async with chat.send('Three') as stream:
            await stream.get_output()

    with pytest.raises(ZeroDivisionError):
        await turn()
    assert said(chat.messages) == [*TWO_EXCHANGES, 'Three', '3.']
    del store.write_record
    await chat.save()
    stored = await store.load('c')
    assert said(stored.messages) == [*TWO_EXCHANGES, 'Three', '3.']
