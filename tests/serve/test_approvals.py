"""Tools that wait for an approval, answered by `useChat`: each runs once, in the message that has asked for it."""

from __future__ import annotations

import json
from typing import Any, Literal

import httpx
import pytest
from pydantic_ai import Agent, DeferredToolRequests
from starlette.applications import Starlette
from starlette.routing import Mount

from pydantic_ai_streaming import Chat
from pydantic_ai_streaming.serve import AISDK, Asked, Frames, Source, StreamRunner, stream_router
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

USER = {'id': 'm1', 'role': 'user', 'parts': [{'type': 'text', 'text': 'Book it'}]}
MORE = {'id': 'm3', 'role': 'user', 'parts': [{'type': 'text', 'text': 'Well?'}]}


def answered(message_id: str, call: str, *, approved: bool = True) -> dict[str, Any]:
    """A message of the assistant that waits for an approval, as the AI SDK sends it when the user has answered."""
    part = {
        'type': 'tool-book',
        'toolCallId': call,
        'state': 'approval-responded',
        'input': {'seats': 2},
        'approval': {'id': call, 'approved': approved},
    }
    return {'id': message_id, 'role': 'assistant', 'parts': [{'type': 'step-start'}, part]}


class Booking:
    """An application whose agent may book seats if somebody approves."""

    def __init__(self, version: Literal[5, 6, 7] = 7) -> None:
        self.booked: list[int] = []
        self.model = ScriptedModel(['Booked.'], loop=True)
        self.agent = Agent(self.model, output_type=[str, DeferredToolRequests])
        self.agent.tool_plain(requires_approval=True)(self.book)
        self.runner = StreamRunner(formats=[Frames(), AISDK(version=version)], grace=0)
        self.start: Any = None

    async def book(self, seats: int) -> str:
        self.booked.append(seats)
        return 'done'

    async def ask(self, *messages: dict[str, Any], trigger: str = 'submit-message') -> list[dict[str, Any]]:
        """The chunks that a request of `useChat` is answered with."""
        router = stream_router(self.runner, self.agent, start=self.start)
        transport = httpx.ASGITransport(Starlette(routes=[Mount('/runs', router)]))
        async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
            body = {'id': 'c', 'trigger': trigger, 'messages': messages}
            answer = await client.post('/runs/ai-sdk', json=body)
        assert answer.status_code == 200, answer.text
        return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith('data: {')]


@pytest.mark.parametrize('version', [6, 7])
async def test_a_tool_that_is_approved_runs_in_the_message_that_has_asked(version: Literal[6, 7]) -> None:
    booking = Booking(version)
    async with booking.runner:
        chunks = await booking.ask(USER, answered('m2', 'call_1'))
    assert booking.booked == [2]
    # Under another id `useChat` would keep a second copy of the message, of which the approval is sent again, for ever.
    assert chunks[0] == {'type': 'start', 'messageId': 'm2'}
    assert [chunk['output'] for chunk in chunks if chunk['type'] == 'tool-output-available'] == ['done']


async def test_a_tool_that_is_denied_does_not_run() -> None:
    booking = Booking()
    async with booking.runner:
        chunks = await booking.ask(USER, answered('m2', 'call_1', approved=False))
    assert not booking.booked
    assert 'tool-output-denied' in [chunk['type'] for chunk in chunks]


@pytest.mark.filterwarnings('ignore:Client-submitted history ended with unresolved')
async def test_an_approval_that_stands_before_a_new_prompt_runs_nothing() -> None:
    booking = Booking()
    async with booking.runner:
        chunks = await booking.ask(USER, answered('m2', 'call_1'), MORE)
    assert not booking.booked
    assert chunks[0]['messageId'] != 'm2'


async def test_an_approval_of_an_earlier_message_does_not_count_again() -> None:
    booking = Booking()
    async with booking.runner:
        await booking.ask(USER, answered('m2', 'call_1'), MORE, answered('m4', 'call_2'))
    assert booking.booked == [2]


async def test_an_answer_that_is_made_anew_has_an_id_of_its_own() -> None:
    booking = Booking()
    async with booking.runner:
        chunks = await booking.ask(USER, trigger='regenerate-message')
    assert chunks[0]['messageId'] not in {'m1', 'c'}


async def test_an_approval_reaches_a_chat_that_is_kept() -> None:
    booking = Booking()
    booking.model = ScriptedModel([ToolCall('book', {'seats': 3})], ['Booked.'])
    chat = Chat(booking.agent, model=booking.model)

    def start(asked: Asked) -> Source:
        if results := asked.options.get('deferred_tool_results'):
            return chat.send(deferred_tool_results=results)
        return chat.send(asked.prompt)

    booking.start = start
    async with booking.runner:
        chunks = await booking.ask(USER)
        call = next(chunk['toolCallId'] for chunk in chunks if chunk['type'] == 'tool-approval-request')
        await booking.ask(USER, answered(chunks[0]['messageId'], call))
    assert booking.booked == [3]
    assert [exchange.text for exchange in chat.exchanges] == ['Booked.']
