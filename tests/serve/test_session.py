"""A client of a WebSocket that is slow, dead or wanting, in virtual time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic_ai import Agent
from starlette.websockets import WebSocket

from pydantic_ai_streaming.logs import Head, MemoryLog
from pydantic_ai_streaming.serve import Asked, Frames, StreamRunner
from pydantic_ai_streaming.serve.session import Session
from pydantic_ai_streaming.testing import ScriptedModel

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

TEXT = b'{"type":"text","text":"one"}'


class Routes:
    """Those of a server with one agent, where every stream is everybody's."""

    longest = 100

    def __init__(self, log: MemoryLog) -> None:
        self.runner = StreamRunner(log, formats=[Frames(['text'])])
        self.agent = Agent(ScriptedModel(['one']))

    async def begin(self, asked: Asked, format_name: str, /) -> str:
        raise NotImplementedError

    async def owned(self, stream_id: str, owner: str | None, /) -> Head:
        return await self.runner.log.head(stream_id)


class Connection:
    """An ASGI server with one client, which takes so many seconds for each message, and is sent to at one place."""

    def __init__(self, takes: float = 0.0) -> None:
        self.takes = takes
        self.says: asyncio.Queue[Any] = asyncio.Queue()
        self.heard: list[tuple[float, Any]] = []
        self._one = asyncio.Lock()
        self.say('websocket.connect')

    async def send(self, message: Any) -> None:
        if 'text' in message:
            async with self._one:
                await asyncio.sleep(self.takes)
                self.heard.append((round(now(), 3), json.loads(message['text'])))

    async def receive(self) -> Any:
        said = await self.says.get()
        return said if said['type'].startswith('websocket') else {'type': 'websocket.receive', 'text': json.dumps(said)}

    def say(self, kind: str, **more: Any) -> None:
        self.says.put_nowait({'type': kind, **more})

    async def serve(self, log: MemoryLog, **settings: Any) -> float:
        """Serve it, until it goes or is given up: when that was."""
        scope: dict[str, Any] = {'type': 'websocket', 'path': '/ws', 'headers': []}
        websocket = WebSocket(scope, self.receive, self.send)
        await websocket.accept()
        await Session(websocket, Routes(log), None, **settings).serve()
        return round(now(), 3)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_client_that_takes_nothing_is_given_up_and_one_that_is_slow_is_not() -> None:
    async with MemoryLog(lease=1000) as log:
        producer, began = await log.create('a'), now()
        dead, slow = Connection(takes=1e9), Connection(takes=0.9)
        serving = [asyncio.create_task(one.serve(log, patience=1.0)) for one in (dead, slow)]
        for one in (dead, slow):
            one.say('follow', stream='a', offset=0)
        await asyncio.sleep(5)  # nobody is given up because there is nothing to be sent
        await producer.append([TEXT])
        assert await serving[0] == began + 6
        for _ in range(5):
            await producer.append([TEXT])
            await asyncio.sleep(0.3)
        await asyncio.sleep(5)
        assert not serving[1].done()
        assert sum(len(message['frames']) for _, message in slow.heard) == 6
        slow.say('websocket.disconnect', code=1000)
        await serving[1]
        await producer.close()


async def test_a_client_that_talks_and_never_listens_is_given_up_too() -> None:
    async with MemoryLog(lease=1000) as log:
        began, client = now(), Connection(takes=1e9)
        for _ in range(10):
            client.say('nonsense')
        assert await client.serve(log, patience=1.0) == began + 1


async def test_a_client_that_goes_over_to_another_stream_in_the_middle_of_a_message_is_there_still() -> None:
    async with MemoryLog(lease=1000) as log:
        producers = [await log.create(name) for name in ('a', 'b')]
        client = Connection(takes=0.5)
        serving = asyncio.create_task(client.serve(log, patience=1.0))
        await producers[0].append([TEXT])
        client.say('follow', stream='a', offset=0)
        await asyncio.sleep(0.2)
        client.say('follow', stream='b', offset=0)
        await asyncio.sleep(5)
        await producers[1].append([TEXT])
        await asyncio.sleep(5)
        assert not serving.done()
        assert [message['stream'] for _, message in client.heard] == ['b']
        client.say('websocket.disconnect', code=1000)
        await serving
        for one in producers:
            await one.close()


@pytest.mark.parametrize('offset', [True, -1, 1.0, '0', None, 10**30])
async def test_an_offset_that_is_none_is_refused(offset: Any) -> None:
    async with MemoryLog(lease=1000) as log:
        producer, client = await log.create('a'), Connection()
        await producer.append([TEXT])
        client.say('follow', stream='a', offset=offset)
        client.say('websocket.disconnect', code=1000)
        await client.serve(log)
        ((_, told),) = client.heard
        assert (told['type'], told['error']) == ('refused', 'offset_beyond' if offset == 10**30 else 'malformed')
        await producer.close()
