"""Bodies of the AI SDK and of AG-UI that cannot be answered: refused with a sentence, before there is a run."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic_ai import Agent, DeferredToolRequests, RunContext, Tool, ToolDefinition, ToolOutput
from pydantic_ai.capabilities import Toolset
from pydantic_ai.exceptions import UserError
from pydantic_ai.toolsets import CombinedToolset, ExternalToolset, FunctionToolset, ToolsetTool, WrapperToolset
from starlette.applications import Starlette
from starlette.routing import Mount

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.serve import AGUI, AISDK, Asked, StreamRunner, stream_router
from pydantic_ai_streaming.testing import ScriptedModel

from .serving import Client, serving_app

USER = {'id': 'm1', 'role': 'user', 'parts': [{'type': 'text', 'text': 'Go'}]}
ASKED = {'id': 'm1', 'role': 'user', 'content': 'Go'}

NOTHING = 'There is no message to answer.'
UNREAD = 'There is a message that cannot be read.'
UNASKED = 'There is an answer for a tool call that is not in the last message.'


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


def message(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {'id': 'm2', 'role': role, 'parts': list(parts)}


def tool(state: str, **more: Any) -> dict[str, Any]:
    return {'type': 'tool-look', 'toolCallId': 't1', 'state': state, **more}


def picture(url: str, **more: Any) -> dict[str, Any]:
    return {'type': 'file', 'mediaType': 'image/png', 'url': url, **more}


AI_SDK_BODIES: dict[str, tuple[list[dict[str, Any]], str]] = {
    'no messages': ([], NOTHING),
    'a system message alone': ([message('system', {'type': 'text', 'text': 'Be brief.'})], NOTHING),
    'a user who says nothing': ([message('user')], NOTHING),
    'data alone': ([message('user', {'type': 'data-place', 'data': 1})], NOTHING),
    'an assistant who says nothing': ([message('assistant')], NOTHING),
    'arguments that are a list': ([USER, message('assistant', tool('input-available', input=[1]))], UNREAD),
    'a picture of the assistant that is elsewhere': (
        [USER, message('assistant', picture('https://example.org/x.png'))],
        UNREAD,
    ),
    'a picture of the system': ([message('system', picture('data:image/png;base64,AAAA')), USER], UNREAD),
    'a user who reasons': ([message('user', {'type': 'reasoning', 'text': 'Hm.'})], UNREAD),
    'a user with a tool': ([message('user', tool('output-available', input={}, output=1))], UNREAD),
    'an upload with a number for a name': (
        [
            message(
                'user',
                picture(
                    'https://example.org',
                    providerMetadata={'pydantic_ai': {'file_id': 1, 'provider_name': 'openai'}},
                ),
            )
        ],
        UNREAD,
    ),
}


def called(*ids: str) -> dict[str, Any]:
    calls = [{'id': one, 'type': 'function', 'function': {'name': 'look', 'arguments': '{}'}} for one in ids]
    return {'id': 'm2', 'role': 'assistant', 'toolCalls': calls}


def returned(call: str) -> dict[str, Any]:
    return {'id': 'm3', 'role': 'tool', 'toolCallId': call, 'content': 'sun'}


def input_of(kind: str, **source: str) -> dict[str, Any]:
    return {'id': 'm1', 'role': 'user', 'content': [{'type': kind, **source}]}


def resumed(call: str) -> dict[str, Any]:
    return {'resume': [{'interruptId': f'int-{call}', 'status': 'resolved', 'payload': {'approved': True}}]}


AG_UI_BODIES: dict[str, tuple[dict[str, Any], str]] = {
    'no messages': ({'messages': []}, NOTHING),
    'a system message alone': ({'messages': [{'id': 'm1', 'role': 'system', 'content': 'Be brief.'}]}, NOTHING),
    'a user who says nothing': ({'messages': [{'id': 'm1', 'role': 'user', 'content': []}]}, NOTHING),
    'a result without its call': ({'messages': [ASKED, returned('t1')]}, UNREAD),
    'a result of another call': ({'messages': [ASKED, called('t1'), returned('t2')]}, UNREAD),
    'a picture that is no Base64': ({'messages': [input_of('binary', mimeType='image/png', data='A')]}, UNREAD),
    'a picture in no ASCII': ({'messages': [input_of('binary', mimeType='image/png', data='é')]}, UNREAD),
    'an approval of nothing': ({'messages': [], **resumed('t1')}, NOTHING),
    'an approval of what nobody has called': ({'messages': [ASKED], **resumed('t1')}, UNASKED),
    'an approval of another call': ({'messages': [ASKED, called('t2'), returned('t2')], **resumed('t1')}, UNASKED),
}


@pytest.mark.parametrize(
    ('name', 'body', 'why'),
    [
        *(
            pytest.param(
                'ai-sdk', {'trigger': 'submit-message', 'id': 'c', 'messages': messages}, why, id=f'AI SDK: {what}'
            )
            for what, (messages, why) in AI_SDK_BODIES.items()
        ),
        *(
            pytest.param(
                'ag-ui',
                {'threadId': 't', 'runId': 'r', 'state': {}, 'tools': [], 'context': [], 'forwardedProps': {}, **body},
                why,
                id=f'AG-UI: {what}',
            )
            for what, (body, why) in AG_UI_BODIES.items()
        ),
    ],
)
@pytest.mark.filterwarnings('ignore:Parts carrying the system voice')  # what pydantic-ai tells the program
async def test_what_cannot_be_answered_is_refused_and_starts_no_run(
    client: Client, name: str, body: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(ScriptedModel(['Hello']))

    @agent.tool_plain
    def look() -> str:
        return 'sun'

    runner = StreamRunner(formats=[AISDK(version=7), AGUI()])
    app = Starlette(routes=[Mount('/runs', stream_router(runner, agent))], lifespan=runner.lifespan)
    with caplog.at_level(logging.WARNING):
        async with serving_app(app) as address:
            answer = await client.post(f'http://{address}/runs/{name}', json=body)
            assert (answer.status_code, answer.json()) == (400, {'error': 'malformed', 'message': why})
            assert not runner.ids
    assert not caplog.records


# Tools of the client


def look() -> str:
    return 'sun'


async def left_out(ctx: RunContext[Any], tool: ToolDefinition) -> ToolDefinition | None:
    return None


class Hidden(WrapperToolset[Any]):
    """A toolset of the program, which may do anything."""

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        return {}


TOOLS = FunctionToolset[Any]([look])
AGENTS: dict[str, tuple[dict[str, Any], str]] = {
    'of the agent': ({'tools': [look]}, 'look'),
    'of a toolset': ({'toolsets': [TOOLS]}, 'look'),
    'of toolsets together': ({'toolsets': [CombinedToolset([TOOLS])]}, 'look'),
    'with a prefix': ({'toolsets': [TOOLS.prefixed('sky')]}, 'sky_look'),
    'with another name': ({'toolsets': [TOOLS.renamed({'see': 'look'})]}, 'see'),
    'that needs approval': ({'toolsets': [TOOLS.approval_required()]}, 'look'),
    'that is loaded later': ({'toolsets': [TOOLS.defer_loading()]}, 'look'),
    'with metadata': ({'toolsets': [TOOLS.with_metadata(kind='sky')]}, 'look'),
    'of a capability': ({'capabilities': [Toolset(TOOLS.prefixed('sky'))]}, 'sky_look'),
    'that is run elsewhere': ({'toolsets': [ExternalToolset([ToolDefinition(name='look')])]}, 'look'),
    'for the output': ({'output_type': [int, ToolOutput(str, name='say')]}, 'say'),
    'for the output, by its usual name': ({'output_type': int}, 'final_result'),
}


def with_tools(*names: str) -> dict[str, Any]:
    tools = [{'name': name, 'description': '', 'parameters': {'type': 'object'}} for name in names]
    return {
        'threadId': 't',
        'runId': 'r',
        'state': {},
        'messages': [ASKED],
        'tools': tools,
        'context': [],
        'forwardedProps': {},
    }


async def asked_with(client: Client, agent: Agent[Any, Any], *names: str) -> tuple[httpx.Response, list[str]]:
    """The answer to a client of AG-UI with tools of these names, and the runs that were started."""
    runner = StreamRunner(formats=[AISDK(version=7), AGUI()])
    started: list[str] = []

    def start(asked: Asked) -> RunStream[Any]:
        started.append(asked.prompt)
        return RunStream(agent.run_stream_events(**asked.options))

    router = stream_router(runner, agent, start=start)
    app = Starlette(routes=[Mount('/runs', router)], lifespan=runner.lifespan)
    async with serving_app(app) as address:
        return await client.post(f'http://{address}/runs/ag-ui', json=with_tools(*names)), started


@pytest.mark.parametrize(('settings', 'name'), AGENTS.values(), ids=AGENTS.keys())
async def test_a_tool_of_the_client_with_a_name_of_the_agents_is_refused_before_there_is_a_run(
    client: Client, settings: dict[str, Any], name: str
) -> None:
    agent = Agent(ScriptedModel(['Hello']), **settings)
    answer, started = await asked_with(client, agent, 'others', name)
    why = f"The agent has a tool named '{name}' already: give that of the client another name."
    assert (answer.status_code, answer.json()) == (400, {'error': 'malformed', 'message': why})
    assert started == []
    # It is not refused for nothing: the run would have failed.
    toolset = ExternalToolset[Any]([ToolDefinition(name=name)])
    with pytest.raises(UserError, match='conflicts'):
        await agent.run('Go', toolsets=[toolset], output_type=[agent.output_type, DeferredToolRequests])


@pytest.mark.parametrize(
    ('settings', 'names'),
    [
        pytest.param({'tools': [look]}, ['see'], id='other names'),
        pytest.param({'toolsets': [TOOLS.prefixed('sky')]}, ['look'], id='a name without its prefix'),
        pytest.param({'toolsets': [TOOLS.renamed({'see': 'look'})]}, ['look'], id='a name that was given up'),
        pytest.param({'toolsets': [TOOLS.filtered(lambda ctx, tool: False)]}, ['look'], id='a tool that is filtered'),
        pytest.param({'tools': [Tool(look, prepare=left_out)]}, ['look'], id='a tool that is left out'),
        pytest.param({'toolsets': [Hidden(TOOLS)]}, ['look'], id='a tool that the program hides'),
        pytest.param({}, ['final_result'], id='a name that only output tools have'),
    ],
)
async def test_a_tool_of_the_client_that_the_run_can_have_is_not_refused(
    client: Client, settings: dict[str, Any], names: list[str]
) -> None:
    agent = Agent(ScriptedModel(['Hello']), output_type=[str, DeferredToolRequests], **settings)
    answer, started = await asked_with(client, agent, *names)
    assert (answer.status_code, started) == (200, ['Go'])
    assert 'RUN_FINISHED' in answer.text
    assert 'RUN_ERROR' not in answer.text
