"""What can go wrong with the file of a log: each time a clear error, and the streams as they were."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from pydantic_ai_streaming.errors import StoreError, StoreUnavailable, StreamMissing
from pydantic_ai_streaming.logs import SQLiteBackend, SQLiteLog, Write, sqlite, sqlite_schema
from pydantic_ai_streaming.testing.stream_log_reading import everything, some
from tests.stores.writers import other_processes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'streams.db'


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    async with SQLiteLog(path) as log:
        await (await log.create('a')).close(some(2))
    change(path, 'UPDATE stream_log_schema SET version = 99')
    newcomer = SQLiteLog(path)
    for _ in range(2):
        with pytest.raises(StoreError, match=r'SQLite log .* version 99, .* knows only 1: .* Upgrade') as caught:
            await newcomer.create('b')
        assert caught.value.reason == 'newer'
    change(path, 'UPDATE stream_log_schema SET version = 1')
    assert list((await newcomer.read('a')).entries) == some(2)
    with pytest.raises(StreamMissing):
        await newcomer.read('b')
    await newcomer.close()


async def test_an_older_file_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SQLiteLog(path) as log:
        await (await log.create('a')).close(some(2))
    step = ('ALTER TABLE stream_log_streams ADD COLUMN title TEXT',)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_schema, 'STEPS', [*sqlite_schema.STEPS, step])
        async with SQLiteLog(path) as newer:
            assert list((await newer.read('a')).entries) == some(2)
    with pytest.raises(StoreError, match='version 2'):
        await SQLiteLog(path).read('a')


async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b'Dear diary, ' * 1000)
    with pytest.raises(StoreError, match='no SQLite database, or damaged') as caught:
        await SQLiteLog(path).create('a')
    assert caught.value.reason == 'damaged'
    assert path.read_bytes() == b'Dear diary, ' * 1000


async def test_a_damaged_file_says_so_and_its_backup_works_in_the_same_log(path: Path) -> None:
    async with SQLiteLog(path) as log:
        await (await log.create('a')).close([b'x' * 500] * 400)
    backup = path.read_bytes()
    log = SQLiteLog(path)
    with path.open('r+b') as file:
        file.seek(4096 * 9)
        file.write(b'\xa5' * (len(backup) - 4096 * 10))
    with pytest.raises(StoreError, match='damaged') as caught:
        await log.read('a')
    assert caught.value.reason == 'damaged'
    path.write_bytes(backup)
    assert len((await log.read('a')).entries) == 400
    await log.close()


async def test_a_damaged_stream_harms_no_other(path: Path) -> None:
    async with SQLiteLog(path) as log:
        await log.create('torn')
        producer = await log.create('fine')
        change(path, """UPDATE stream_log_streams SET head = '{"torn' WHERE stream_id = 'torn'""")
        torn = log.write(Write(stream_id='torn', entries=some(1)))
        done = await asyncio.gather(torn, producer.append(some(1)), log.read('torn'), return_exceptions=True)
        assert isinstance(done[0], StoreError)
        assert isinstance(done[2], StoreError)
        assert (done[0].reason, done[1], done[2].reason) == ('damaged', 1, 'damaged')


async def test_a_full_disk_keeps_nothing_of_a_write_and_the_producer_goes_on_when_there_is_space(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite.connect

    def connect_to_a_full_disk(*args: Any, **settings: Any) -> sqlite3.Connection:
        connection = connect(*args, **settings)
        connection.execute('PRAGMA max_page_count = 1')  # SQLite takes it as: not a page more than there are
        return connection

    async with SQLiteLog(path, lease=1000) as first:
        await (await first.create('a')).append(some(2))
    async with SQLiteLog(path) as log:
        head = await log.head('a')
        with monkeypatch.context() as patch:
            patch.setattr(sqlite, 'connect', connect_to_a_full_disk)
            await log.close()
            for _ in range(2):
                with pytest.raises(StoreError, match='is full') as caught:
                    await log.write(Write(stream_id='a', entries=[b'x' * 100_000, b'y']))
                assert caught.value.reason == 'full'
            assert await log.head('a') == head
            await log.close()
        await log.write(Write(stream_id='a', entries=[b'x' * 100_000, b'y']))
        assert [len(entry) for entry in (await log.read('a')).entries] == [7, 7, 100_000, 1]


async def test_a_lock_of_another_process_is_waited_for_and_then_named(path: Path) -> None:
    async with SQLiteLog(path, timeout=0.1) as log:
        producer = await log.create('a')
        other = sqlite3.connect(path, isolation_level=None)
        other.execute('BEGIN IMMEDIATE')
        with pytest.raises(StoreUnavailable, match=r'locked the SQLite log .* for more than 0.1 s'):
            await producer.append(some(1), patience=0)
        append = asyncio.create_task(producer.append(some(1)))
        await asyncio.sleep(0.3)
        other.execute('ROLLBACK')
        other.close()
        assert await append == 1
        assert list((await log.read('a')).entries) == some(1)


async def test_who_reads_does_not_wait_for_who_writes(path: Path) -> None:
    async with SQLiteLog(path) as log:
        producer = await log.create('a')
        await producer.append(some(3))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute('BEGIN IMMEDIATE')
        append = asyncio.create_task(producer.append(some(1, 3)))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(2):
            assert list((await log.read('a')).entries) == some(3)
            assert await log.lapsed() == []
        assert not append.done()
        other.execute('ROLLBACK')
        other.close()
        assert await append == 4


async def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    log = SQLiteLog(tmp_path / 'missing' / 'streams.db')
    with pytest.raises(StoreUnavailable, match=r'missing/streams.db.*Does its directory exist'):
        await log.read('a')
    (tmp_path / 'missing').mkdir()
    with pytest.raises(StreamMissing):
        await log.read('a')
    await log.close()
    with pytest.raises(ValueError, match='use MemoryLog'):
        SQLiteLog(':memory:')


async def test_a_file_that_was_deleted_is_not_written_to(path: Path) -> None:
    async with SQLiteLog(path) as log:
        producer = await log.create('a')
        following = asyncio.create_task(everything(await log.follow('a')))
        for file in path.parent.glob('streams.db*'):
            file.unlink()
        with pytest.raises(StreamMissing):
            await producer.append(some(1))
        with pytest.raises(StreamMissing):
            await following
        await (await log.create('a')).close(some(1))
    async with SQLiteLog(path) as log:
        assert list((await log.read('a')).entries) == some(1)


async def test_files_that_were_removed_beside_it_are_named(path: Path) -> None:
    async with SQLiteLog(path) as log, SQLiteLog(path) as another:
        producer = await log.create('a')
        await producer.append(some(1))
        for file in path.parent.glob('streams.db-*'):
            file.unlink()
        await producer.append(some(1, 1))
        with pytest.raises(StoreError, match=r'cannot be read or written: .* \(-wal, -shm\)'):
            await another.read('a')


async def test_the_file_may_be_an_applications_own(path: Path) -> None:
    application = sqlite3.connect(path, isolation_level=None)
    application.execute('CREATE TABLE users (name TEXT)')
    application.execute('PRAGMA user_version = 42')
    async with SQLiteLog(path) as log:
        await log.create('a')
        assert application.execute('PRAGMA user_version').fetchone() == (42,)
        assert application.execute('SELECT count(*) FROM users').fetchone() == (0,)
    application.close()


async def test_nobody_looks_for_changes_while_nobody_follows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    looked: list[Callable[..., Any]] = [sqlite._changed, sqlite._look]  # pyright: ignore[reportPrivateUsage]
    for name, function in zip(('_changed', '_look'), looked, strict=True):

        def look(*args: Any, function: Callable[..., Any] = function, **values: Any) -> Any:
            looks.append(time.monotonic())
            return function(*args, **values)

        monkeypatch.setattr(sqlite, name, look)
    async with SQLiteLog(path) as log, SQLiteLog(path) as another:
        await another.create('a')
        looks.clear()
        follower = await log.follow('a')
        await asyncio.sleep(0.3)
        assert len(looks) >= 3
        del follower
        await another.delete('a')
        gc.collect()
        await asyncio.sleep(0.1)
        looks.clear()
        await asyncio.sleep(0.2)
        assert looks == []


async def test_what_was_deleted_or_has_expired_leaves_no_row_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SQLiteLog(path) as log:
        await (await log.create('kept')).append(some(1))
        await (await log.create('expired', ttl=0.05)).close(some(5000))
        await (await log.create('deleted')).append(some(10))
        await log.delete('deleted')
        await log.create('deleted twice')
        await log.delete('deleted twice')
        now = time.time()
        monkeypatch.setattr('time.time', lambda: now + 100)
        backend = SQLiteBackend(path)
        await backend.sweep()
        await backend.close()
        assert change(path, 'SELECT stream_id FROM stream_log_streams') == [('kept',)]
        assert change(path, 'SELECT count(*) FROM stream_log_entries') == [(1,)]


async def test_a_log_that_is_forgotten_leaves_no_thread_and_no_connection(path: Path) -> None:
    backend = SQLiteBackend(path)
    await backend.open()
    await backend.commit([])
    await backend.fetch([])
    threads = [thread for thread in threading.enumerate() if thread.name.startswith('sqlite-log')]
    assert len(threads) == 2
    del backend
    gc.collect()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    # Only who is alone with a file can do this; two connections that close at once may leave the write-ahead log.
    assert change(path, 'PRAGMA journal_mode = DELETE') == [('delete',)]


AFTER_A_FORK = """
import asyncio, os, sys
from pydantic_ai_streaming.logs import Head, SQLiteBackend, Wanted, Write

backend = SQLiteBackend(sys.argv[1])

async def add(what):
    await backend.commit([Write(stream_id='a', entries=[what])])
    (part,) = await backend.fetch([Wanted('a')])
    return list(part.entries)

asyncio.run(backend.commit([Write(stream_id='a', create=Head(stream_id='a', incarnation='x'))]))
print(asyncio.run(add(b'first')))
if os.fork() == 0:
    os._exit(0 if asyncio.run(add(b'child')) == [b'first', b'child'] else 1)
print(os.waitstatus_to_exitcode(os.wait()[1]))
print(asyncio.run(add(b'parent')))
"""


def test_a_file_that_is_open_works_on_both_sides_of_a_fork(path: Path) -> None:
    command = [sys.executable, '-W', 'ignore', '-c', AFTER_A_FORK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("[b'first']\n0\n[b'first', b'child', b'parent']\n", '')


def open_at_once(path: str, barrier: Barrier) -> None:
    async def make() -> None:
        for number in range(10):
            barrier.wait(60)
            async with SQLiteLog(f'{path}{number}') as log:
                await log.create(str(os.getpid()))

    asyncio.run(make())


async def test_processes_that_make_a_file_at_the_same_time_do_not_fail(path: Path) -> None:
    context = other_processes()
    barrier = context.Barrier(4)
    processes = [context.Process(target=open_at_once, args=(str(path), barrier)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 120)
        assert process.exitcode == 0
        process.close()
    for number in range(10):
        assert change(Path(f'{path}{number}'), 'SELECT count(*) FROM stream_log_streams') == [(4,)]
        assert change(Path(f'{path}{number}'), 'PRAGMA journal_mode') == [('wal',)]


def change(path: Path, statement: str) -> list[Any]:
    """Do something to the file behind the log's back."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()
