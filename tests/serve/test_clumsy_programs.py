"""Programs that do what they should not, behind a router: each request has an answer, and the others go on."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest
from pydantic_ai import Agent, CustomEvent, RunContext
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount
from starlette.testclient import TestClient
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pydantic_ai_streaming import Chat, RunStream
from pydantic_ai_streaming.errors import StoreUnavailable, StreamUsageError
from pydantic_ai_streaming.logs import MemoryLog
from pydantic_ai_streaming.serve import (
    AGUI,
    AISDK,
    Asked,
    Frames,
    LiveStreams,
    SSEResponse,
    StreamRunner,
    serve_websocket,
    stream_router,
)
from pydantic_ai_streaming.testing import ScriptedModel, Stall, ToolCall
from tests.serve.serving import Client, see, serving_app, until

SECRET = 'the password of the database'


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


@dataclass(kw_only=True)
class Told(CustomEvent, name='told_by_a_clumsy_tool'):
    payload: Any = None


@dataclass(kw_only=True)
class Untold(CustomEvent, name='untold_by_a_clumsy_tool'):
    def to_payload(self) -> Any:
        raise ValueError(SECRET)


class Nameless:
    def __str__(self) -> str:
        raise ValueError(SECRET)

    __repr__ = __str__


CIRCLE: dict[str, Any] = {}
CIRCLE['circle'] = CIRCLE


@pytest.mark.parametrize(
    'event',
    [Told(payload=CIRCLE), Told(payload=Nameless()), Untold(), Told(payload={'\ud800': float('nan')})],
    ids=['circle', 'nameless', 'untold', 'half a character'],
)
async def test_what_cannot_be_written_stops_no_other_frame_and_tells_nothing(event: CustomEvent) -> None:
    agent = Agent(ScriptedModel([ToolCall('tell')], ['One ', 'two.'], gap=0.001))

    @agent.tool
    async def tell(ctx: RunContext) -> str:
        await ctx.emit(event)
        return 'told'

    async with StreamRunner(formats=[Frames(), AISDK(), AGUI()]) as runner:
        stream_id = await runner.start(RunStream(agent.run_stream_events('Go')))
        async with asyncio.timeout(10):
            entries = [one async for part in await runner.log.follow(stream_id) for one in part.entries]
    frames = [one for one in entries if one.startswith(b'{')]
    assert b'"two."' in b''.join(frames)
    assert frames[-1] == b'{"type":"end","finish":"complete"}'
    assert SECRET.encode() not in b''.join(entries)


def site(start: Callable[[Asked], Any], **settings: Any) -> tuple[StreamRunner, Starlette]:
    """A runner, and an application with its router."""
    agent = Agent(ScriptedModel(['One ', 'two.'], loop=True))
    runner = StreamRunner(formats=[Frames(), AISDK()], grace=0)
    routes = [Mount('/runs', stream_router(runner, agent, start=start, **settings))]
    return runner, Starlette(routes=routes, lifespan=runner.lifespan)


@pytest.mark.parametrize('what', ['the events of a run', 'an agent'])
async def test_a_start_that_makes_what_is_of_pydantic_ai_alone_starts_nothing(
    client: Client, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(ScriptedModel(['One ', 'two.']))
    runner, app = site(lambda _: agent if what == 'an agent' else agent.run_stream_events('Go'))
    async with serving_app(app) as address:
        answer = await client.post(f'http://{address}/runs/', json={'prompt': 'Go'})
        assert (answer.status_code, answer.json()['error']) == (500, 'failed')
        assert 'RunStream' not in answer.text
        assert 'pass RunStream(agent.run_stream_events(...))' in caplog.text
        assert not runner.ids


def lacks_its_return(asked: Asked) -> None:
    RunStream(Agent(ScriptedModel(['One'])).run_stream_events(asked.prompt))


async def lacks_it_too(asked: Asked) -> None:
    lacks_its_return(asked)


@pytest.mark.parametrize('start', [lacks_its_return, lacks_it_too])
async def test_a_start_without_its_return_is_told_what_to_return(
    client: Client, start: Callable[[Asked], Any], caplog: pytest.LogCaptureFixture
) -> None:
    runner, app = site(start)
    async with serving_app(app) as address:
        answer = await client.post(f'http://{address}/runs/', json={'prompt': 'Go'})
        assert (answer.status_code, answer.json()['error']) == (500, 'failed')
        assert not runner.ids
    assert 'What is to be served is a NoneType, and no run' in caplog.text


async def test_a_start_that_makes_no_run_stream_ends_its_stream_with_an_error(client: Client) -> None:
    agent = Agent(ScriptedModel(['One ', 'two.']))
    runner, app = site(lambda _: nullcontext(agent))
    async with serving_app(app) as address:
        answer = await client.post(f'http://{address}/runs/', json={'prompt': 'Go'})
        seen = await see(client, f'http://{address}/runs/{answer.json()["stream"]}')
        assert (seen.last['type'], seen.last['finish']) == ('error', 'failed')
        await until(lambda: not runner.ids)


@pytest.mark.parametrize('path', ['', 'ai-sdk'])
async def test_a_second_turn_is_refused_and_the_chat_is_still_that_of_the_first(client: Client, path: str) -> None:
    chat = Chat(Agent(ScriptedModel(['One ', Stall()])))
    runner, app = site(lambda asked: chat.send(asked.prompt))
    async with serving_app(app) as address:
        first = await client.post(f'http://{address}/runs/', json={'prompt': 'Go', 'chat': 'a'})
        said = {'id': '1', 'role': 'user', 'parts': [{'type': 'text', 'text': 'Go'}]}
        body = {'trigger': 'submit-message', 'id': 'a', 'messages': [said], 'prompt': 'Go', 'chat': 'a'}
        second = await client.post(f'http://{address}/runs/{path}', json=body)
        assert (second.status_code, second.json()['error']) == (409, 'turn_in_progress')
        assert runner.ids == [first.json()['stream']]
        stopped = await client.post(f'http://{address}/runs/ai-sdk/a/stop')
        assert stopped.json() == {'stopped': True}
        await until(lambda: not runner.ids)


def run_of(asked: Any) -> RunStream[Any]:
    return RunStream(Agent(ScriptedModel(['One ', Stall()])).run_stream_events(asked.prompt))


class TestAuthorize:
    @pytest.mark.parametrize('odd', [ValueError(SECRET), 7, True, {'name': 'ann'}])
    async def test_what_is_no_owner_starts_nothing_and_is_an_error_with_an_id(self, client: Client, odd: Any) -> None:
        def authorize(_: Any) -> Any:
            if isinstance(odd, Exception):
                raise odd
            return odd

        runner, app = site(run_of, authorize=authorize)
        async with serving_app(app) as address:
            answer = await client.post(f'http://{address}/runs/', json={'prompt': 'Go'})
            assert (answer.status_code, answer.json()['error']) == (500, 'failed')
            with pytest.raises(InvalidStatus, match='500'):
                await connect(f'ws://{address}/runs/ws')
            assert not runner.ids


async def test_a_viewer_too_many_starts_no_run_and_has_no_connection(client: Client) -> None:
    runner, app = site(run_of, viewers=1)
    async with serving_app(app) as address, connect(f'ws://{address}/runs/ws'):
        with pytest.raises(InvalidStatus, match='503'):
            await connect(f'ws://{address}/runs/ws')
        accept = {'accept': 'text/event-stream'}
        answer = await client.post(f'http://{address}/runs/', json={'prompt': 'Go'}, headers=accept)
        assert answer.status_code == 503
        assert not runner.ids


async def test_first_prompts_of_a_chat_that_come_at_once_are_all_answered(client: Client) -> None:
    _, app = site(run_of)
    async with serving_app(app) as address:
        body = {'prompt': 'Go', 'chat': 'new'}
        answers = await asyncio.gather(*(client.post(f'http://{address}/runs/', json=body) for _ in range(4)))
        assert [one.status_code for one in answers] == [201] * 4


def ann(_: HTTPConnection) -> str:
    return 'ann'


@pytest.mark.parametrize('chat', ['\\ud800', 'a' * 2000], ids=['half a character', 'long'])
async def test_a_chat_whose_name_cannot_be_kept_is_refused(client: Client, chat: str) -> None:
    runner, app = site(run_of, authorize=ann)
    async with serving_app(app) as address:
        body = '{"prompt": "Go", "chat": "%s"}' % chat  # noqa: UP031 - braces
        headers = {'content-type': 'application/json'}
        answer = await client.post(f'http://{address}/runs/', content=body, headers=headers)
        assert (answer.status_code, answer.json()['error']) == (400, 'malformed')
        assert not runner.ids


async def test_a_chat_that_goes_on_in_another_format_is_not_resumed(client: Client) -> None:
    _, app = site(run_of)
    async with serving_app(app) as address:
        await client.post(f'http://{address}/runs/', json={'prompt': 'Go', 'chat': 'a'})
        assert (await client.get(f'http://{address}/runs/ai-sdk/a/stream')).status_code == 204


async def test_a_log_that_is_away_is_told_over_a_websocket(monkeypatch: pytest.MonkeyPatch) -> None:
    runner, app = site(run_of)

    async def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable('The log is away.')

    async with serving_app(app) as address, connect(f'ws://{address}/runs/ws') as websocket:
        with monkeypatch.context() as patched:
            patched.setattr(runner.log, 'create', away)
            await websocket.send(json.dumps({'type': 'prompt', 'prompt': 'Go'}))
            assert json.loads(await websocket.recv())['error'] == 'unavailable'
        await websocket.send(json.dumps({'type': 'prompt', 'prompt': 'Go'}))
        assert json.loads(await websocket.recv())['offset'] == 1


@pytest.mark.parametrize('setting', [{'keep_alive': 0}, {'viewers_each': 0}])
def test_settings_of_a_router_that_cannot_be(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        site(run_of, **setting)


@pytest.mark.parametrize('ttl', [0, -1, float('nan')])
def test_a_time_to_live_that_cannot_be(ttl: float) -> None:
    with pytest.raises(ValueError, match='ttl'):
        StreamRunner(ttl=ttl)


def test_a_time_to_live_in_which_nobody_can_see_that_a_process_has_died_is_refused() -> None:
    with pytest.raises(ValueError, match=r'ttl=19 .*two leases.* 20 s or more.* lease=9.5'):
        StreamRunner(ttl=19)
    assert StreamRunner(MemoryLog(lease=9.5), ttl=19).ttl == 19


def test_an_application_that_is_closed_and_opened_in_another_loop_serves_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, app = site(lambda asked: RunStream(Agent(ScriptedModel(['One'])).run_stream_events(asked.prompt)))
    for _ in range(2):
        with TestClient(app) as client:
            stream = client.post('/runs/', json={'prompt': 'Go'}).json()['stream']
            assert 'One' in client.get(f'/runs/{stream}').text
    assert not caplog.records


def test_settings_that_are_something_else_are_refused_with_what_to_write() -> None:
    agent: Any = Agent(ScriptedModel(['One ', 'two.']))
    runner = StreamRunner()
    four: Any = 4
    for wrong, kind, advice in (
        (lambda: StreamRunner(cast('Any', 'streams.db')), TypeError, 'SQLiteLog(path)'),
        (lambda: stream_router(agent, cast('Any', runner)), TypeError, 'stream_router(StreamRunner(...), agent)'),
        (lambda: AISDK(version=four), ValueError, '(5, 6, 7)'),
        (lambda: Frames(cast('Any', 'text')), ValueError, "['text']"),
        (lambda: StreamRunner(formats=[cast('Any', Frames)]), TypeError, '[Frames(), AISDK(version=7), AGUI()]'),
        (lambda: Frames(smoothing=four), TypeError, 'smoothing=4: use Smoothing(...)'),
        (lambda: SSEResponse(Chat(agent).send('Go'), smoothing=four), TypeError, 'smoothing=4: use Smoothing(...)'),
        (lambda: LiveStreams().start(agent.run_stream_events('Go')), StreamUsageError, 'RunStream('),
    ):
        with pytest.raises(kind, match=re.escape(advice)):
            wrong()


async def test_a_websocket_is_not_accepted_with_a_smoothing_that_is_none() -> None:
    not_touched: Any = None
    with pytest.raises(TypeError, match=r'smoothing=True: use Smoothing\(...\)'):
        await serve_websocket(not_touched, Chat(Agent(ScriptedModel(['One']))).send, smoothing=cast('Any', True))
