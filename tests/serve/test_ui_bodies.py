"""Bodies of the AI SDK and of AG-UI that cannot be answered: refused with a sentence, before there is a run."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.routing import Mount

from pydantic_ai_streaming.serve import AGUI, AISDK, StreamRunner, stream_router
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
