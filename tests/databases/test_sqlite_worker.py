"""The thread of a file of SQLite: when it works, and when it ends."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import contextvars
import gc
import logging
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import pytest

from pydantic_ai_streaming.databases.sqlite_worker import SQLiteWorker
from pydantic_ai_streaming.logs import SQLiteLog
from pydantic_ai_streaming.stores import SQLiteConversationStore

NAME = 'a-sqlite-worker'
PLACES: dict[str, Any] = {'pools': concurrent.futures.thread, 'threads': threading, 'logging': logging}
LOCKS: dict[str, Any] = {
    'pools': PLACES['pools']._global_shutdown_lock,
    'threads': PLACES['threads']._active_limbo_lock,
    'logging': PLACES['logging']._lock,
}
"""Of the standard library. Whoever starts a thread of a pool holds the first until the thread runs: if the collector
comes in that thread, and somebody's finalizer submits something there, both wait for ever."""


def begin(path: Path | str) -> SQLiteWorker:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
        connection.execute('PRAGMA journal_mode = WAL')
        connection.execute('CREATE TABLE IF NOT EXISTS words (word)')
        return connection

    return SQLiteWorker(str(path), connect=connect, name=NAME)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'a.db'


@pytest.fixture
def worker(path: Path) -> Generator[SQLiteWorker]:
    worker = begin(path)
    yield worker
    worker.close()
    assert ended()


@pytest.fixture
def threads_that_take_turns() -> Generator[None]:
    """At nearly every step, so that those which meet do so at each place."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def ended() -> bool:
    """Whether the worker's threads end soon."""
    for thread in threads():
        thread.join(5)
    return not threads()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(NAME)]


def one(connection: sqlite3.Connection) -> int:
    return connection.execute('SELECT 1').fetchone()[0]


def writes(word: str) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: connection.execute('INSERT INTO words VALUES (?)', (word,))


def words(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    found = [word for (word,) in connection.execute('SELECT word FROM words')]
    connection.close()
    return found


class Owner:
    """Somebody who has something, and whom only the garbage collector finds."""

    def __init__(self, thing: object) -> None:
        self.myself, self.thing = self, thing


def collected_while_held(lock: Any) -> bool:
    """Whether the collector gets through in another thread while somebody holds a lock."""
    goes_on, done = threading.Event(), threading.Event()

    def collect() -> None:
        goes_on.wait()
        gc.collect()
        done.set()

    threading.Thread(target=collect, daemon=True).start()
    with lock:
        goes_on.set()
        return done.wait(60)


@pytest.mark.parametrize('lock', LOCKS)
def test_a_worker_is_forgotten_in_any_thread_whatever_lock_somebody_holds(lock: str, path: Path) -> None:
    worker = begin(path)
    assert worker.submit(one).result(5) == 1
    Owner(worker)
    del worker
    assert collected_while_held(LOCKS[lock])
    assert ended()
    assert not path.with_name('a.db-wal').exists()


def test_what_was_submitted_is_done_before_a_worker_that_is_forgotten_ends(path: Path) -> None:
    worker = begin(path)
    goes_on = threading.Event()
    first = worker.submit(lambda connection: goes_on.wait(5))
    rest = [worker.submit(writes(str(number))) for number in range(10)]
    del worker
    assert not first.done()
    goes_on.set()
    for each in rest:
        each.result(5)
    assert ended()
    assert words(path) == [str(number) for number in range(10)]


def test_a_worker_that_was_closed_works_again(worker: SQLiteWorker) -> None:
    for _ in range(3):
        assert worker.submit(one).result(5) == 1
        assert len(threads()) == 1
        closing = worker.close()
        assert closing is not None
        assert closing.result(5) is None
        assert ended()
    assert worker.close() is None


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
        worker.submit(lambda connection: connection.execute('SELECT * FROM weather')).result(5)
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


def test_an_error_is_freed_with_what_it_holds_without_the_collector(worker: SQLiteWorker) -> None:
    class Large:
        pass

    left: list[weakref.ref[Large]] = []

    def work(connection: sqlite3.Connection) -> None:
        large = Large()
        left.append(weakref.ref(large))
        raise ValueError('no')

    gc.disable()
    try:
        with pytest.raises(ValueError, match='no'):
            worker.submit(work).result(5)
        worker.submit(one).result(5)
        assert left[0]() is None
    finally:
        gc.enable()


def test_what_is_submitted_after_closing_comes_after_what_was_before(worker: SQLiteWorker, path: Path) -> None:
    goes_on = threading.Event()
    worker.submit(lambda connection: goes_on.wait(5))
    worker.submit(writes('before'))
    worker.close()
    after = worker.submit(writes('after'))
    assert not concurrent.futures.wait([after], 0.1).done
    goes_on.set()
    after.result(5)
    assert words(path) == ['before', 'after']


def test_what_is_submitted_while_another_thread_closes_is_done_after_what_was_before(
    path: Path, threads_that_take_turns: None
) -> None:
    for _ in range(100):
        worker, done, errors = begin(':memory:'), list[int](), list[BaseException]()

        def use(worker: SQLiteWorker, done: list[int], errors: list[BaseException]) -> None:
            try:
                for number in range(5):
                    worker.submit(lambda connection, number=number: done.append(number))
            except BaseException as error:
                errors.append(error)

        using = threading.Thread(target=use, args=(worker, done, errors))
        using.start()
        for _ in range(3):
            worker.close()
        using.join(5)
        worker.close()
        assert ended()
        assert errors == []
        assert done == [0, 1, 2, 3, 4]


def test_of_several_threads_that_begin_at_once_none_gets_a_connection_of_its_own(
    path: Path, threads_that_take_turns: None
) -> None:
    for _ in range(100):
        worker, together = begin(path), threading.Barrier(4)
        at_work: list[int] = []

        def use(worker: SQLiteWorker, together: threading.Barrier, at_work: list[int]) -> None:
            together.wait(5)
            at_work.append(worker.submit(lambda connection: threading.get_ident()).result(5))

        users = [threading.Thread(target=use, args=(worker, together, at_work)) for _ in range(4)]
        for user in users:
            user.start()
        for user in users:
            user.join(5)
        assert len(at_work) == 4
        assert len(set(at_work)) == 1
        worker.close()
        assert ended()


# The end of a program

AT_THE_END = """
import asyncio, sys, weakref
from pydantic_ai.conversation import Conversation
{first}
from pydantic_ai_streaming.stores import SQLiteConversationStore

store = SQLiteConversationStore(sys.argv[1])

async def main():
    await store.list_conversations()
    print('begun', flush=True)
    sys.stdin.readline()
    task = asyncio.create_task(store.save(Conversation(conversation_id='a')))
    await asyncio.sleep(0.2)
    {then}

asyncio.run(main())
print('left', flush=True)
"""
FIRST = {'as it is': '', 'with a finalizer of its own': 'weakref.finalize(weakref, print)'}
THEN = {
    'kept': '',
    'kept to the very end': 'sys.kept = store',
    'forgotten': "del globals()['store']",
    'closed': 'asyncio.get_running_loop().create_task(store.close())',
}


@pytest.mark.parametrize('first', FIRST)
@pytest.mark.parametrize('then', THEN)
def test_a_program_that_ends_waits_for_what_is_being_saved(first: str, then: str, path: Path) -> None:
    code = AT_THE_END.format(first=FIRST[first], then=THEN[then])
    pipe = subprocess.PIPE
    program = subprocess.Popen([sys.executable, '-c', code, path], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert program.stdout is not None
    assert program.stdin is not None
    assert program.stdout.readline() == 'begun\n'
    other = sqlite3.connect(path, isolation_level=None)
    other.execute('BEGIN IMMEDIATE')
    program.stdin.write('\n')
    program.stdin.flush()
    assert program.stdout.readline() == 'left\n'
    time.sleep(0.2)
    assert program.poll() is None, 'it has not waited for what is being saved'
    other.execute('COMMIT')
    _, complaints = program.communicate(timeout=30)
    assert (program.returncode, complaints) == (0, '')
    assert other.execute('SELECT conversation_id FROM conversation_records').fetchall() == [('a',)]
    other.close()
    assert not path.with_name('a.db-wal').exists()


def submits_and_ends(path: Path) -> None:
    global kept
    kept = begin(path)
    kept.submit(lambda connection: time.sleep(0.2))
    kept.submit(writes('last'))


kept: SQLiteWorker | None = None


@pytest.mark.filterwarnings('ignore:.*multi-threaded.*:DeprecationWarning')
@pytest.mark.parametrize('method', multiprocessing.get_all_start_methods())
def test_a_process_of_multiprocessing_waits_for_it_too(method: Any, path: Path) -> None:
    context = cast('Any', multiprocessing.get_context(method))
    child = context.Process(target=submits_and_ends, args=(path,))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert words(path) == ['last']


# Forks

forks = pytest.mark.skipif(not hasattr(os, 'fork'), reason='there are no forks here')
forks_quietly = pytest.mark.filterwarnings('ignore:.*multi-threaded.*:DeprecationWarning')


def in_a_fork(do: Callable[[], object]) -> int:
    """What a child process that does this ends with: 0, or 1 after an error."""
    return ending_of(forked(do))


def forked(do: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            do()
            code = 0
        finally:
            os._exit(code)
    return child


def ending_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@forks
@forks_quietly
def test_what_a_child_writes_stays_when_its_parent_closes(worker: SQLiteWorker, path: Path) -> None:
    worker.submit(writes('parent')).result(5)
    begun, closed = multiprocessing.Pipe(), multiprocessing.Pipe()

    def write_twice() -> None:
        worker.submit(writes('child')).result(5)
        begun[1].send('written')
        assert closed[0].poll(5)
        worker.submit(writes('child again')).result(5)

    def close() -> None:
        assert begun[0].poll(5)
        if closing := worker.close():
            closing.result(5)
        closed[1].send('closed')

    closing = threading.Thread(target=close)
    closing.start()
    assert in_a_fork(write_twice) == 0
    closing.join(5)
    assert words(path) == ['parent', 'child', 'child again']


@forks
@forks_quietly
def test_a_fork_in_the_middle_of_writing_locks_nobody_out(worker: SQLiteWorker, path: Path) -> None:
    def write_many(connection: sqlite3.Connection) -> None:
        for _ in range(50):
            connection.execute('BEGIN IMMEDIATE')
            writes('parent')(connection)
            connection.execute('COMMIT')

    for number in range(20):
        writing = worker.submit(write_many)
        time.sleep(number / 5_000)
        assert in_a_fork(lambda: worker.submit(writes('child')).result(5)) == 0
        writing.result(5)
    assert sorted(words(path)) == ['child'] * 20 + ['parent'] * 1_000


@forks
@forks_quietly
@pytest.mark.parametrize('then', ['kept', 'closed', 'forgotten'])
def test_a_fork_does_not_wait_for_a_queue_and_finds_no_connection_of_it(then: str, path: Path) -> None:
    worker = begin(path)

    def write_slowly(connection: sqlite3.Connection) -> None:
        connection.execute('BEGIN IMMEDIATE')
        writes('parent')(connection)
        time.sleep(0.01)
        connection.execute('COMMIT')

    queue = [worker.submit(write_slowly) for _ in range(300)]
    if then == 'closed':
        worker.close()
    kept = {'kept': worker}.get(then)
    del worker
    queue[0].result(5)
    began = time.monotonic()
    child = forked(lambda: begin(path).submit(writes('child')).result(20))
    assert time.monotonic() - began < 1
    for each in queue:
        each.result(20)
    assert ending_of(child) == 0
    assert sorted(words(path)) == ['child'] + ['parent'] * 300
    if kept is not None:
        kept.close()
    assert ended()


@forks
@forks_quietly
def test_work_that_takes_its_time_holds_no_fork_up_for_long(worker: SQLiteWorker, monkeypatch: Any) -> None:
    monkeypatch.setattr('pydantic_ai_streaming.databases.sqlite_worker.REST_WITHIN', 0.1)
    goes_on = threading.Event()
    working = worker.submit(lambda connection: goes_on.wait(20))
    began = time.monotonic()
    assert in_a_fork(lambda: None) == 0
    assert time.monotonic() - began < 5
    goes_on.set()
    assert working.result(5)
    assert worker.submit(one).result(5) == 1


@pytest.mark.parametrize('kind', [SQLiteLog, SQLiteConversationStore])
def test_logs_and_stores_are_forgotten_so_too(kind: type[SQLiteLog | SQLiteConversationStore], path: Path) -> None:
    before = set(threading.enumerate())

    async def use() -> None:
        thing: Any = kind(path)
        await (thing.read_turn('a') if kind is SQLiteConversationStore else thing.create('a'))
        Owner(thing)

    asyncio.run(use())
    left = set(threading.enumerate()) - before
    assert left
    assert collected_while_held(LOCKS['pools'])
    for thread in left:
        thread.join(5)
    assert not left & set(threading.enumerate())
