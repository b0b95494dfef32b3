"""The clock jumps when it may, stands still when it must, and never hangs."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

import anyio
import anyio.to_thread
import pytest
from inline_snapshot import snapshot

from pydantic_ai_streaming.testing import DeadlockError, VirtualTimeLoop, virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_timers_fire_in_order_at_their_own_time(virtual_time: object) -> None:
    timeline: list[tuple[float, str]] = []

    async def tick(name: str, *, every: float) -> None:
        for _ in range(3):
            await asyncio.sleep(every)
            timeline.append((now(), name))

    await asyncio.gather(tick('slow', every=0.3), tick('fast', every=0.1))
    assert timeline == snapshot(
        [(0.1, 'fast'), (0.2, 'fast'), (0.3, 'slow'), (0.3, 'fast'), (0.6, 'slow'), (0.9, 'slow')]
    )


def test_a_year_passes_at_once() -> None:
    started = time.perf_counter()

    async def year() -> float:
        await asyncio.sleep(365 * 86_400)
        return now()

    assert virtual_time.run(year(), limit=math.inf) == 365 * 86_400
    assert time.perf_counter() - started < 1


async def out_of_asyncio() -> None:
    async with asyncio.timeout(30):
        await asyncio.sleep(60)


async def out_of_anyio() -> None:
    with anyio.fail_after(30):
        await anyio.sleep(60)


@pytest.mark.parametrize('run_out', [out_of_asyncio, out_of_anyio])
async def test_deadlines_of_asyncio_and_anyio_follow_the_clock(
    virtual_time: object, run_out: Callable[[], Awaitable[None]]
) -> None:
    with pytest.raises(TimeoutError):
        await run_out()
    assert now() == 30


async def in_asyncio() -> None:
    await asyncio.to_thread(time.sleep, 0.05)


async def in_anyio() -> None:
    await anyio.to_thread.run_sync(time.sleep, 0.05)


async def in_a_new_pool() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        await asyncio.get_running_loop().run_in_executor(pool, time.sleep, 0.05)


async def in_a_bare_thread() -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    assert isinstance(loop, VirtualTimeLoop)

    def work() -> None:
        time.sleep(0.05)
        loop.call_soon_threadsafe(done.set)

    with loop.hold_clock():
        threading.Thread(target=work).start()
        await done.wait()


@pytest.mark.parametrize('work', [in_asyncio, in_anyio, in_a_new_pool, in_a_bare_thread])
async def test_the_clock_never_jumps_over_a_working_thread(
    virtual_time: object, work: Callable[[], Awaitable[None]]
) -> None:
    async with asyncio.timeout(5):
        await work()
    assert now() == 0
    await asyncio.sleep(1)  # and it moves again afterwards, although the pools keep their threads
    assert now() == 1


async def test_a_bare_thread_wakes_a_loop_without_timers(virtual_time: object) -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    threading.Timer(0.05, lambda: loop.call_soon_threadsafe(done.set)).start()
    await done.wait()
    assert now() == 0


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        await asyncio.sleep(10)
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_sockets_work_and_the_time_between_their_bytes_is_virtual(virtual_time: object) -> None:
    timeline: list[tuple[float, bytes]] = []
    async with await asyncio.start_server(echo, '127.0.0.1', 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for line in (b'one\n', b'two\n'):
            writer.write(line)
            timeline.append((now(), await reader.readline()))
            timeline.append((now(), b'seen'))
        writer.close()
        await writer.wait_closed()
    assert timeline == snapshot([(0.0, b'one\n'), (10.0, b'seen'), (10.0, b'two\n'), (20.0, b'seen')])


async def silent_socket(then: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        waiting = asyncio.create_task(loop.sock_recv(ours, 1))
        await asyncio.sleep(0)
        sender = threading.Timer(0.2, theirs.send, (b'x',))
        sender.start()
        try:
            await then()
            assert not waiting.done()
            await waiting
        finally:
            sender.join()


def test_a_socket_that_stays_silent_is_jumped_over_after_its_patience() -> None:
    async def sleep() -> None:
        await asyncio.sleep(3600)
        assert now() == 3600

    virtual_time.run(silent_socket(sleep), io_patience=0.01)


def test_infinite_patience_keeps_a_timer_behind_a_slow_socket() -> None:
    async def sleep() -> None:
        started = time.perf_counter()
        await asyncio.sleep(0.1)
        assert time.perf_counter() - started > 0.09

    virtual_time.run(silent_socket(sleep), io_patience=math.inf)


async def gate() -> AsyncIterator[int]:
    await asyncio.Event().wait()
    yield 1


async def read_gate() -> None:
    async for _ in gate():
        pass


@pytest.mark.parametrize('wait', [read_gate, lambda: asyncio.sleep(math.inf), anyio.sleep_forever])
def test_waiting_for_what_never_comes_is_an_error(wait: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.sleep(2)
        await wait()

    with pytest.raises(DeadlockError, match=r'Nothing can happen any more: .* at 2 virtual seconds'):
        virtual_time.run(main())


def test_a_deadlock_names_each_task_and_where_it_waits_down_to_the_innermost_await() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(read_gate(), name='reader')

    with pytest.raises(DeadlockError) as caught:
        virtual_time.run(main())
    lines = str(caught.value).splitlines()
    below_reader = lines[lines.index('reader') + 1 :]
    assert [line.rpartition(' ')[2] for line in below_reader] == snapshot(['read_gate', 'gate', 'Event.wait'])


def test_no_except_of_the_code_under_test_swallows_a_deadlock() -> None:
    async def stubborn() -> None:
        while True:
            with contextlib.suppress(RuntimeError):
                await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        virtual_time.run(stubborn())


def test_polling_for_ever_ends_at_the_limit() -> None:
    cleaned_up: list[float] = []

    async def poll() -> None:
        try:
            for _ in count():
                await asyncio.sleep(1)
        finally:
            await asyncio.sleep(5)
            cleaned_up.append(now())

    with pytest.raises(DeadlockError, match='passed its limit of 1000 seconds'):
        virtual_time.run(poll(), limit=1000)
    assert cleaned_up == [1006]


def test_a_thread_that_waits_for_the_clock_it_holds_ends_in_an_error() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        def ask() -> None:
            sleep = asyncio.sleep(1)
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(sleep, loop).result(timeout=0.3)

        await asyncio.to_thread(ask)

    with pytest.raises(DeadlockError, match=r'A thread works for the loop, .* for 0\.1 real seconds'):
        virtual_time.run(main(), patience=0.1)


def test_what_run_returns_and_raises_is_the_coroutines_own() -> None:
    async def fail() -> int:
        raise LookupError('mine')

    async def seven() -> int:
        return 7

    assert virtual_time.run(seven()) == 7
    with pytest.raises(LookupError, match='mine'):
        virtual_time.run(fail())


def test_a_timer_that_asks_for_the_rest_of_its_time_gets_it() -> None:
    async def main() -> list[float]:
        gone: list[float] = []
        for thousandths in range(300):
            began = asyncio.get_running_loop().time()
            with anyio.move_on_after(thousandths * 0.001):
                await asyncio.sleep(10)
            gone.append(asyncio.get_running_loop().time() - began)
        return gone

    assert virtual_time.run(main()) == pytest.approx([thousandths / 1000 for thousandths in range(300)])
