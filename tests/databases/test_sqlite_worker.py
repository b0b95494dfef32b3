"""The thread of a file of SQLite: when it works, and when it ends."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import contextvars
import gc
import sqlite3
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from pydantic_ai_streaming.databases.sqlite_worker import SQLiteWorker
from pydantic_ai_streaming.logs import SQLiteLog
from pydantic_ai_streaming.stores import SQLiteConversationStore

NAME = 'a-sqlite-worker'
POOLS: Any = concurrent.futures.thread
LOCK: threading.Lock = POOLS._global_shutdown_lock
"""Held by whoever starts a thread of a pool, until that runs: if the collector comes in that thread, and a finalizer
there wants to submit something, both wait for ever."""


@pytest.fixture
def worker(tmp_path: Path) -> Generator[SQLiteWorker]:
    path = tmp_path / 'a.db'
    worker = SQLiteWorker(str(path), connect=lambda: sqlite3.connect(path, check_same_thread=False), name=NAME)
    yield worker
    worker.close()
    assert ended()


def ended() -> bool:
    """Whether the worker's threads end soon."""
    for thread in threads():
        thread.join(5)
    return not threads()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(NAME)]


def one(connection: sqlite3.Connection) -> int:
    return connection.execute('SELECT 1').fetchone()[0]


class Owner:
    """Somebody with whom a worker is dropped, and whom only the garbage collector finds."""

    def __init__(self, worker: SQLiteWorker) -> None:
        self.myself = self
        weakref.finalize(self, worker.drop)


def within(seconds: float, do: Callable[[], object]) -> bool:
    """Whether something is done so soon, in a thread that is left behind if not."""
    doing = threading.Thread(target=do, daemon=True)
    doing.start()
    doing.join(seconds)
    return not doing.is_alive()


def test_a_worker_is_dropped_in_any_thread_whatever_lock_somebody_holds(worker: SQLiteWorker) -> None:
    assert worker.submit(one).result(5) == 1
    Owner(worker)
    with LOCK:
        assert within(5, gc.collect)
        assert ended()


def test_what_was_submitted_is_done_before_a_worker_that_is_dropped_ends(worker: SQLiteWorker) -> None:
    goes_on = threading.Event()
    first = worker.submit(lambda connection: goes_on.wait(5))
    rest = [worker.submit(one) for _ in range(10)]
    worker.drop()
    assert not first.done()
    goes_on.set()
    assert [each.result(5) for each in rest] == [1] * 10
    assert ended()


def test_a_worker_that_was_closed_works_again(worker: SQLiteWorker) -> None:
    for _ in range(3):
        assert worker.submit(one).result(5) == 1
        assert len(threads()) == 1
        closing = worker.close()
        assert closing is not None
        assert closing.result(5) is None
        assert ended()
    assert worker.close() is None
    worker.drop()


def test_what_is_cancelled_before_its_turn_is_not_done(worker: SQLiteWorker) -> None:
    done: list[int] = []
    goes_on = threading.Event()
    worker.submit(lambda connection: goes_on.wait(5))
    left = worker.submit(lambda connection: done.append(1))
    last = worker.submit(lambda connection: done.append(2))
    assert left.cancel()
    goes_on.set()
    last.result(5)
    assert done == [2]


def test_an_error_of_the_work_is_the_submitters_and_the_next_is_done(worker: SQLiteWorker) -> None:
    with pytest.raises(sqlite3.OperationalError, match='no such table'):
        worker.submit(lambda connection: connection.execute('SELECT * FROM words')).result(5)
    with pytest.raises(SystemExit):
        worker.submit(lambda connection: sys.exit()).result(5)
    assert worker.submit(one).result(5) == 1


def test_work_sees_the_context_of_who_submitted_it(worker: SQLiteWorker) -> None:
    span: contextvars.ContextVar[str] = contextvars.ContextVar('span', default='none')
    span.set('ours')
    assert worker.submit(lambda connection: span.get()).result(5) == 'ours'


def test_nothing_of_the_work_is_kept_when_it_is_done(worker: SQLiteWorker) -> None:
    class Large:
        pass

    def work(connection: sqlite3.Connection) -> Large:
        return Large()

    large = weakref.ref(worker.submit(work).result(5))
    worker.submit(one).result(5)
    assert large() is None


AT_THE_END = """
import asyncio, atexit, sqlite3, sys, time
from pydantic_ai_streaming.databases.sqlite_worker import SQLiteWorker

def connect():
    connection = sqlite3.connect(sys.argv[1], check_same_thread=False, isolation_level=None)
    connection.execute('CREATE TABLE IF NOT EXISTS words (word)')
    return connection

def write(connection, word, wait=0.2):
    time.sleep(wait)
    connection.execute('INSERT INTO words VALUES (?)', (word,))

worker = SQLiteWorker(sys.argv[1], connect=connect, name='writer')
atexit.register(lambda: worker.submit(lambda connection: write(connection, 'at exit')))
for word in ('one', 'two'):
    worker.submit(lambda connection, word=word: write(connection, word))
"""


def test_a_program_that_ends_waits_for_what_was_submitted(tmp_path: Path) -> None:
    path = tmp_path / 'a.db'
    done = subprocess.run([sys.executable, '-c', AT_THE_END, path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, '')
    connection = sqlite3.connect(path)
    assert connection.execute('SELECT word FROM words').fetchall() == [('one',), ('two',), ('at exit',)]
    connection.close()


@pytest.mark.parametrize('kind', [SQLiteLog, SQLiteConversationStore])
def test_logs_and_stores_are_dropped_so_too(kind: type[SQLiteLog | SQLiteConversationStore], tmp_path: Path) -> None:
    before = set(threading.enumerate())

    async def use() -> None:
        owner: Any = kind(tmp_path / 'a.db')
        await (owner.read_turn('a') if kind is SQLiteConversationStore else owner.create('a'))
        owner.myself = owner

    asyncio.run(use())
    left = set(threading.enumerate()) - before
    assert left
    with LOCK:
        assert within(5, gc.collect)
        for thread in left:
            thread.join(5)
        assert not left & set(threading.enumerate())
