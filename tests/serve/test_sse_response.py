"""Runs as server-sent events, from a real server: every way out, picked up again at every frame."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import pytest
from pydantic import BaseModel, Field, field_validator
from pydantic_ai import Agent, CustomEvent, ModelRetry, RunContext
from pydantic_ai.conversation_store import InMemoryConversationStore
from pydantic_ai.exceptions import ModelHTTPError
from starlette.requests import Request
from starlette.routing import Route

from pydantic_ai_streaming import Chat, Deadlines, RunStream, Smoothing, StoreError, StreamUsageError
from pydantic_ai_streaming.serve import LiveStreams, Source, SSEResponse
from pydantic_ai_streaming.stores import SQLiteConversationStore
from pydantic_ai_streaming.testing import EndEarly, Fail, KeepAlive, ScriptedModel, Stall, Text, Thinking, ToolCall
from tests.serve.serving import Client, Seen, nothing_goes_on, see, serving, until

WORDS = ['One\n', '\n', 'two\r\nthree ', '⛴️ 👩‍🚀 ', '\u2028', 'end.']


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


def answering(make: Callable[[], Source], **settings: Any) -> Route:
    async def answer(request: Request) -> SSEResponse:
        return SSEResponse(make(), **settings)

    return Route('/answer', answer, methods=['GET', 'POST'])


def run_of(model: ScriptedModel, **settings: Any) -> Callable[[], RunStream[Any]]:
    agent = Agent(model)
    return lambda: RunStream(agent.run_stream_events('Go'), **settings)


async def seen_of(client: Client, make: Callable[[], Source], **settings: Any) -> Seen:
    async with serving(answering(make, **settings)) as address:
        return await see(client, f'http://{address}/answer')


# What a client gets


async def test_line_ends_and_signs_survive(client: Client) -> None:
    seen = await seen_of(client, run_of(ScriptedModel(WORDS)))
    assert seen.text == ''.join(WORDS)
    assert seen.last == {'type': 'end', 'finish': 'complete'}
    assert [frame['type'] for frame in seen.frames] == ['start', *['text'] * len(WORDS), 'stats', 'end']


async def test_half_of_a_pair_of_surrogates_does_not_end_the_stream(client: Client) -> None:
    seen = await seen_of(client, run_of(ScriptedModel(['a \ud83d', ' b'])))
    assert seen.text == 'a \ud83d b'
    assert seen.last['finish'] == 'complete'


async def test_no_proxy_keeps_it_back_or_stores_it(client: Client) -> None:
    seen = await seen_of(client, run_of(ScriptedModel(['x'])), headers={'x-mine': 'too'})
    assert seen.headers['content-type'] == 'text/event-stream; charset=utf-8'
    assert seen.headers['cache-control'] == 'no-cache'
    assert seen.headers['x-accel-buffering'] == 'no'
    assert seen.headers['x-mine'] == 'too'
    assert 'content-length' not in seen.headers
    assert seen.raw.startswith(b'retry: 1000\n\n')


async def test_each_frame_has_an_id_of_its_own(client: Client) -> None:
    seen = await seen_of(client, run_of(ScriptedModel(WORDS)))
    stream_id = seen.frames[0]['stream']
    assert seen.ids == [f'{stream_id}:{number}' for number in range(len(seen.frames))]
    assert len(stream_id) >= 20, 'who knows it may read: nobody can guess it'


@dataclass(kw_only=True)
class Pages(CustomEvent, name='test.pages'):
    done: int


@dataclass(kw_only=True)
class Private(CustomEvent, ui=False, name='test.private'):
    secret: str = 'hidden'


async def test_tools_thinking_and_progress_are_told(client: Client) -> None:
    model = ScriptedModel(
        [Thinking('Hm.'), 'Let me see. ', ToolCall('look', {'where': 'here', 'deep': True}, pieces=6)], ['Found.']
    )
    agent = Agent(model)

    @agent.tool
    async def look(ctx: RunContext, where: str, deep: bool) -> dict[str, float]:
        await ctx.emit(Private())
        await ctx.emit(Pages(done=1))
        return {'depth': float('inf')}

    seen = await seen_of(client, lambda: RunStream(agent.run_stream_events('Go')))
    calls = seen.of('tool_call')
    arguments = calls[0].get('arguments', '')
    for call in calls[1:]:
        arguments = call.get('arguments', arguments) + call.get('more_arguments', '')
    assert arguments == '{"where": "here", "deep": true}'
    assert list(dict.fromkeys(call['state'] for call in calls)) == ['calling', 'called', 'running', 'returned']
    assert calls[-1]['result'] == {'depth': None}
    assert seen.of('progress') == [
        {'type': 'progress', 'tool_call_id': calls[0]['tool_call_id'], 'name': 'test.pages', 'payload': {'done': 1}}
    ]
    assert 'hidden' not in seen.raw.decode()
    assert seen.of('thinking') == [{'type': 'thinking', 'text': 'Hm.'}]
    kinds = list(dict.fromkeys(frame['type'] for frame in seen.frames))
    assert kinds == ['start', 'thinking', 'text', 'tool_call', 'progress', 'stats', 'end']
    assert seen.of('stats')[0]['tool_calls'] == 1


class Trip(BaseModel):
    title: str
    nights: int = Field(gt=0)

    @field_validator('title')
    @classmethod
    def short(cls, title: str) -> str:
        if len(title) > 20:
            raise ValueError('SECRET RULE')
        return title


def patched(frames: list[dict[str, Any]]) -> Any:
    """The document that the patches make, of an object with scalars."""
    document: dict[str, Any] = {}
    for frame in frames:
        for change in frame['patch']:
            key = change['path'].removeprefix('/')
            if not key:
                document = change['value']
            elif change['op'] == 'str_ins':
                assert change['pos'] == len(document[key])
                document[key] += change['str']
            else:
                document[key] = change['value']
    return document


async def test_a_structured_output_fills_in(client: Client) -> None:
    document = {'title': 'Two islands ⛴', 'nights': 2}
    model = ScriptedModel([ToolCall('final_result', document, pieces=4)])
    agent = Agent(model, output_type=Trip)
    seen = await seen_of(client, lambda: RunStream(agent.run_stream_events('Go')))
    outputs = seen.of('output')
    assert patched(outputs) == document
    assert len(outputs) == 4, 'the object, each field, and the end'
    assert len(seen.of('tool_call')) < 6, 'the arguments of an output tool are the output'
    assert [frame['final'] for frame in outputs] == [False] * (len(outputs) - 1) + [True]
    assert seen.last == {'type': 'end', 'finish': 'complete'}


async def test_an_output_is_whole_after_tools_that_tell_of_their_progress(client: Client) -> None:
    document = {'title': 'Two islands', 'nights': 2}
    model = ScriptedModel([ToolCall('look')], [ToolCall('final_result', document, pieces=5)])
    agent = Agent(model, output_type=Trip)

    @agent.tool
    async def look(ctx: RunContext) -> str:
        for page in range(5):
            await ctx.emit(Pages(done=page))
        return 'seen'

    seen = await seen_of(client, lambda: RunStream(agent.run_stream_events('Go')))
    assert len(seen.of('progress')) == 5
    assert patched(seen.of('output')) == document
    assert seen.of('output')[-1]['final']


async def test_what_is_invalid_is_told_without_the_words_of_a_validator(client: Client) -> None:
    bad = {'title': 'x' * 30, 'nights': 2}
    good = {'title': 'Two islands', 'nights': 2}
    model = ScriptedModel(*([ToolCall('final_result', one, pieces=9)] for one in (bad, good)))
    agent = Agent(model, output_type=Trip)
    seen = await seen_of(client, lambda: RunStream(agent.run_stream_events('Go')))
    first = [frame for frame in seen.of('output') if frame['attempt'] == 1]
    second = [frame for frame in seen.of('output') if frame['attempt'] == 2]
    assert first[-1]['invalid'] == [['title']]
    assert patched(second) == good
    assert len(seen.of('retraction')) == 1
    assert 'SECRET' not in seen.raw.decode()


async def test_text_that_was_rejected_is_taken_back(client: Client) -> None:
    agent = Agent(ScriptedModel(['It is ', '8.'], ['It is 7.']))

    @agent.output_validator
    def prime(output: str) -> str:
        if '8' in output:
            raise ModelRetry('SECRET: 8 is not a prime')
        return output

    seen = await seen_of(client, lambda: RunStream(agent.run_stream_events('Go')))
    shown = ''
    for frame in seen.frames:
        if frame['type'] == 'retraction':
            assert shown.endswith(frame['text'])
            shown = shown[: len(shown) - len(frame['text'])]
        shown += frame['text'] if frame['type'] == 'text' else ''
    assert shown == 'It is 7.'
    assert 'SECRET' not in seen.raw.decode()


async def test_only_what_is_asked_for_is_sent(client: Client) -> None:
    agent = Agent(ScriptedModel([Thinking('Hm.'), 'A', ToolCall('look')], ['B']))

    @agent.tool_plain
    def look() -> str:
        return 'SECRET'

    seen = await seen_of(client, lambda: RunStream(agent.run_stream_events('Go')), include=('text',))
    assert [frame['type'] for frame in seen.frames] == ['start', 'text', 'text', 'end']


async def test_smoothing_paces_the_text_and_loses_none_of_it(client: Client) -> None:
    words = 'A long line of text that comes all at once. ' * 3
    make = run_of(ScriptedModel([words]))
    seen = await seen_of(client, make, smoothing=Smoothing(max_lag=0.2))
    assert seen.text == words
    assert len(seen.of('text')) > 3


# Every way out


FAILED: list[tuple[str, list[Any], dict[str, Any], str]] = [
    ('fails', ['Kept ', Fail(ModelHTTPError(503, 'SECRET-MODEL', 'SECRET BODY'))], {}, 'failed'),
    ('fails at once', [Fail(ModelHTTPError(503, 'SECRET-MODEL', 'SECRET BODY'))], {}, 'failed'),
    ('is truncated', ['Kept ', EndEarly()], {}, 'truncated'),
    ('stalls', ['Kept ', Stall()], {'deadlines': Deadlines(idle=0.05)}, 'timed_out'),
]


@pytest.mark.parametrize(
    ('steps', 'settings', 'finish'), [case[1:] for case in FAILED], ids=[case[0] for case in FAILED]
)
async def test_a_failure_is_told_under_an_id_and_its_words_stay_in_the_log(
    client: Client,
    caplog: pytest.LogCaptureFixture,
    steps: list[Any],
    settings: dict[str, Any],
    finish: str,
) -> None:
    with caplog.at_level(logging.ERROR):
        seen = await seen_of(client, run_of(ScriptedModel(steps), **settings))
    assert seen.status == 200
    assert seen.last == {'type': 'error', 'finish': finish, 'error_id': seen.last['error_id']}
    assert seen.text == ''.join(step for step in steps if isinstance(step, str))
    assert 'SECRET' not in seen.raw.decode()
    (logged,) = [record for record in caplog.records if record.name.startswith('pydantic_ai_streaming')]
    assert seen.last['error_id'] in logged.getMessage()
    assert logged.exc_info is not None


async def test_a_tool_that_fails_does_not_say_why(client: Client) -> None:
    agent = Agent(ScriptedModel([ToolCall('look')], ['Sorry.']))

    @agent.tool_plain(retries=1)
    def look() -> str:
        raise ModelRetry('SECRET path')

    seen = await seen_of(client, lambda: RunStream(agent.run_stream_events('Go')))
    assert seen.of('tool_call')[-1]['state'] == 'retried'
    assert 'SECRET' not in seen.raw.decode()
    assert seen.last['finish'] == 'complete'


async def test_a_truncated_reply_that_is_kept_ends_well(client: Client) -> None:
    seen = await seen_of(client, run_of(ScriptedModel(['Kept ', EndEarly()]), on_truncation='mark'))
    assert (seen.text, seen.last) == ('Kept ', {'type': 'end', 'finish': 'truncated'})


def steps_of(silent: str) -> list[Any]:
    if silent == 'silent':
        return ['Kept ', Stall()]
    return ['Kept ', *(Text('x', wait=0.005) for _ in range(2000))]


@pytest.mark.parametrize('silent', ['silent', 'talking'])
async def test_a_client_that_goes_away_stops_the_run(client: Client, silent: str) -> None:
    model = ScriptedModel(steps_of(silent))
    async with serving(answering(run_of(model))) as address:
        await see(client, f'http://{address}/answer', enough=lambda seen: bool(seen.text))
        took = await until(lambda: model.requests[0].closed is not None)
        assert took < 0.1
        # A model that talks may be left between two pieces.
        assert model.requests[0].closed in ('cancelled', 'left')
        await until(nothing_goes_on)


async def test_a_client_that_goes_away_leaves_a_turn_that_is_saved(client: Client, tmp_path: Any) -> None:
    agent = Agent(ScriptedModel(['Once upon ', Stall()], ['a time.']))
    async with SQLiteConversationStore(tmp_path / 'chats.db') as store:
        chat = Chat(agent, store, 'story')
        async with serving(answering(lambda: chat.send('A story'))) as address:
            await see(client, f'http://{address}/answer', enough=lambda seen: bool(seen.text))
            await until(nothing_goes_on)
            assert [exchange.interrupted for exchange in chat.exchanges] == [True]
            seen = await see(client, f'http://{address}/answer')
        assert seen.last == {'type': 'end', 'finish': 'complete'}
        other = Chat(agent, store, 'story')
        await other.load()
        assert [exchange.text for exchange in other.exchanges] == ['Once upon ', 'a time.']


class FullStore(InMemoryConversationStore):
    """A store that keeps nothing."""

    async def save(self, *args: Any, **options: Any) -> Any:
        raise StoreError('the disk is full: SECRET', reason='full')


async def test_a_turn_that_cannot_be_saved_after_its_client_has_gone_is_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    chat = Chat(Agent(ScriptedModel(['Kept ', Stall()])), FullStore())
    async with serving(answering(lambda: chat.send('Go'))) as address:
        with caplog.at_level(logging.ERROR):
            await see(client, f'http://{address}/answer', enough=lambda seen: bool(seen.text))
            await until(nothing_goes_on)
    assert 'The disk is full' in caplog.text


async def test_a_turn_that_is_complete_and_cannot_be_saved_is_an_error(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    chat = Chat(Agent(ScriptedModel(['All of it.'])), FullStore())
    with caplog.at_level(logging.ERROR):
        seen = await seen_of(client, lambda: chat.send('Go'))
    assert (seen.text, seen.last['type'], seen.last['finish']) == ('All of it.', 'error', 'complete')
    assert 'SECRET' not in seen.raw.decode()


async def test_the_last_frame_of_a_turn_comes_when_the_turn_is_saved(client: Client) -> None:
    agent = Agent(ScriptedModel(*(['x'] for _ in range(5))))
    chat = Chat(agent)
    async with serving(answering(lambda: chat.send('Go'))) as address:
        for _ in range(5):
            seen = await see(client, f'http://{address}/answer')
            assert seen.last == {'type': 'end', 'finish': 'complete'}
    assert len(chat.exchanges) == 5


async def test_a_busy_chat_is_told_with_an_id_of_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    chat = Chat(Agent(ScriptedModel(['x', Stall()])))
    async with serving(answering(lambda: chat.send('Go'))) as address, chat.send('First'):
        seen = await see(client, f'http://{address}/answer')
    assert [frame['type'] for frame in seen.frames] == ['start', 'error']
    (told,) = [one for one in caplog.records if seen.last['error_id'] in one.message]
    assert told.levelno == logging.WARNING
    assert not [one for one in caplog.records if one.levelno > logging.WARNING], 'the program has done nothing wrong'


async def test_two_clients_have_two_runs(client: Client) -> None:
    model = ScriptedModel(['a ', 'b ', Stall()], ['a ', 'b ', 'c.'])
    async with serving(answering(run_of(model))) as address:
        url = f'http://{address}/answer'
        first = asyncio.create_task(see(client, url, enough=lambda seen: seen.text == 'a b '))
        await until(lambda: len(model.requests) == 1)
        second = await see(client, url)
        assert second.text == 'a b c.'
        assert (await first).text == 'a b '


async def test_a_server_that_shuts_down_ends_its_runs(client: Client) -> None:
    model = ScriptedModel(['Kept ', Stall()])
    reading: asyncio.Task[Seen]
    async with serving(answering(run_of(model))) as address:
        reading = asyncio.create_task(see(client, f'http://{address}/answer'))
        await until(lambda: bool(model.requests))
    await asyncio.wait([reading])
    assert reading.exception() is not None or reading.result().last['type'] != 'end'
    assert model.requests[0].closed == 'cancelled'


# Picked up again


async def test_a_stream_is_picked_up_at_every_frame_without_loss_or_repetition(client: Client) -> None:
    model = ScriptedModel([*WORDS, ToolCall('look', {'where': 'here'}, pieces=4)], WORDS)
    agent = Agent(model)
    calls: list[str] = []

    @agent.tool_plain
    def look(where: str) -> None:
        calls.append(where)

    def make() -> RunStream[Any]:
        return RunStream(agent.run_stream_events('Go'))

    async with LiveStreams() as streams, serving(answering(make, streams=streams)) as address:
        url = f'http://{address}/answer'
        whole = await see(client, url)
        for number, last_id in enumerate(whole.ids[:-1]):
            rest = await see(client, url, last_id=last_id)
            assert rest.frames == whole.frames[number + 1 :]
            assert rest.ids == whole.ids[number + 1 :]
        assert (await see(client, url, last_id=whole.ids[-1])).status == 204
        assert len(model.requests) == 2, 'nobody was asked again'
        assert len(calls) == 1


async def test_a_client_that_is_lost_again_and_again_sees_each_frame_once(client: Client) -> None:
    words = [Text(f'{number} ', wait=0.004) for number in range(60)]
    model = ScriptedModel(words)
    async with LiveStreams() as streams, serving(answering(run_of(model), streams=streams)) as address:
        url = f'http://{address}/answer'
        seen = await see(client, url, enough=lambda seen: len(seen.frames) == 3)
        while seen.last['type'] != 'end':
            more = await see(client, url, last_id=seen.ids[-1], enough=lambda seen: len(seen.frames) == 7)
            seen.frames += more.frames
            seen.ids += more.ids
    assert seen.text == ''.join(word.text for word in words)
    assert [int(one.rpartition(':')[2]) for one in seen.ids] == list(range(len(seen.ids)))
    assert len(model.requests) == 1


async def test_two_clients_read_one_stream(client: Client) -> None:
    model = ScriptedModel([Text(f'{number} ', wait=0.005) for number in range(20)])
    async with LiveStreams() as streams, serving(answering(run_of(model), streams=streams)) as address:
        url = f'http://{address}/answer'
        first = asyncio.create_task(see(client, url))
        await until(lambda: len(streams) == 1)
        (name,) = streams.ids
        second = await see(client, url, last_id=f'{name}:0')
        assert second.frames == (await first).frames[1:]
    assert len(model.requests) == 1


async def test_a_run_goes_on_for_a_while_without_its_client_and_is_then_stopped(client: Client) -> None:
    model = ScriptedModel(['Kept ', Stall()])
    async with LiveStreams(linger=0.15) as streams, serving(answering(run_of(model), streams=streams)) as address:
        seen = await see(client, f'http://{address}/answer', enough=lambda seen: bool(seen.text))
        await asyncio.sleep(0.05)
        assert model.requests[0].closed is None
        await until(lambda: model.requests[0].closed is not None)
        again = await see(client, f'http://{address}/answer', last_id=seen.ids[-1])
        assert again.last == {'type': 'end', 'finish': 'stopped'}
        await until(lambda: len(streams) == 0)
        assert (await see(client, f'http://{address}/answer', last_id=seen.ids[-1])).status == 404


async def test_a_client_that_comes_back_in_time_keeps_the_run(client: Client) -> None:
    model = ScriptedModel(['Kept ', Text('on.', wait=0.5)])
    async with LiveStreams(linger=0.2) as streams, serving(answering(run_of(model), streams=streams)) as address:
        url = f'http://{address}/answer'
        seen = await see(client, url, enough=lambda seen: bool(seen.text))
        again = await see(client, url, last_id=seen.ids[-1])
    assert (again.text, again.last['finish']) == ('on.', 'complete')


async def test_a_stop_from_elsewhere_ends_the_stream_of_whoever_reads_it(client: Client) -> None:
    model = ScriptedModel(['Kept ', Stall()])
    async with LiveStreams() as streams, serving(answering(run_of(model), streams=streams)) as address:
        reading = asyncio.create_task(see(client, f'http://{address}/answer'))
        await until(lambda: len(streams) == 1 and streams.ids and model.requests)
        (name,) = streams.ids
        assert await streams.stop(name)
        assert (await reading).last == {'type': 'end', 'finish': 'stopped'}
        assert not await streams.stop(name)
        assert not await streams.stop('unknown')


@pytest.mark.parametrize('smoothing', [None, Smoothing()])
async def test_a_stop_while_a_tool_runs_tells_all_that_came_and_how_the_call_ended(
    client: Client, smoothing: Smoothing | None
) -> None:
    text = 'A long text that is still being paced when the tool runs. ' * 3
    model = ScriptedModel([text, ToolCall('wait')])
    agent = Agent(model)
    running = asyncio.Event()

    @agent.tool_plain
    async def wait() -> None:
        running.set()
        await asyncio.Event().wait()

    def make() -> RunStream[Any]:
        return RunStream(agent.run_stream_events('Go'))

    async with LiveStreams() as streams, serving(answering(make, streams=streams, smoothing=smoothing)) as address:
        reading = asyncio.create_task(see(client, f'http://{address}/answer'))
        await running.wait()
        assert await streams.stop(streams.ids[0])
        seen = await reading
    assert seen.text == text
    assert seen.of('tool_call')[-1]['state'] == 'unfinished'
    assert seen.last == {'type': 'end', 'finish': 'stopped'}


@pytest.mark.parametrize(
    ('last_id', 'status'),
    [
        ('unknown:3', 404),
        ('nonsense', 400),
        (':', 400),
        ('a:-1', 400),
        ('a:１', 400),
        ('a:1e3', 400),
        ('a:' + '9' * 40, 400),
    ],
)
@pytest.mark.parametrize('lingering', [True, False])
async def test_an_id_of_nothing_starts_nothing(client: Client, last_id: str, status: int, lingering: bool) -> None:
    model = ScriptedModel(['x'])
    settings = {'streams': LiveStreams()} if lingering else {}
    async with serving(answering(run_of(model), **settings)) as address:
        assert (await see(client, f'http://{address}/answer', last_id=last_id.encode())).status == status
    assert model.requests == []


async def test_an_offset_beyond_the_end_is_no_offset(client: Client) -> None:
    async with LiveStreams() as streams, serving(answering(run_of(ScriptedModel(['x'])), streams=streams)) as address:
        seen = await see(client, f'http://{address}/answer')
        stream_id = seen.frames[0]['stream']
        assert (await see(client, f'http://{address}/answer', last_id=f'{stream_id}:99')).status == 400


# Time and memory


async def test_a_silent_model_does_not_let_the_connection_die(client: Client) -> None:
    model = ScriptedModel(['a', Text('b', wait=0.35)])
    seen = await seen_of(client, run_of(model), keep_alive=0.1)
    assert 2 <= seen.raw.count(b': keep-alive\n\n') <= 4
    assert seen.text == 'ab'


async def test_a_keep_alive_of_the_provider_is_none_of_ours(client: Client) -> None:
    model = ScriptedModel(['a', *(KeepAlive(wait=0.02) for _ in range(10)), 'b'])
    seen = await seen_of(client, run_of(model), keep_alive=0.1)
    assert seen.raw.count(b': keep-alive') >= 1


class SlowClient:
    """A client of ASGI that takes one piece of the body and then no more, until it is let go."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.gone = asyncio.Event()
        self.body = b''
        self.pieces = 0

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {'type': 'http.disconnect'}

    async def send(self, message: Any) -> None:
        if message['type'] == 'http.response.body':
            if self.pieces:
                await self.go_on.wait()
            self.pieces += 1
            self.body += message['body']


SCOPE: dict[str, Any] = {'type': 'http', 'headers': []}


@pytest.mark.virtual_time
async def test_a_slow_client_does_not_hold_up_the_model() -> None:
    model = ScriptedModel([f'{number} ' for number in range(1000)], gap=0.001)
    slow = SlowClient()
    agent = Agent(model)
    serving = asyncio.create_task(SSEResponse(RunStream(agent.run_stream_events('Go')))(SCOPE, slow.receive, slow.send))
    await asyncio.sleep(1.5)
    assert model.requests[0].closed == 'complete'
    assert not serving.done()
    slow.go_on.set()
    await serving
    assert slow.pieces < 20, 'who lags behind catches up in large steps'
    assert slow.body.count(b'"type":"text"') == 1000


@pytest.mark.virtual_time
@pytest.mark.parametrize('how', ['goes', 'cancelled'])
async def test_a_client_that_never_reads_and_goes_leaves_nothing(how: Literal['goes', 'cancelled']) -> None:
    model = ScriptedModel(['a', 'b', Stall()])
    slow = SlowClient()
    agent = Agent(model)
    serving = asyncio.create_task(SSEResponse(RunStream(agent.run_stream_events('Go')))(SCOPE, slow.receive, slow.send))
    await asyncio.sleep(1)
    if how == 'goes':
        slow.gone.set()
    else:
        serving.cancel()
    await asyncio.wait([serving])
    assert serving.cancelled() == (how == 'cancelled')
    assert model.requests[0].closed == 'cancelled'


@pytest.mark.virtual_time
async def test_comments_come_every_15_seconds_of_silence() -> None:
    model = ScriptedModel(['a', Text('b', wait=50)])
    client = SlowClient()
    client.go_on.set()
    agent = Agent(model)
    await SSEResponse(RunStream(agent.run_stream_events('Go')))(SCOPE, client.receive, client.send)
    assert client.body.count(b': keep-alive') == 3


@pytest.mark.virtual_time
async def test_a_server_that_says_that_the_client_has_gone_by_an_oserror() -> None:
    model = ScriptedModel(['a', 'b', Stall()])
    agent = Agent(model)

    async def send(message: Any) -> None:
        if message['type'] == 'http.response.body':
            await asyncio.sleep(1)
            raise OSError

    await SSEResponse(RunStream(agent.run_stream_events('Go')))(SCOPE, SlowClient().receive, send)
    assert model.requests[0].closed == 'cancelled'


# Misuse


async def test_a_stream_that_was_entered_is_refused() -> None:
    streams = LiveStreams()
    async with RunStream(Agent(ScriptedModel(['x'])).run_stream_events('Go')) as stream:
        with pytest.raises(StreamUsageError, match='entered already'):
            streams.start(stream)


def test_settings_that_cannot_be() -> None:
    source = RunStream(Agent(ScriptedModel(['x'])).run_stream_events('Go'))
    with pytest.raises(ValueError, match='keep_alive'):
        SSEResponse(source, keep_alive=0)
    with pytest.raises(ValueError, match='linger'):
        LiveStreams(linger=-1)
    with pytest.raises(ValueError, match='texts'):
        LiveStreams().start(source, include=('texts',))  # pyright: ignore[reportArgumentType] - the mistake
