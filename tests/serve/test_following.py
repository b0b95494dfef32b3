"""A client of a stream that is silent, slow or gone, in virtual time: what it is told, and when it is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from pydantic_ai_streaming.logs import MemoryBackend, MemoryLog, Slice, StreamLog, Wanted, tail
from pydantic_ai_streaming.serve import Frames
from pydantic_ai_streaming.serve.following import FollowResponse

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

TEXT = b'{"type":"text","text":"one"}'


class Connection:
    """An ASGI server with one client, which takes so many seconds for each piece."""

    def __init__(self, takes: float = 0.0) -> None:
        self.takes = takes
        self.sent: list[tuple[float, bytes]] = []
        self.gone = asyncio.Event()
        self.began = asyncio.get_running_loop().time()

    async def send(self, message: Any) -> None:
        if body := message.get('body'):
            await asyncio.sleep(self.takes)
            self.sent.append((round(asyncio.get_running_loop().time() - self.began, 3), body))

    async def receive(self) -> Any:
        await self.gone.wait()
        return {'type': 'http.disconnect'}

    @property
    def comments(self) -> list[float]:
        return [at for at, body in self.sent if body == b': keep-alive\n\n']

    @property
    def pieces(self) -> list[float]:
        return [at for at, body in self.sent if b'"one"' in body]


async def response(log: StreamLog, *, keep_alive: float = 15.0, patience: float = 30.0) -> FollowResponse:
    return FollowResponse(await log.follow('a'), 'a', Frames(), keep_alive=keep_alive, patience=patience)


async def follow(one: FollowResponse, client: Connection) -> None:
    await one({'type': 'http'}, client.receive, client.send)


async def test_a_silence_is_filled_each_time_it_has_lasted_and_counted_anew_after_a_piece() -> None:
    async with MemoryLog() as log:
        producer, client = await log.create('a'), Connection()
        following = asyncio.create_task(follow(await response(log, keep_alive=2.0), client))
        await asyncio.sleep(5.5)
        await producer.append([TEXT])
        await asyncio.sleep(2.25)
        await producer.close([TEXT])
        await following
        assert client.comments == [2.0, 4.0, 7.5]
        assert client.pieces == [5.5, 7.75]


@pytest.mark.parametrize('keep_alive', [0.3, 15.0])
async def test_a_client_that_does_not_take_a_piece_is_given_up_and_one_that_is_slow_is_not(keep_alive: float) -> None:
    async with MemoryLog() as log:
        producer = await log.create('a')
        slow, dead = Connection(takes=0.9), Connection(takes=1.1)
        began = asyncio.get_running_loop().time()
        ended: list[float] = []

        async def until_given_up() -> None:
            await follow(await response(log, keep_alive=keep_alive, patience=1.0), dead)
            ended.append(round(asyncio.get_running_loop().time() - began, 3))

        given_up = asyncio.create_task(until_given_up())
        following = asyncio.create_task(follow(await response(log, patience=1.0), slow))
        await asyncio.sleep(0.2)
        await producer.append([TEXT])
        await asyncio.sleep(0.2)
        await producer.close([TEXT])
        await asyncio.gather(given_up, following)
        assert (ended, dead.sent) == ([1.2], [])
        assert b''.join(body for _, body in slow.sent).count(TEXT) == 2


class SlowToRead(MemoryBackend):
    """Older entries take their time."""

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        await asyncio.sleep(60)
        return await super().fetch(wanted)


async def test_a_client_is_not_given_up_because_the_log_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, 'WINDOW', 1)
    async with StreamLog(SlowToRead(), lease=1000) as log:
        producer, client = await log.create('a'), Connection(takes=0.1)
        following = asyncio.create_task(follow(await response(log, patience=1.0), client))
        await asyncio.sleep(0.1)
        await producer.append([TEXT])
        await asyncio.sleep(0.05)
        # While the first one is sent, the others fall out of what is kept at hand.
        await producer.close([TEXT, TEXT, TEXT])
        await following
        assert client.sent[-1][0] > 60
        assert b''.join(body for _, body in client.sent).count(TEXT) == 4


async def test_who_follows_a_busy_stream_sets_no_timer_for_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    async with MemoryLog(lease=1000) as log:
        producer, client = await log.create('a'), Connection()
        following = asyncio.create_task(follow(await response(log), client))
        loop, timers = asyncio.get_running_loop(), 0
        call_at = loop.call_at

        def counted(*args: Any, **named: Any) -> asyncio.TimerHandle:
            nonlocal timers
            timers += 1
            return call_at(*args, **named)

        monkeypatch.setattr(loop, 'call_at', counted)
        for _ in range(100):
            await producer.append([TEXT])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert timers <= 2
        await producer.close()
        await following


async def test_nothing_is_left_of_those_who_have_gone_from_a_silent_stream() -> None:
    async with MemoryLog() as log:
        producer = await log.create('a')
        clients = [Connection() for _ in range(3)]
        following = [asyncio.create_task(follow(await response(log), client)) for client in clients]
        await asyncio.sleep(1)
        before = len(producer.tail._watchers)  # pyright: ignore[reportPrivateUsage]
        for client in clients[:2]:
            client.gone.set()
        await asyncio.gather(*following[:2])
        assert (before, len(producer.tail._watchers)) == (3, 1)  # pyright: ignore[reportPrivateUsage]
        following[2].cancel()
        with pytest.raises(asyncio.CancelledError):
            await following[2]
        assert len(producer.tail._watchers) == 0  # pyright: ignore[reportPrivateUsage]
        await producer.close()
