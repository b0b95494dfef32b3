"""Clients that do not read, do not go on or are gone: the others do not notice, and memory has a bound."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from tests.logs.places import LogPlace
from tests.serve.chaos.checker import Told, defects
from tests.serve.chaos.viewers import Viewer, start_run
from tests.serve.chaos.workers import Worker, working

SIZE = 20_000
"""Characters of a word that is to fill buffers."""


@pytest.fixture
async def worker(place: LogPlace, tmp_path: Path) -> AsyncIterator[Worker]:
    async with working(place, tmp_path, workers=1, lease=5.0) as (worker,):
        yield worker


async def connected(worker: Worker, request: str) -> socket.socket:
    """A client that sends this, and nothing after it, and never reads."""
    one = socket.socket()
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(one, ('127.0.0.1', worker.port))
    await loop.sock_sendall(one, request.encode())
    return one


async def by_web_socket(worker: Worker, stream: str) -> socket.socket:
    """The same, over a WebSocket."""
    fields = 'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ' + 'A' * 22
    one = await connected(worker, f'GET /runs/ws HTTP/1.1\r\nhost: localhost\r\n{fields}==\r\n\r\n')
    loop = asyncio.get_running_loop()
    assert b' 101 ' in await loop.sock_recv(one, 1000)
    message = json.dumps({'type': 'follow', 'stream': stream, 'offset': 0}).encode()
    await loop.sock_sendall(one, bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message)
    return one


async def watch(worker: Worker, stream: str, words: int) -> Viewer:
    """See a stream to its end, and that nothing is wrong with it."""
    viewer = Viewer(Random(1), lambda: [worker.port], None, 10.0)
    await viewer.watch(stream)
    entries = [event.data for event in viewer.seen]
    assert defects([Told(stream, entries, words, [viewer.seen])], within=0) == []
    assert '"complete"' in entries[-1]
    return viewer


@pytest.mark.parametrize('late', [False, True], ids=['from the beginning', 'when it is all there'])
async def test_viewers_that_read_nothing_delay_nobody_and_take_little_memory(worker: Worker, late: bool) -> None:
    words, slow = 400, 50  # 8 MB
    how = {'words': words, 'gap': 0.005, 'author': 'x' * SIZE}
    stream = await start_run(lambda: [worker.port], 'big', **how)
    if late:
        await watch(worker, stream, words)
    _, before = await worker.state()
    with ExitStack() as opened:
        for _ in range(slow // 2):
            opened.enter_context(await connected(worker, f'GET /runs/{stream} HTTP/1.1\r\nhost: localhost\r\n\r\n'))
            opened.enter_context(await by_web_socket(worker, stream))
        await watch(worker, stream, words)
        running, after = await worker.state()
    assert running == []
    # Less than 2 MB of the 8 for each of them, with all that the run itself has taken, and what the allocator keeps.
    assert after - before < slow * 2**21


@pytest.mark.parametrize('place', ['memory'], indirect=True)
async def test_a_thousand_connections_that_do_not_go_on_leave_the_others_unharmed(worker: Worker) -> None:
    words, count = 60, 1000
    stream = await start_run(lambda: [worker.port], 'one', words=words, gap=0.05)
    whole = f'GET /runs/{stream} HTTP/1.1\r\nhost: localhost\r\n\r\n'
    fields = 'host: localhost\r\ncontent-type: application/json\r\ncontent-length: 100'
    body = f'POST /runs/ HTTP/1.1\r\n{fields}\r\n\r\n{{"prompt": '
    _, before = await worker.state()
    with ExitStack() as opened:
        for number in range(count):
            request = ('', whole[:20], body, whole)[number % 4]
            opened.enter_context(await connected(worker, request))
        others = await asyncio.gather(*(watch(worker, stream, words) for _ in range(20)))
        assert all(one.seen == others[0].seen for one in others)
        another = await start_run(lambda: [worker.port], 'another', words=5, gap=0.01)
        await watch(worker, another, 5)
        running, after = await worker.state()
    assert running == []
    assert after - before < count * 2**15
    # They go away, and it goes on.
    await watch(worker, await start_run(lambda: [worker.port], 'last', words=5, gap=0.01), 5)


@pytest.mark.parametrize('place', ['memory'], indirect=True)
async def test_bodies_that_do_not_end_take_no_more_memory_than_they_may_together(worker: Worker) -> None:
    size, count = 2**20, 250
    fields = f'host: localhost\r\ncontent-type: application/json\r\ncontent-length: {size}'
    body = f'POST /runs/ HTTP/1.1\r\n{fields}\r\n\r\n'
    _, before = await worker.state()
    with ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(await connected(worker, body + ' ' * (size - 1)))
        await watch(worker, await start_run(lambda: [worker.port], 'one', words=20, gap=0.01), 20)
        _, after = await worker.state()
    # It is 64 MiB of theirs, and what the server itself holds of each; without a bound, all of them.
    assert after - before < 64 * 2**20 + count * 2**19
    await watch(worker, await start_run(lambda: [worker.port], 'last', words=5, gap=0.01), 5)
