"""Bodies that do not end: all together they have a bound, and what is given up gives its room back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pydantic_ai import Agent
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message

from pydantic_ai_streaming.logs import MemoryLog
from pydantic_ai_streaming.serve import (
    AISDK,
    DurableStreamsLimits,
    Frames,
    StreamRunner,
    durable_streams,
    stream_router,
)
from pydantic_ai_streaming.serve.limits import declared
from pydantic_ai_streaming.testing import ScriptedModel
from tests.serve.durable.calls import ask

pytestmark = pytest.mark.virtual_time

LARGEST, TOGETHER = 1000, 3000
SHORT = json.dumps({'prompt': 'Go'}).encode()
HELD = 750
REST = SHORT.rjust(LARGEST - HELD)


class Sending:
    """A request whose body is sent by hand."""

    def __init__(self, app: ASGIApp, path: str, *, length: int | None = None) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b''
        self.asked = 0
        self._coming = asyncio.Queue[Message]()
        headers = [(b'content-type', b'application/json')]
        if length is not None:
            headers.append((b'content-length', str(length).encode()))
        scope: dict[str, Any] = {
            'type': 'http',
            'method': 'POST',
            'scheme': 'http',
            'path': path,
            'root_path': '',
            'query_string': b'',
            'headers': headers,
            'server': ('test', 80),
        }
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        self.asked += 1
        return await self._coming.get()

    async def _send(self, message: Message) -> None:
        if message['type'] == 'http.response.start':
            self.status = message['status']
            self.headers = {name.decode(): value.decode() for name, value in message['headers']}
        else:
            self.body += message.get('body', b'')

    async def send(self, piece: bytes, *, more: bool = True) -> Sending:
        """Send a piece, and let the application take it."""
        self._coming.put_nowait({'type': 'http.request', 'body': piece, 'more_body': more})
        await asyncio.sleep(0.001)
        return self

    async def answered(self) -> int:
        """Wait for the answer; its status."""
        await self.task
        return self.status

    async def leave(self) -> None:
        """Close the connection."""
        self._coming.put_nowait({'type': 'http.disconnect'})
        await self.task


class Place:
    """Where bodies go: an address of an application, and the status of what is well."""

    def __init__(self, app: ASGIApp, path: str, done: int) -> None:
        self.app, self.path, self.done = app, path, done

    def begin(self, *, length: int | None = LARGEST) -> Sending:
        return Sending(self.app, self.path, length=length)

    async def hold(self, size: int) -> Sending:
        """A client that sends so much, and not the rest."""
        return await self.begin().send(b' ' * size)

    async def fill(self) -> list[Sending]:
        """Clients that leave no room for another byte."""
        return [await self.hold(HELD) for _ in range(TOGETHER // HELD)]

    async def two_pieces(self) -> int:
        """The status of what comes in two pieces."""
        sending = await self.begin(length=len(SHORT) + 1).send(b' ')
        return await (await sending.send(SHORT, more=False)).answered()


@pytest.fixture(params=['frames', 'ai-sdk', 'durable'])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    log = MemoryLog()
    runner = StreamRunner(log, formats=[Frames(), AISDK()], grace=0)
    agent = Agent(ScriptedModel(['Yes.'], loop=True))
    limits = DurableStreamsLimits(body=LARGEST, unfinished=TOGETHER)
    streams = durable_streams(log, writable=True, limits=limits)
    runs = stream_router(runner, agent, largest_body=LARGEST, unfinished_bodies=TOGETHER)
    async with runner:
        await ask(streams, 'PUT', '/s')
        match request.param:
            case 'durable':
                yield Place(streams, '/s', 204)
            case 'ai-sdk':
                yield Place(runs, '/ai-sdk', 400)  # it is read, and is another client's
            case _:
                yield Place(runs, '/', 201)


async def test_bodies_that_do_not_go_on_have_a_bound_together_and_short_ones_go_through(place: Place) -> None:
    held = await place.fill()
    assert [one.status for one in held] == [0] * 4, 'they are waited for'
    refused = await place.begin(length=len(SHORT) + 1).send(b' ')
    assert await (await refused.send(SHORT, more=False)).answered() == 503
    assert refused.headers['retry-after'] == '1'
    if place.path != '/s':
        assert json.loads(refused.body) == {'error': 'busy', 'message': 'As much of other bodies is kept as can.'}
    whole = await place.begin(length=len(SHORT)).send(SHORT, more=False)
    assert await whole.answered() == place.done
    # Those that were there before are not harmed.
    assert await (await held[0].send(REST, more=False)).answered() == place.done
    assert await place.two_pieces() == place.done
    for one in held[1:]:
        await one.leave()


async def test_a_body_that_does_not_say_its_length_counts_too(place: Place) -> None:
    held = await place.fill()
    one = await place.begin(length=None).send(b' ')
    assert await (await one.send(SHORT, more=False)).answered() == 503
    for one in held:
        await one.leave()


async def done(one: Sending) -> None:
    assert await (await one.send(REST, more=False)).answered() < 500


async def gone(one: Sending) -> None:
    await one.leave()


async def too_late(one: Sending) -> None:
    assert await one.answered() == 408
    assert one.headers['connection'] == 'close'


async def too_large(one: Sending) -> None:
    assert await (await one.send(b' ' * LARGEST, more=False)).answered() == 413


async def cancelled(one: Sending) -> None:
    one.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await one.task


@pytest.mark.parametrize('way_out', [done, gone, too_late, too_large, cancelled])
async def test_what_is_over_gives_its_room_back(place: Place, way_out: Callable[[Sending], Awaitable[None]]) -> None:
    for _ in range(3):
        for one in await place.fill():
            await way_out(one)
    held = await place.fill()
    assert await place.two_pieces() == 503, 'nothing is given back twice'
    for one in held:
        await one.leave()
    assert await place.two_pieces() == place.done


async def test_what_is_refused_keeps_nothing_of_the_room_also_while_the_rest_of_it_comes(place: Place) -> None:
    for _ in range(3):
        held = [await place.hold(950) for _ in range(3)]  # there is room for 150
        refused = await (await place.hold(100)).send(b' ' * 100)
        another = await place.hold(140)
        assert await (await another.send(SHORT.rjust(LARGEST - 140), more=False)).answered() == place.done
        assert await (await refused.send(SHORT, more=False)).answered() == 503
        for one in held:
            await one.leave()


async def test_what_says_that_it_is_too_large_is_refused_before_it_is_read(place: Place) -> None:
    one = place.begin(length=LARGEST + 1)
    assert await one.answered() == 413
    assert one.asked == 0


@pytest.mark.parametrize('length', [b'', b'-1', b'+5', b' ', b'1_0', '٣'.encode(), b'9' * 5000])
async def test_what_is_no_length_is_none(length: bytes) -> None:
    assert declared(Headers(raw=[(b'content-length', length)])) is None


async def test_one_body_of_the_largest_size_has_room_whatever_the_bound_is() -> None:
    runner = StreamRunner(MemoryLog(), formats=[Frames()], grace=0)
    agent = Agent(ScriptedModel(['Yes.'], loop=True))
    async with runner:
        place = Place(stream_router(runner, agent, largest_body=LARGEST, unfinished_bodies=1), '/', 201)
        one = await place.hold(LARGEST - len(SHORT))
        assert await (await one.send(SHORT, more=False)).answered() == 201
    with pytest.raises(ValueError, match='unfinished_bodies=0: use 1 or more'):
        stream_router(runner, agent, unfinished_bodies=0)
