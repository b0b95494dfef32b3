"""Seven turns with a tool in each, one that is cancelled, one that fails, and one whose process dies."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

from pydantic_ai import Agent, ModelConnectionError
from pydantic_ai.conversation_store import ConversationStore, InMemoryConversationStore
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import Chat
from pydantic_ai_streaming.course import Exercise, Screen
from pydantic_ai_streaming.stores import JournalledTurn
from pydantic_ai_streaming.testing import Fail, ScriptedModel, ToolCall

CUT = Fail(ModelConnectionError('scripted', 'The connection was reset'))
LONG = ['one ', 'two ', 'three ', 'four ', 'five ', 'six ', 'seven ', 'eight.']


class Memory(InMemoryConversationStore):
    """pydantic-ai's store, with a journal."""

    def __init__(self) -> None:
        super().__init__()
        self._turns: dict[str, JournalledTurn] = {}

    async def write_turn(self, turn: JournalledTurn, *, replaces: str | None = None) -> bool:
        """Write a turn down."""
        kept = self._turns.get(turn.conversation_id)
        if kept is not None and kept.turn_id not in (turn.turn_id, replaces):
            return False
        self._turns[turn.conversation_id] = replace(turn, messages=list(turn.messages), written_at=now())
        return True

    async def read_turn(self, conversation_id: str) -> JournalledTurn | None:
        """What was written."""
        kept = self._turns.get(conversation_id)
        return kept and replace(kept, age=now() - kept.written_at)

    async def clear_turn(self, conversation_id: str, turn_id: str) -> None:
        """Forget a turn."""
        kept = self._turns.get(conversation_id)
        if kept is not None and kept.turn_id == turn_id:
            del self._turns[conversation_id]


def now() -> float:
    return asyncio.get_running_loop().time()


async def kept(store: ConversationStore) -> list[tuple[object, str]]:
    """The prompts and the replies of the conversation, as somebody else sees it."""
    chat = Chat(Agent(ScriptedModel('')), store, 'chat')
    await chat.load()
    return [(exchange.prompt, exchange.text) for exchange in chat.exchanges]


def prompts(messages: list[ModelMessage]) -> list[object]:
    return [part.content for m in messages for part in m.parts if part.part_kind == 'user-prompt']


async def after_seven(exercise: Exercise) -> tuple[ScriptedModel, ConversationStore]:
    store, model = Memory(), ScriptedModel([ToolCall('look')], ['An ', 'answer.'], gap=0.1, loop=True)
    agent = Agent(model)

    @agent.tool_plain
    def look() -> str:
        """Look."""
        return 'seen'

    for number in range(7):
        with Screen() as screen:
            said = await exercise.call('turn', agent, store, f'Question {number}')
        assert screen.text.strip() == 'An answer.', f'The reply is "An answer.", and the screen shows {screen.text!r}.'
        assert len(screen.shown) > 1, (
            'The reply comes in two pieces, and is seen only when both are there: who flushes?'
        )
        assert said == 'An answer.', f'The reply is "An answer.", and you give back {said!r}.'
    return model, store


async def check_the_model_remembers(exercise: Exercise) -> None:
    model, _ = await after_seven(exercise)
    asked = prompts(model.requests[3].messages)
    assert asked == ['Question 0', 'Question 1'], f'In the second turn, the model was sent these prompts: {asked}.'


async def check_all_is_kept(exercise: Exercise) -> None:
    _, store = await after_seven(exercise)
    there = await kept(store)
    assert len(there) == 7, (
        f'There were seven turns, and the store has {len(there)}. What you do not send, keep all the same.'
    )


async def check_what_is_sent_does_not_grow(exercise: Exercise) -> None:
    model, _ = await after_seven(exercise)
    asked = prompts(model.requests[-1].messages)
    assert len(asked) <= 3, f'The last request has {len(asked)} prompts, from {asked[0]!r} on.'
    assert len(asked) == 3, f'Three exchanges were to be sent with the last request, and it has {asked}.'


async def check_what_is_sent_is_whole(exercise: Exercise) -> None:
    model, _ = await after_seven(exercise)
    for request in model.requests:
        first = request.messages[0]
        assert prompts([first]), (
            f'A request begins with {first.parts[0].part_kind!r}, in the middle of an exchange: an answer to nothing.'
        )


async def check_a_turn_that_is_cancelled_is_kept(exercise: Exercise) -> None:
    store = Memory()
    task = asyncio.create_task(exercise.call('turn', Agent(ScriptedModel(LONG, gap=0.5)), store, 'Count!'))
    await asyncio.sleep(1.7)
    task.cancel()
    await asyncio.wait([task])
    there = await kept(store)
    assert there == [('Count!', 'one two three ')], f'Cancelled after "one two three ", and the store has {there}.'


async def check_a_turn_that_fails_is_kept(exercise: Exercise) -> None:
    store = Memory()
    with contextlib.suppress(ModelConnectionError):
        await exercise.call('turn', Agent(ScriptedModel([*LONG[:3], CUT], gap=0.5)), store, 'Count!')
    there = await kept(store)
    assert there == [('Count!', 'one two three ')], f'It broke off after "one two three ", and the store has {there}.'


async def check_what_has_come_is_there_if_the_process_dies(exercise: Exercise) -> None:
    store = Memory()
    task = asyncio.create_task(exercise.call('turn', Agent(ScriptedModel(LONG, gap=0.5)), store, 'Count!'))
    await asyncio.sleep(3.3)
    there = await kept(store)  # as it would be, were the process killed now
    task.cancel()
    await asyncio.wait([task])
    text = there[0][1] if there else None
    assert text in ('one two three four five ', 'one two three four five six '), (
        f'Six words had come, the last 0.3 s ago, when the process was killed. Of the turn, the store has {there}.'
    )
