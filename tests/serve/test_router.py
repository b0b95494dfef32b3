"""Runs that a client can lose and pick up again, over a real server: started, followed, stopped, listed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from pydantic_ai import Agent
from pydantic_ai.conversation_store import InMemoryConversationStore
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Mount
from websockets.asyncio.client import connect

from pydantic_ai_streaming import Chat, Deadlines, Recovery, RunStream
from pydantic_ai_streaming.logs import MemoryLog
from pydantic_ai_streaming.serve import (
    AGUI,
    AISDK,
    Asked,
    Frames,
    Source,
    StreamRunner,
    durable_streams,
    stream_router,
)
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Stall, ToolCall
from tests.serve.serving import Client, Seen, nothing_goes_on, see, serving_app, until
from tests.serve.test_picking_up import BODIES

WORDS = [f'word {n} ' for n in range(20)]
TEXT = ''.join(WORDS)


class Site:
    """An application with a router, and what its agent has been asked."""

    def __init__(self, *responses: Any, gap: float = 0.01, log: MemoryLog | None = None, **settings: Any) -> None:
        self.model = ScriptedModel(*(responses or (WORDS,)), gap=gap, loop=True)
        self.agent = Agent(self.model)
        self.looked = 0

        @self.agent.tool_plain
        async def look() -> str:
            self.looked += 1
            await asyncio.sleep(0.05)
            return 'It rains.'

        limits: dict[str, Any] = {name: settings.pop(name) for name in ('at_once', 'ttl') if name in settings}
        self.runner = StreamRunner(log, formats=[Frames(), AISDK(), AGUI()], grace=0, **limits)
        routes = [Mount('/runs', stream_router(self.runner, self.agent, **settings))]
        self.app = Starlette(routes=routes, lifespan=self.runner.lifespan)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


def of(frames: int) -> Callable[[Seen], bool]:
    """Enough: so many frames."""
    return lambda seen: len(seen.frames) >= frames


async def begin(client: Client, address: str, **more: Any) -> str:
    response = await client.post(f'http://{address}/runs/', json={'prompt': 'Go', **more})
    assert response.status_code == 201, response.text
    return response.json()['stream']


async def test_a_run_goes_on_without_a_client_and_is_read_from_any_offset(client: Client) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        stream = await begin(client, address)
        await until(lambda: not site.runner.ids)
        whole = await see(client, f'http://{address}/runs/{stream}')
        assert whole.text == TEXT
        assert whole.frames[0] == {'type': 'start', 'stream': stream}
        assert whole.last == {'type': 'end', 'finish': 'complete'}
        rest = Seen()
        for n in range(len(whole.ids)):
            rest = await see(client, f'http://{address}/runs/{stream}', last_id=whole.ids[n])
            assert rest.frames == whole.frames[n + 1 :]
        assert rest.status == 204
        assert len(site.model.requests) == 1
    assert nothing_goes_on()


async def test_who_is_there_sees_it_grow_and_who_comes_back_misses_nothing(client: Client) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        stream = await begin(client, address)
        seen: list[dict[str, Any]] = []
        last = None
        while not seen or seen[-1]['type'] != 'end':
            part = await see(client, f'http://{address}/runs/{stream}', last_id=last, enough=of(3))
            seen += part.frames
            last = part.ids[-1]
        assert ''.join(one['text'] for one in seen if one['type'] == 'text') == TEXT
        assert len(site.model.requests) == 1
    assert nothing_goes_on()


async def test_many_see_the_same(client: Client) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        stream = await begin(client, address)
        seen = await asyncio.gather(*(see(client, f'http://{address}/runs/{stream}') for _ in range(8)))
        assert all(one.raw == seen[0].raw for one in seen)
        assert seen[0].text == TEXT


async def test_a_post_that_takes_events_is_followed_at_once_and_ends_with_nobody_there(client: Client) -> None:
    site = Site([ToolCall('look')], WORDS)
    async with serving_app(site.app) as address:
        first = await see(
            client,
            f'http://{address}/runs/',
            method='POST',
            content='{"prompt": "Go"}',
            accept='text/event-stream',
            enough=of(2),
        )
        stream = first.frames[0]['stream']
        assert site.runner.ids == [stream]
        rest = await see(client, f'http://{address}/runs/{stream}', last_id=first.ids[-1])
        assert rest.text == TEXT
        assert site.looked == 1


@pytest.mark.parametrize('how', ['DELETE', 'POST'])
async def test_a_stop_ends_the_run_and_its_followers_are_told(client: Client, how: str) -> None:
    site = Site(gap=0.05)
    async with serving_app(site.app) as address:
        stream = await begin(client, address)
        following = asyncio.create_task(see(client, f'http://{address}/runs/{stream}'))
        await asyncio.sleep(0.2)
        path = f'http://{address}/runs/{stream}' + ('/stop' if how == 'POST' else '')
        assert (await client.request(how, path)).json() == {'stopped': True}
        seen = await following
        assert seen.last == {'type': 'end', 'finish': 'stopped'}
        assert 0 < len(seen.text) < len(TEXT)
        assert TEXT.startswith(seen.text)
        assert (await client.request(how, path)).json() == {'stopped': False}
    assert nothing_goes_on()


async def test_the_same_request_twice_starts_one_run(client: Client) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        key = {'idempotency-key': 'one'}
        post = lambda: client.post(f'http://{address}/runs/', json={'prompt': 'Go'}, headers=key)  # noqa: E731
        answers = [*await asyncio.gather(post(), post()), await post()]
        assert len({one.json()['stream'] for one in answers}) == 1
        await until(lambda: not site.runner.ids)
        assert len(site.model.requests) == 1


class TestOwners:
    def who(self, connection: HTTPConnection) -> str:
        name = connection.headers.get('x-who') or connection.query_params.get('who')
        if not name:
            raise HTTPException(401)
        return name

    async def test_a_stream_is_there_for_its_owner_alone(self, client: Client) -> None:
        site = Site(authorize=self.who)
        async with serving_app(site.app) as address:
            url = f'http://{address}/runs/'
            made = await client.post(url, json={'prompt': 'Go'}, headers={'x-who': 'ann'})
            stream = made.json()['stream']
            ann, bob = {'x-who': 'ann'}, {'x-who': 'bob'}
            for method, path in (('GET', stream), ('DELETE', stream), ('POST', f'{stream}/stop')):
                foreign = await client.request(method, url + path, headers=bob)
                missing = await client.request(method, url + path.replace(stream, 'nowhere'), headers=bob)
                assert (foreign.status_code, foreign.text) == (missing.status_code, missing.text)
                assert foreign.status_code == 404
                assert (await client.request(method, url + path)).status_code == 401
            listed = (await client.get(url, headers=ann)).json()['streams']
            assert [one['stream'] for one in listed] == [stream]
            assert (await client.get(url, headers=bob)).json()['streams'] == []
            async with connect(f'ws://{address}/runs/ws?who=bob') as websocket:
                await websocket.send(json.dumps({'type': 'follow', 'stream': stream, 'offset': 0}))
                assert json.loads(await websocket.recv())['error'] == 'not_found'

    async def test_a_key_of_one_finds_nothing_of_another(self, client: Client) -> None:
        site = Site(authorize=self.who)
        async with serving_app(site.app) as address:
            streams = [
                (
                    await client.post(
                        f'http://{address}/runs/',
                        json={'prompt': 'Go'},
                        headers={'x-who': who, 'idempotency-key': 'one'},
                    )
                ).json()['stream']
                for who in ('ann', 'bob')
            ]
            assert streams[0] != streams[1]


class TestBadRequests:
    @pytest.mark.parametrize(
        ('offset', 'error'),
        [
            ('-1', 'malformed_offset'),
            ('x', 'malformed_offset'),
            ('1.5', 'malformed_offset'),
            ('٣', 'malformed_offset'),
            ('9' * 40, 'malformed_offset'),
            ('1000', 'offset_beyond'),
        ],
    )
    async def test_an_offset_that_is_none(self, client: Client, offset: str, error: str) -> None:
        site = Site()
        async with serving_app(site.app) as address:
            stream = await begin(client, address)
            for more in (
                {'params': {'offset': offset}},
                {'headers': {b'last-event-id': f'{stream}:{offset}'.encode()}},
            ):
                answer = await client.get(f'http://{address}/runs/{stream}', **more)  # type: ignore[arg-type]
                assert (answer.status_code, answer.json()['error']) == (400, error)

    async def test_an_offset_of_another_stream(self, client: Client) -> None:
        site = Site()
        async with serving_app(site.app) as address:
            one, other = await begin(client, address), await begin(client, address)
            answer = await client.get(f'http://{address}/runs/{one}', headers={'last-event-id': f'{other}:1'})
            assert (answer.status_code, answer.json()['error']) == (400, 'malformed_offset')

    @pytest.mark.parametrize(
        ('body', 'status', 'error'),
        [
            (b'', 400, 'malformed'),
            (b'{', 400, 'malformed'),
            (b'[' * 100_000, 413, 'too_large'),
            (b'[' * 9_000, 400, 'malformed'),
            (b'{"prompt": 1}', 400, 'malformed'),
            (b'{"prompt": ""}', 400, 'malformed'),
            (b'{"prompt": "x", "chat": 1}', 400, 'malformed'),
            (b'{"prompt": "' + b'x' * 101 + b'"}', 413, 'too_long'),
            (b'\xff\xfe', 400, 'malformed'),
        ],
    )
    async def test_a_body_that_cannot_be_followed(self, client: Client, body: bytes, status: int, error: str) -> None:
        site = Site(largest_body=10_000, longest_prompt=100)
        async with serving_app(site.app) as address:
            headers = {'content-type': 'application/json; charset=utf-8'}
            answer = await client.post(f'http://{address}/runs/', content=body, headers=headers)
            assert (answer.status_code, answer.json()['error']) == (status, error)
            assert not site.model.requests

    async def test_what_a_page_of_another_site_can_send_without_asking_starts_nothing(self, client: Client) -> None:
        site = Site()
        async with serving_app(site.app) as address:
            for kind in ('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', ''):
                headers = {'content-type': kind}
                answer = await client.post(f'http://{address}/runs/', content=b'{"prompt": "Go"}', headers=headers)
                assert (answer.status_code, answer.json()['error']) == (415, 'media_type')
            assert not site.model.requests

    @pytest.mark.parametrize('name', ['ai-sdk', 'ag-ui'])
    async def test_a_body_that_no_client_of_a_protocol_sends(self, client: Client, name: str) -> None:
        site = Site()
        async with serving_app(site.app) as address:
            url = f'http://{address}/runs/{name}'
            assert (await client.post(url, json={'prompt': 'Go'})).json()['error'] == 'malformed'
            plain = await client.post(url, content=b'{}', headers={'content-type': 'text/plain'})
            assert plain.status_code == 415

    async def test_a_run_too_many_is_refused_and_the_others_go_on(self, client: Client) -> None:
        site = Site(at_once=1)
        async with serving_app(site.app) as address:
            stream = await begin(client, address)
            refused = await client.post(f'http://{address}/runs/', json={'prompt': 'Go'})
            assert (refused.status_code, refused.headers['retry-after']) == (503, '1')
            assert (await see(client, f'http://{address}/runs/{stream}')).text == TEXT
            await begin(client, address)

    async def test_a_viewer_too_many_is_refused_and_there_is_room_when_one_has_gone(self, client: Client) -> None:
        site = Site(viewers=1, gap=0.05)
        async with serving_app(site.app) as address:
            stream = await begin(client, address)
            first = asyncio.create_task(see(client, f'http://{address}/runs/{stream}', enough=of(3)))
            await asyncio.sleep(0.1)
            assert (await client.get(f'http://{address}/runs/{stream}')).status_code == 503
            await first
            await asyncio.sleep(0.1)
            assert (await see(client, f'http://{address}/runs/{stream}')).text == TEXT

    async def test_a_stream_that_has_expired_is_missing(self, client: Client) -> None:
        site = Site(log=MemoryLog(lease=0.1), ttl=0.2, gap=0.001)
        async with serving_app(site.app) as address:
            stream = await begin(client, address)
            await until(lambda: not site.runner.ids)
            await asyncio.sleep(0.3)
            assert (await client.get(f'http://{address}/runs/{stream}')).status_code == 404


async def test_no_text_of_an_exception_reaches_a_client(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    def broken(asked: Asked) -> Source:
        raise RuntimeError('the password is 1234')

    site = Site(['One ', Fail(RuntimeError('the password is 1234'))])
    never = Site(start=broken)
    with caplog.at_level(logging.ERROR):
        async with serving_app(site.app) as address:
            stream = await begin(client, address)
            seen = await see(client, f'http://{address}/runs/{stream}')
            assert seen.last['type'] == 'error'
            assert seen.last['error_id'] in caplog.text
            assert b'1234' not in seen.raw
            ai = await client.post(f'http://{address}/runs/ai-sdk', json=ui_message('Go'))
            assert '1234' not in ai.text
            assert 'Something went wrong' in ai.text
        async with serving_app(never.app) as address:
            answer = await client.post(f'http://{address}/runs/', json={'prompt': 'Go'})
            assert answer.status_code == 500
            assert '1234' not in answer.text
            assert answer.json()['message'].rpartition('error ')[2].rstrip(').') in caplog.text


def ui_message(text: str, chat: str = 'chat-1') -> dict[str, Any]:
    message = {'id': 'm1', 'role': 'user', 'parts': [{'type': 'text', 'text': text}]}
    return {'trigger': 'submit-message', 'id': chat, 'messages': [message]}


def chunks(text: str) -> list[Any]:
    data = [line.removeprefix('data: ') for line in text.splitlines() if line.startswith('data: ')]
    return [one if one == '[DONE]' else json.loads(one) for one in data]


class TestAISDK:
    async def test_a_chat_is_answered_and_what_was_asked_reaches_the_model(self, client: Client) -> None:
        site = Site([ToolCall('look')], WORDS)
        async with serving_app(site.app) as address:
            answer = await client.post(f'http://{address}/runs/ai-sdk', json=ui_message('What is the weather?'))
            assert answer.headers['x-vercel-ai-ui-message-stream'] == 'v1'
            came = chunks(answer.text)
            assert ''.join(one['delta'] for one in came[:-1] if one['type'] == 'text-delta') == TEXT
            assert came[-1] == '[DONE]'
            assert 'What is the weather?' in repr(site.model.requests[0])

    async def test_a_page_that_is_loaded_again_gets_the_same_answer_from_its_beginning(self, client: Client) -> None:
        site = Site([ToolCall('look')], WORDS)
        async with serving_app(site.app) as address:
            url = f'http://{address}/runs/ai-sdk'
            assert (await client.get(f'{url}/chat-1/stream')).status_code == 204
            async with client.stream('POST', url, json=ui_message('Go')) as lost:
                first = await anext(lost.aiter_text())
            again = await client.get(f'{url}/chat-1/stream')
            assert again.text.startswith(first)
            came = chunks(again.text)
            assert ''.join(one['delta'] for one in came[:-1] if one['type'] == 'text-delta') == TEXT
            assert site.looked == 1
            assert (await client.get(f'{url}/chat-1/stream')).status_code == 204

    async def test_what_goes_on_in_a_chat_is_stopped(self, client: Client) -> None:
        site = Site(gap=0.05)
        async with serving_app(site.app) as address:
            url = f'http://{address}/runs/ai-sdk'
            async with client.stream('POST', url, json=ui_message('Go')) as answer:
                texts = answer.aiter_text()
                came = await anext(texts)
                assert (await client.post(f'{url}/chat-1/stop')).json() == {'stopped': True}
                came += ''.join([text async for text in texts])
            assert {'type': 'abort', 'reason': 'The agent run was cancelled.'} in chunks(came)
            assert (await client.post(f'{url}/nowhere/stop')).status_code == 404


async def test_ag_ui_is_answered(client: Client) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        answer = await client.post(f'http://{address}/runs/ag-ui', json=BODIES['ag-ui'])
        came = chunks(answer.text)
        assert ''.join(one.get('delta', '') for one in came if one['type'] == 'TEXT_MESSAGE_CONTENT') == TEXT
        assert came[-1]['type'] == 'RUN_FINISHED'


async def test_turns_of_a_chat_are_served_and_saved(client: Client) -> None:
    chats: dict[str, Chat[Any, Any]] = {}

    def start(asked: Asked) -> Source:
        return chats.setdefault(asked.chat_id or '', Chat(site.agent)).send(asked.prompt)

    site = Site(start=start)
    async with serving_app(site.app) as address:
        for _ in range(2):
            stream = await begin(client, address, chat='c')
            assert (await see(client, f'http://{address}/runs/{stream}')).text == TEXT
        assert len(chats['c'].messages) == 4


async def test_a_chat_is_that_of_its_owner_though_another_names_it_too(client: Client) -> None:
    def who(request: HTTPConnection) -> str:
        return request.headers['x-user']

    def start(asked: Asked) -> Source:
        return Chat(site.agent, store, asked.conversation).send(asked.prompt)

    site = Site(authorize=who, start=start)
    store = InMemoryConversationStore()
    async with serving_app(site.app) as address:
        for user, prompt in (('ann', 'My PIN is 1234'), ('bob', 'Say it again'), ('ann', 'And now?')):
            body, headers = {'prompt': prompt, 'chat': 'c1'}, {'x-user': user, 'accept': 'text/event-stream'}
            answer = await client.post(f'http://{address}/runs/', json=body, headers=headers)
            assert '"type":"end","finish":"complete"' in answer.text
    said = [str(one.messages) for one in site.model.requests]
    assert ['My PIN' in one for one in said] == [True, False, True]


async def test_an_answer_that_is_asked_for_anew_takes_the_place_of_the_last(client: Client) -> None:
    chat: Chat[Any, Any]

    def start(asked: Asked) -> Source:
        return chat.regenerate() if asked.regenerate else chat.send(asked.prompt)

    site = Site(start=start)
    chat = Chat(site.agent)
    async with serving_app(site.app) as address:
        said = {'id': '1', 'role': 'user', 'parts': [{'type': 'text', 'text': 'Go'}]}
        for trigger in ('submit-message', 'regenerate-message'):
            body = {'trigger': trigger, 'id': 'c', 'messages': [said]}
            assert 'finish' in (await client.post(f'http://{address}/runs/ai-sdk', json=body)).text
    assert len(site.model.requests) == 2
    assert [type(one).__name__ for one in chat.messages] == ['ModelRequest', 'ModelResponse']


class TestWebSocket:
    async def test_prompt_lose_follow_and_stop(self, client: Client) -> None:
        site = Site()
        async with serving_app(site.app) as address:
            frames: list[dict[str, Any]] = []
            message: dict[str, Any] = {}
            async with connect(f'ws://{address}/runs/ws') as websocket:
                await websocket.send(json.dumps({'type': 'prompt', 'prompt': 'Go'}))
                while len(frames) < 5:
                    message = json.loads(await websocket.recv())
                    frames += message['frames']
            async with connect(f'ws://{address}/runs/ws') as websocket:
                follow = {'type': 'follow', 'stream': message['stream'], 'offset': message['offset']}
                await websocket.send(json.dumps(follow))
                while frames[-1]['type'] != 'end':
                    frames += json.loads(await websocket.recv())['frames']
            assert ''.join(one['text'] for one in frames if one['type'] == 'text') == TEXT
            slow = Site(gap=0.05)
            assert slow.model is not site.model
        async with serving_app(slow.app) as address, connect(f'ws://{address}/runs/ws') as websocket:
            await websocket.send(json.dumps({'type': 'prompt', 'prompt': 'Go'}))
            await websocket.recv()
            await websocket.send(json.dumps({'type': 'stop'}))
            last: dict[str, Any] = {}
            while last.get('type') != 'end':
                last = json.loads(await websocket.recv())['frames'][-1]
            assert last['finish'] == 'stopped'
        assert nothing_goes_on()

    @pytest.mark.parametrize(
        ('said', 'error', 'why'),
        [
            ('', 'malformed', '"prompt" | "follow" | "stop"'),
            ('[]', 'malformed', '"prompt" | "follow" | "stop"'),
            ('{"type": "stop"}', 'malformed', 'nothing to stop'),
            ('{"type": "prompt"}', 'malformed', '"prompt": "..."'),
            ('{"type": "follow", "stream": "x"}', 'malformed', '"offset": 0'),
            ('{"type": "follow", "stream": "x", "offset": -1}', 'malformed', '"offset": 0'),
            ('{"type": "follow", "stream": "x", "offset": 0}', 'not_found', 'no such stream'),
        ],
    )
    async def test_what_cannot_be_followed_is_refused_and_the_session_goes_on(
        self, said: str, error: str, why: str
    ) -> None:
        site = Site()
        async with serving_app(site.app) as address, connect(f'ws://{address}/runs/ws') as websocket:
            await websocket.send(said)
            refused = json.loads(await websocket.recv())
            assert refused['error'] == error
            assert why in refused['message']
            await websocket.send(json.dumps({'type': 'prompt', 'prompt': 'Go'}))
            assert json.loads(await websocket.recv())['frames'][0]['type'] == 'start'


async def test_a_stream_that_is_deleted_ends_for_its_followers(client: Client) -> None:
    site = Site(gap=0.05)
    async with serving_app(site.app) as address:
        stream = await begin(client, address)
        following = asyncio.create_task(see(client, f'http://{address}/runs/{stream}'))
        await asyncio.sleep(0.2)
        await site.runner.log.delete(stream)
        seen: Seen = await following
        assert seen.last['type'] == 'error'
        await until(lambda: not site.runner.ids)
    assert nothing_goes_on()


async def test_text_that_a_recovery_takes_back_is_taken_back_for_clients_too(client: Client) -> None:
    def start(asked: Asked) -> Source:
        run = site.agent.run_stream_events(asked.prompt)
        return RunStream(run, deadlines=Deadlines(idle=0.2), recovery=Recovery(by='restart'))

    site = Site(['One ', 'tow ', Stall()], ['One ', 'two.'], start=start)
    async with serving_app(site.app) as address:
        seen = await see(client, f'http://{address}/runs/{await begin(client, address)}')
        shown = ''
        for frame in seen.frames:
            if frame['type'] == 'text':
                shown += frame['text']
            elif frame['type'] == 'retraction':
                assert shown.endswith(frame['text'])
                shown = shown.removesuffix(frame['text'])
        assert (shown, seen.text, seen.last['finish']) == ('One two.', 'One tow One two.', 'complete')


async def test_silence_is_filled_with_comments(client: Client) -> None:
    site = Site(['one'], gap=0.5, keep_alive=0.1)
    async with serving_app(site.app) as address:
        stream = await begin(client, address)
        seen = await see(client, f'http://{address}/runs/{stream}')
        assert seen.raw.count(b': keep-alive\n') >= 3


async def test_a_client_of_durable_streams_reads_the_frames_of_a_run_and_nothing_else(client: Client) -> None:
    site = Site()
    site.app.mount('/durable', durable_streams(site.runner.log))
    async with serving_app(site.app) as address:
        stream = await begin(client, address)
        whole = await see(client, f'http://{address}/runs/{stream}')
        url, frames, offset = f'http://{address}/durable/{stream}', list[Any](), '-1'
        while True:
            answer = await client.get(url, params={'offset': offset})
            frames += answer.json()
            offset = answer.headers['stream-next-offset']
            if 'stream-closed' in answer.headers:
                break
        assert frames == whole.frames
        live = await client.get(url, params={'offset': '-1', 'live': 'sse'})
        data = [line.removeprefix('data:') for line in live.text.splitlines() if line.startswith('data:[')]
        assert [frame for one in data for frame in json.loads(one)] == whole.frames
        assert (await client.post(url, json={})).status_code == 405
