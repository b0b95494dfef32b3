"""A client that joins deltas, and MLflow, which checks each event and keeps the items that have ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from mlflow.types.responses import ResponsesAgentStreamEvent
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError

from pydantic_ai_streaming.course import Exercise, NotYet
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Stall, Step, ToolCall

DELTA, DONE = 'response.output_text.delta', 'response.output_item.done'
LOOK: list[Step | str] = ['Let me ', 'look.', ToolCall('boats', {'to': 'Farland'})]
ANSWER: list[Step | str] = ['At ', 'noon.']
ASKED = {'role': 'user', 'content': 'When does it sail?'}


@dataclass
class Client:
    """What came of a request."""

    agent: Agent
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    error: Exception | None = None

    @property
    def shown(self) -> dict[str, str]:
        """The text of each item, by its deltas."""
        texts: dict[str, str] = {}
        for event in self.events:
            if event['type'] == DELTA:
                texts[event['item_id']] = texts.get(event['item_id'], '') + event['delta']
        return texts

    @property
    def kept(self) -> list[dict[str, Any]]:
        """The items that have ended."""
        return [event['item'] for event in self.events if event['type'] == DONE]

    @property
    def texts(self) -> dict[str, str]:
        """The texts that have ended."""
        return {item['id']: item['content'][0]['text'] for item in self.kept if item['type'] == 'message'}


def new_agent(*scripts: list[Step | str]) -> Agent:
    agent = Agent(ScriptedModel(*scripts, gap=0.1))

    @agent.tool_plain
    def boats(to: str) -> str:
        """Knows of boats."""
        return f'{to}: 12:00'

    return agent


def opened(exercise: Exercise, agent: Agent, said: list[dict[str, Any]]) -> AsyncGenerator[dict[str, Any]]:
    events = exercise.get('stream')(agent, {'input': said})
    if not hasattr(events, '__anext__'):
        raise NotYet(f'`stream` was to give back an asynchronous generator of events, and gives back {events!r}.')
    return events


async def ask(exercise: Exercise, *scripts: list[Step | str], before: tuple[dict[str, Any], ...] = ()) -> Client:
    client = Client(new_agent(*scripts))
    try:
        async with aclosing(opened(exercise, client.agent, [*before, ASKED])) as events:
            async for event in events:
                try:
                    client.events.append(ResponsesAgentStreamEvent(**event).model_dump(exclude_none=True))
                except (TypeError, ValueError) as error:
                    raise NotYet(f'MLflow does not take the event {event!r}: {str(error).splitlines()[0]}') from None
    except ModelAPIError as error:
        client.error = error
    return client


async def check_the_text_is_shown_once(exercise: Exercise) -> None:
    client = await ask(exercise, ANSWER)
    assert list(client.shown.values()) == ['At noon.'], (
        f'The model has written "At ", then "noon.", and a client that joins the deltas of an item shows '
        f'{list(client.shown.values())}. A delta is what is new, and its type is {DELTA!r}.'
    )


async def check_each_text_has_an_end_with_the_whole(exercise: Exercise) -> None:
    client = await ask(exercise, ANSWER)
    assert client.texts == client.shown, (
        f'The deltas make {client.shown}, and the items that have ended are {client.texts}. MLflow keeps of a stream '
        f'the item of each {DONE!r}, and nothing else: its id is that of the deltas, its text the whole.'
    )


async def check_a_tool_is_told_and_what_comes_after_it(exercise: Exercise) -> None:
    client = await ask(exercise, LOOK, ANSWER)
    kinds = [item['type'] for item in client.kept]
    assert kinds == ['message', 'function_call', 'function_call_output', 'message'], (
        f'The model said "Let me look.", called a tool, got its result, and said "At noon."; what has ended is {kinds}.'
    )
    assert list(client.shown.values()) == ['Let me look.', 'At noon.'], f'Two texts, and shown are {client.shown}.'


async def check_the_conversation_is_known(exercise: Exercise) -> None:
    before = {'role': 'user', 'content': 'I am in Farland.'}, {'role': 'assistant', 'content': 'A fine place.'}
    client = await ask(exercise, ANSWER, before=before)
    model = client.agent.model
    assert isinstance(model, ScriptedModel)
    told = str(model.requests[0].messages)
    missing = [one['content'] for one in (*before, ASKED) if one['content'] not in told]
    assert not missing, f'The request says what was said before, and the model was not told {missing}.'


async def check_what_goes_wrong_is_raised_and_ends_nothing(exercise: Exercise) -> None:
    client = await ask(exercise, ['At ', Fail(ModelConnectionError('scripted', 'reset'))])
    assert client.error is not None, 'The connection broke after "At ", and nothing was raised.'
    assert not client.kept, f'The connection broke after "At ", and this has ended: {client.kept}.'
    client = await ask(exercise, ['At ', EndEarly()])
    assert not client.kept, f'The provider hung up after "At ", without a finish reason; this has ended: {client.kept}.'
    assert client.error is not None, 'The provider hung up after "At ", and nothing was raised.'


async def check_who_leaves_ends_the_run(exercise: Exercise) -> None:
    agent = new_agent(['At ', 'noon, ', Stall()])
    async with aclosing(opened(exercise, agent, [ASKED])) as events:
        await anext(events)
    model = agent.model
    assert isinstance(model, ScriptedModel)
    assert model.requests[0].closed, 'The client left after "At ", and the model still writes.'
