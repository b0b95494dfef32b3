"""A log that a program closes while streams of it are followed: what each kind of client gets, and who goes on."""

from __future__ import annotations

import asyncio
import json

import pytest
from pydantic_ai import Agent
from starlette.types import Message

from pydantic_ai_streaming import LogClosed, RunStream
from pydantic_ai_streaming.logs import MemoryBackend, MemoryLog, StreamLog
from pydantic_ai_streaming.serve import AISDK, Frames, StreamRunner, durable_streams
from pydantic_ai_streaming.serve.following import FollowResponse
from pydantic_ai_streaming.serve.refused import refusal_of
from pydantic_ai_streaming.testing import ScriptedModel
from tests.serve import test_following, test_session
from tests.serve.durable.calls import ask, begin
from tests.serve.test_workflow_steps import Engine, Worker, frames, workflow

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

TEXT = b'{"type":"text","text":"one"}'


class Counted(MemoryBackend):
    opened = 0

    async def open(self) -> None:
        self.opened += 1


def notes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log of the program has, none of it with a traceback."""
    assert not [one for one in caplog.records if one.exc_info]
    return [one.getMessage().partition(': The log was closed here')[0] for one in caplog.records]


@pytest.mark.parametrize('takes', [0.0, 5.0], ids=['waits', 'is sent something'])
@pytest.mark.parametrize('format', [Frames(), AISDK()])
async def test_a_body_of_events_breaks_off_as_one_that_is_not_over(
    format: Frames | AISDK,  # noqa: A002 - as elsewhere
    takes: float,
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = Counted()
    async with StreamLog(backend) as log:
        producer, client = await log.create('a'), test_following.Connection(takes)
        ended: list[bool] = []

        async def send(message: Message) -> None:
            ended.append(message.get('more_body') is False)
            await client.send(message)

        response = FollowResponse(await log.follow('a'), 'a', format)
        serving = asyncio.create_task(response({'type': 'http'}, client.receive, send))
        await asyncio.sleep(1)
        await producer.append([format.mark + TEXT])
        await asyncio.sleep(1)
        await log.close()
        await serving
    body = b''.join(piece for _, piece in client.sent)
    assert body.count(TEXT) == 1
    assert b'end' not in body
    assert b'error' not in body
    assert not any(ended), 'a useChat would take it for the whole answer'
    assert notes(caplog) == ['Stream a: a client that was at 1 is cut off']
    assert backend.opened == 1


async def test_a_websocket_is_closed_with_the_word_to_try_again(caplog: pytest.LogCaptureFixture) -> None:
    log = MemoryLog()
    async with log:
        producer, client = await log.create('a'), test_session.Connection()
        closed: list[int] = []
        send = client.send

        async def sent(message: Message) -> None:
            if message['type'] == 'websocket.close':
                closed.append(message['code'])
                client.say('websocket.disconnect', code=1000)
            await send(message)

        client.send = sent
        client.say('follow', stream='a', offset=0)
        serving = asyncio.create_task(client.serve(log))
        await asyncio.sleep(1)
        await producer.append([TEXT])
        await asyncio.sleep(1)
        await log.close()
        await serving
    assert [told['frames'] for _, told in client.heard] == [[json.loads(TEXT)]]
    assert closed == [1013]
    assert notes(caplog) == ['Stream a: a client that was at 1 is cut off']


async def test_clients_of_durable_streams_are_told_to_come_again(caplog: pytest.LogCaptureFixture) -> None:
    backend = Counted()
    async with StreamLog(backend) as log:
        app = durable_streams(log, writable=True)
        await ask(app, 'PUT', '/s', '[1]', {'stream-ttl': '60'})
        events, slow = [begin(app, 'GET', '/s?offset=-1&live=sse') for _ in range(2)]
        await slow.came.wait()
        slow.reading.clear()
        await ask(app, 'POST', '/s', '2')
        poll = begin(app, 'GET', '/s?offset=now&live=long-poll')
        await asyncio.sleep(1)
        await log.close()
        await asyncio.sleep(25)  # by then, a stream that is read would have been kept alive
        slow.reading.set()
        await asyncio.gather(poll.done(), events.done(), slow.done())
    assert (poll.status, poll.headers['retry-after']) == (503, '1')
    for one in (events, slow):
        assert one.said == '[1][2]'
        assert [name for name, _ in one.events] == ['data', 'control'] * 2
        assert 'streamClosed' not in one.last
    assert notes(caplog) == []
    assert backend.opened == 1


async def test_a_run_is_not_taken_for_stopped(caplog: pytest.LogCaptureFixture) -> None:
    agent = Agent(ScriptedModel(['word '] * 20, gap=0.1))
    async with StreamRunner(StreamLog(MemoryBackend()), formats=[Frames(['text'])]) as runner:
        stream_id = await runner.start(RunStream(agent.run_stream_events('Go')))
        await asyncio.sleep(0.55)
        await runner.log.close()
        found = [entry async for part in await runner.log.follow(stream_id) for entry in part.entries]
    assert json.loads(found[-1]) == {'type': 'end', 'finish': 'complete'}
    assert notes(caplog) == []


async def test_a_workflow_is_not_taken_for_stopped(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine()
    worker = Worker(MemoryBackend(), cancel=engine.cancel)
    running = asyncio.create_task(workflow(worker, '1'))
    await asyncio.sleep(1.05)
    await worker.streams.log.close()
    await running
    assert engine.cancelled == []
    assert (await frames(worker.streams.log))[-1] == {'type': 'end', 'finish': 'complete'}
    await worker.streams.close()
    assert notes(caplog) == []


async def test_who_waits_for_the_end_of_a_stopped_workflow_opens_no_log_again() -> None:
    backend = Counted()
    engine = Engine()
    worker = Worker(backend, cancel=engine.cancel)
    async with StreamLog(backend, lease=1000) as other:
        await other.create('flow')
        stopping = asyncio.create_task(worker.streams.stop('flow'))
        await asyncio.sleep(1.05)
        await worker.streams.close()
        async with asyncio.timeout(5):
            with pytest.raises(LogClosed):
                await stopping
    assert (engine.cancelled, backend.opened) == (['flow'], 2)


def test_a_request_that_meets_a_closed_log_is_told_to_come_again() -> None:
    refused = refusal_of(LogClosed())
    assert (refused.status, refused.error, refused.message) == (
        503,
        'unavailable',
        'This server is ending: ask again.',
    )
