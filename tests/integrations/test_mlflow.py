"""An agent behind MLflow's `ResponsesAgent`: streamed, whole, saved, served, and left early."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from openai import AsyncOpenAI
from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.exceptions import ModelConnectionError
from pydantic_ai.messages import ModelRequest

from pydantic_ai_streaming import Deadlines, Recovery, StreamTimeout, StreamTruncated
from pydantic_ai_streaming.integrations.mlflow import StreamedResponses
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Stall, ToolCall, Usage
from tests.serve.serving import serving_app, until

from .told import ASK, deltas, ends, retracted, texts
from .with_mlflow import mlflow

__all__ = ['mlflow']

LEFT = ('cancelled', 'left')
CUT = Fail(ModelConnectionError('scripted', 'reset'))
LOOK = ['Let me ', 'look.', ToolCall('boats', {'at': 'quay'}), Usage(input_tokens=5, output_tokens=7)]
ANSWER = ['At ', 'noon.', Usage(input_tokens=9, output_tokens=3)]


def asking_for_boats() -> Agent[None, str]:
    agent = Agent(ScriptedModel(LOOK, ANSWER, LOOK, ANSWER))

    @agent.tool_plain
    def boats(at: str) -> str:
        return f'{at}: noon'

    return agent


def model_of(agent: Agent[Any, Any]) -> ScriptedModel:
    return cast('ScriptedModel', agent.model)


def without_ids(value: Any) -> Any:
    """The same without ids of responses and items, which differ from one run to the next."""
    if isinstance(value, dict):
        items = cast('dict[str, Any]', value).items()
        return {name: without_ids(one) for name, one in items if name not in ('id', 'item_id', 'call_id')}
    return [without_ids(one) for one in cast('list[Any]', value)] if isinstance(value, list) else value


# Without MLflow


def test_the_whole_response_is_that_of_the_last_event() -> None:
    responses = StreamedResponses(asking_for_boats())
    events = list(responses.predict_stream(ASK))
    assert without_ids(responses.predict(ASK)) == without_ids(events[-1]['response'])
    assert events[-1]['response']['usage']['total_tokens'] == 24


async def test_asynchronously_it_is_the_same() -> None:
    responses = StreamedResponses(asking_for_boats())
    events = [event async for event in responses.stream(ASK)]
    assert without_ids(events) == without_ids(list(StreamedResponses(asking_for_boats()).predict_stream(ASK)))
    assert without_ids(await responses.invoke(ASK)) == without_ids(events[-1]['response'])


def test_leaving_the_generator_early_ends_the_run() -> None:
    agent = Agent(ScriptedModel(['One ', 'two ', Stall()]))
    events = StreamedResponses(agent).predict_stream(ASK)
    assert next(events)['delta'] == 'One '
    events.close()
    assert model_of(agent).requests[0].closed in LEFT


@pytest.mark.virtual_time
async def test_leaving_the_asynchronous_generator_early_ends_the_run() -> None:
    agent = Agent(ScriptedModel(['One ', 'two ', Stall()], gap=0.1))
    events = StreamedResponses(agent).stream(ASK)
    assert (await anext(events))['delta'] == 'One '
    await events.aclose()
    assert model_of(agent).requests[0].closed in LEFT


@pytest.mark.virtual_time
async def test_cancelling_whoever_reads_ends_the_run() -> None:
    agent = Agent(ScriptedModel(['One ', Stall()], gap=0.1))
    task = asyncio.create_task(StreamedResponses(agent).invoke(ASK))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model_of(agent).requests[0].closed in LEFT


@pytest.mark.parametrize(
    ('end', 'error'), [(CUT, ModelConnectionError), (EndEarly(), StreamTruncated), (Stall(), StreamTimeout)]
)
def test_a_failure_is_raised_after_what_came_and_nothing_has_ended(end: Any, error: type[Exception]) -> None:
    agent = Agent(ScriptedModel(['At ', end], ['At ', end]))
    responses = StreamedResponses(agent, deadlines=Deadlines(idle=0.05))
    seen: list[dict[str, Any]] = []
    with pytest.raises(error):
        seen.extend(responses.predict_stream(ASK))
    assert [event['type'] for event in seen] == ['response.output_text.delta']
    with pytest.raises(error):
        responses.predict(ASK)


def test_a_recovery_shows_in_the_response_what_counts() -> None:
    agent = Agent(ScriptedModel(['At ni', CUT], ['At noon.']))
    events = list(StreamedResponses(agent, recovery=Recovery(by='restart')).predict_stream(ASK))
    assert list(deltas(events).values()) == ['At ni', 'At noon.']
    assert list(texts(ends(events)).values()) == ['At noon.']


def test_its_own_output_is_a_history_for_the_next_request() -> None:
    agent = asking_for_boats()
    responses = StreamedResponses(agent)
    again = {'input': [*ASK['input'], *responses.predict(ASK)['output'], {'role': 'user', 'content': 'And then?'}]}
    responses.predict(again)
    said = [
        (part.part_kind, getattr(part, 'content', ''))
        for message in model_of(agent).requests[2].messages
        for part in message.parts
    ]
    assert said == [
        ('user-prompt', 'When does it sail?'),
        ('text', 'Let me look.'),
        ('tool-call', ''),
        ('tool-return', 'quay: noon'),
        ('text', 'At noon.'),
        ('user-prompt', 'And then?'),
    ]


def test_a_request_adds_to_what_the_agent_is_told_and_replaces_none_of_it() -> None:
    agent = Agent(ScriptedModel(['Yes.']), system_prompt='You know boats.', instructions='Be kind.')
    before = [
        {'role': 'system', 'content': 'Be brief.'},
        {'role': 'user', 'content': 'Hi'},
        {'role': 'assistant', 'content': 'Hello.'},
    ]
    StreamedResponses(agent, options=lambda _: {'instructions': 'Be true.'}).predict(
        {'input': [*before, *ASK['input']]}
    )
    messages = model_of(agent).requests[0].messages
    assert [part.content for part in messages[0].parts if part.part_kind == 'system-prompt'] == ['You know boats.']
    assert isinstance(last := messages[-1], ModelRequest)
    assert [line for line in (last.instructions or '').splitlines() if line] == ['Be kind.', 'Be true.', 'Be brief.']


def test_options_have_the_request_and_give_the_run_what_it_needs() -> None:
    agent = Agent(ScriptedModel([ToolCall('greet')], ['Hello.']), deps_type=str)
    greeted: list[str] = []

    @agent.tool
    def greet(context: RunContext[str]) -> None:
        greeted.append(context.deps)

    responses = StreamedResponses(agent, options=lambda asked: {'deps': asked['custom_inputs']['user']})
    responses.predict({**ASK, 'custom_inputs': {'user': 'Ada'}})
    assert greeted == ['Ada']


def test_what_no_agent_and_no_options_can_be_is_said_at_once() -> None:
    with pytest.raises(TypeError, match='give it an Agent'):
        StreamedResponses(cast('Any', 'openai:gpt-5'))
    with pytest.raises(TypeError, match='give a function'):
        StreamedResponses(asking_for_boats(), options=cast('Any', {'deps': 1}))
    with pytest.raises(TypeError, match='deadlines'):
        StreamedResponses(asking_for_boats(), deadlines=cast('Any', 3))


# With MLflow


def test_mlflow_takes_every_event_and_the_response(mlflow: Any) -> None:
    from mlflow.types.responses import ResponsesAgentResponse, ResponsesAgentStreamEvent

    agent = asking_for_boats()
    tries: list[str] = []

    @agent.output_validator
    def second(output: str) -> str:
        tries.append(output)
        if len(tries) == 1:
            raise ModelRetry('Look again.')
        return output

    model = StreamedResponses(agent).responses_agent()
    events = list(model.predict_stream(cast('Any', ASK)))
    assert {type(event) for event in events} == {ResponsesAgentStreamEvent}
    told = [event.model_dump(exclude_none=True) for event in events]
    assert len(retracted(told)) == 1
    # What MLflow makes of a stream for its traces: the items that have ended, and no others.
    reduced = model.responses_agent_output_reducer(list(events))
    assert reduced['output'] == told[-1]['response']['output'] == ends(told)
    whole = StreamedResponses(asking_for_boats()).responses_agent().predict(cast('Any', ASK))
    assert isinstance(whole, ResponsesAgentResponse)
    assert list(texts(whole.model_dump()['output']).values()) == ['Let me look.', 'At noon.']


def test_leaving_the_stream_of_the_model_early_ends_the_run(mlflow: Any) -> None:
    agent = Agent(ScriptedModel(['One ', 'two ', Stall()]))
    events = StreamedResponses(agent).responses_agent().predict_stream(cast('Any', ASK))
    next(events)
    events.close()
    assert model_of(agent).requests[0].closed in LEFT


def test_a_trace_has_what_has_ended_and_no_answer_of_a_run_that_failed(
    mlflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('MLFLOW_ENABLE_ASYNC_TRACE_LOGGING', 'false')
    mlflow.set_experiment('boats')
    mlflow.tracing.enable()
    list(StreamedResponses(asking_for_boats()).responses_agent().predict_stream(cast('Any', ASK)))
    with pytest.raises(ModelConnectionError):
        list(StreamedResponses(Agent(ScriptedModel(['At ', CUT]))).responses_agent().predict_stream(cast('Any', ASK)))
    failed, whole = mlflow.search_traces(return_type='list')
    assert [item['type'] for item in whole.data.spans[0].outputs['output']] == [
        'message',
        'function_call',
        'function_call_output',
        'message',
    ]
    assert (failed.info.state, failed.data.spans[0].outputs) == ('ERROR', None)


CODE = """
import mlflow
from pydantic_ai import Agent
from pydantic_ai_streaming.integrations.mlflow import StreamedResponses
from pydantic_ai_streaming.testing import ScriptedModel

agent = Agent(ScriptedModel(*[['At ', 'noon.']] * 9))
mlflow.models.set_model(StreamedResponses(agent).responses_agent())
"""


def test_saved_as_code_and_loaded_it_streams(mlflow: Any, tmp_path: Path) -> None:
    (tmp_path / 'agent.py').write_text(CODE, 'utf-8')
    path = str(tmp_path / 'saved')
    # Without requirements, MLflow would look for them in a process of its own.
    mlflow.pyfunc.save_model(path, python_model=str(tmp_path / 'agent.py'), pip_requirements=['pydantic-ai-streaming'])
    loaded = mlflow.pyfunc.load_model(path)
    events = list(loaded.predict_stream(ASK))
    assert list(texts(ends(events)).values()) == ['At noon.']
    assert without_ids(loaded.predict(ASK)) == without_ids(events[-1]['response'])


@asynccontextmanager
async def served(
    mlflow: Any, monkeypatch: pytest.MonkeyPatch, agent: Agent[None, str]
) -> AsyncGenerator[httpx.AsyncClient]:
    from mlflow.genai import agent_server
    from mlflow.genai.agent_server import server

    responses = StreamedResponses(agent)
    monkeypatch.setattr(server, '_invoke_function', None)
    monkeypatch.setattr(server, '_stream_function', None)
    agent_server.invoke()(responses.invoke)
    agent_server.stream()(responses.stream)
    app = agent_server.AgentServer('ResponsesAgent').app
    async with serving_app(app) as address, httpx.AsyncClient(base_url=f'http://{address}') as client:
        yield client


def frames(body: str) -> list[Any]:
    data = [line.removeprefix('data: ') for line in body.splitlines() if line]
    return [one if one == '[DONE]' else json.loads(one) for one in data]


async def test_mlflows_server_sends_the_events_and_a_last_word(mlflow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(mlflow, monkeypatch, asking_for_boats()) as client:
        streamed = await client.post('/responses', json={**ASK, 'stream': True})
        whole = await client.post('/invocations', json=ASK)
    *events, last = frames(streamed.text)
    assert streamed.headers['content-type'].startswith('text/event-stream')
    assert last == '[DONE]'
    assert without_ids(events[-1]['response']) == without_ids(whole.json())
    assert texts(ends(events)) == deltas(events)


async def test_openais_own_client_reads_what_mlflows_server_sends(mlflow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(mlflow, monkeypatch, asking_for_boats()) as client:
        asked: Any = ASK['input']
        async with AsyncOpenAI(base_url=str(client.base_url), api_key='none') as openai:
            streamed = [event async for event in await openai.responses.create(model='any', input=asked, stream=True)]
            whole = await openai.responses.create(model='any', input=asked)
    text = ''.join(event.delta for event in streamed if event.type == 'response.output_text.delta')
    assert text == whole.output_text == 'Let me look.At noon.'
    assert (streamed[-1].type, whole.status) == ('response.completed', 'completed')


async def test_a_failure_at_mlflows_server_is_an_error_in_the_stream(
    mlflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(mlflow, monkeypatch, Agent(ScriptedModel(['At ', CUT]))) as client:
        streamed = await client.post('/responses', json={**ASK, 'stream': True})
    assert [event if isinstance(event, str) else list(event) for event in frames(streamed.text)] == [
        ['type', 'item_id', 'delta'],
        ['error'],
        '[DONE]',
    ]


async def test_mlflows_server_answers_others_while_it_streams(mlflow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent(ScriptedModel(['One ', 'two ', Stall()]))
    async with served(mlflow, monkeypatch, agent) as client:
        async with client.stream('POST', '/responses', json={**ASK, 'stream': True}) as streamed:
            await anext(streamed.aiter_lines())
            health = await client.get('/health', timeout=5)
            assert health.json() == {'status': 'healthy'}
        # The client has gone, and nobody reads what the model writes.
        await until(lambda: model_of(agent).requests[0].closed in LEFT)
