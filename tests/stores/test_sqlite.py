"""What can go wrong with a file: each time a clear error, and the history as it was."""

from __future__ import annotations

import asyncio
import gc
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationConflict

from pydantic_ai_streaming import StoreError, StoreUnavailable
from pydantic_ai_streaming.stores import SQLiteConversationStore, sqlite
from pydantic_ai_streaming.testing.conversation_store_messages import answer, question, texts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'chats.db'


def chat(*said: str) -> Conversation:
    return Conversation(conversation_id='c', messages=[question(text) for text in said])


async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b'Dear diary, ' * 1000)
    async with SQLiteConversationStore(path) as store:
        with pytest.raises(StoreError, match=r'no SQLite database, or damaged\. Name another file') as caught:
            await store.save(chat('Hi'))
    assert caught.value.reason == 'damaged'
    assert texts(Conversation(messages=list(caught.value.messages))) == ['Hi']
    assert path.read_bytes() == b'Dear diary, ' * 1000


async def test_a_damaged_file_says_so_and_its_backup_works_in_the_same_store(path: Path) -> None:
    async with SQLiteConversationStore(path) as store:
        await store.save(chat(*(f'{number} {"x" * 500}' for number in range(200))))
        await store.close()
        backup = path.read_bytes()
        with path.open('r+b') as file:
            file.seek(4096 * 2)
            file.write(b'\xa5' * (len(backup) - 4096 * 3))
        with pytest.raises(StoreError, match='damaged') as caught:
            await store.load('c')
        assert caught.value.reason == 'damaged'
        path.write_bytes(backup)
        assert len(texts(await store.load('c'))) == 200


async def test_a_full_disk_keeps_nothing_of_the_save(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite.connect

    def connect_to_a_full_disk(*args: Any, **settings: Any) -> sqlite3.Connection:
        connection = connect(*args, **settings)
        connection.execute('PRAGMA max_page_count = 1')  # SQLite takes it as: not a page more than there are
        return connection

    async with SQLiteConversationStore(path) as store:
        conversation = chat('Hi')
        await store.save(conversation)
        await store.close()
        with monkeypatch.context() as patch:
            patch.setattr(sqlite, 'connect', connect_to_a_full_disk)
            conversation.messages += [answer('x' * 100_000), question('y')]
            with pytest.raises(StoreError, match='is full') as caught:
                await store.save(conversation)
            assert caught.value.reason == 'full'
            assert caught.value.messages == conversation.messages
            assert texts(await store.load('c')) == ['Hi']
        await store.close()
        await store.save(conversation)  # there is space again
        assert len(texts(await store.load('c'))) == 3


@pytest.mark.skipif(shutil.which('mount') is None, reason='needs mount')
async def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    small = tmp_path / 'small'
    small.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip('may not mount a small file system here')
    try:
        async with SQLiteConversationStore(small / 'chats.db') as store:
            conversation = chat('Hi')
            await store.save(conversation)
            conversation.messages.append(answer('x' * 500_000))
            with pytest.raises(StoreError) as caught:
                await store.save(conversation)
            assert caught.value.reason == 'full'
            assert texts(await store.load('c')) == ['Hi']
            conversation.messages[-1] = answer('short')
            await store.save(conversation)
            assert texts(await store.load('c')) == ['Hi', 'short']
    finally:
        subprocess.run(['umount', str(small)], check=True)


async def test_a_lock_of_another_process_is_waited_for_and_then_named(path: Path) -> None:
    async with SQLiteConversationStore(path, timeout=0.1) as store:
        conversation = chat('Hi')
        await store.save(conversation)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute('BEGIN IMMEDIATE')
        conversation.messages.append(answer('Hello'))
        with pytest.raises(StoreUnavailable, match=r'locked .* for more than 0.1 s'):
            await store.save(conversation)
        assert texts(await store.load('c')) == ['Hi']
        other.execute('ROLLBACK')
        other.close()
        await store.save(conversation)
        assert texts(await store.load('c')) == ['Hi', 'Hello']


async def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    store = SQLiteConversationStore(tmp_path / 'missing' / 'chats.db')
    with pytest.raises(StoreUnavailable, match=r'missing/chats.db.*Does its directory exist'):
        await store.load('c')
    (tmp_path / 'missing').mkdir()
    assert await store.load('c') is None
    await store.close()


async def test_a_file_that_was_deleted_is_not_written_to(path: Path) -> None:
    async with SQLiteConversationStore(path) as store:
        conversation = chat('Hi')
        await store.save(conversation)
        for file in path.parent.glob('chats.db*'):
            file.unlink()
        conversation.messages.append(answer('Hello'))
        with pytest.raises(ConversationConflict):
            await store.save(conversation)
        conversation.revision = None
        await store.save(conversation)
    async with SQLiteConversationStore(path) as store:
        assert texts(await store.load('c')) == ['Hi', 'Hello']


async def test_the_file_may_be_an_applications_own(path: Path) -> None:
    application = sqlite3.connect(path, isolation_level=None)
    application.execute('CREATE TABLE users (name TEXT)')
    application.execute("INSERT INTO users VALUES ('ada')")
    application.execute('PRAGMA user_version = 42')
    async with SQLiteConversationStore(path) as store:
        await store.save(chat('Hi'))
        assert application.execute('SELECT name FROM users').fetchall() == [('ada',)]
        assert application.execute('PRAGMA user_version').fetchone() == (42,)
    application.close()


async def test_in_memory_it_lives_as_long_as_the_store() -> None:
    async with SQLiteConversationStore(':memory:') as store:
        await store.save(chat('Hi'))
        assert texts(await store.load('c')) == ['Hi']


async def test_a_cancelled_save_is_whole_or_not_there(path: Path) -> None:
    async with SQLiteConversationStore(path) as store:
        for turn in range(20):
            conversation = await store.load('c') or chat()
            before = len(conversation.messages)
            conversation.messages += [question(f'{turn}'), answer(f'{turn}')]
            save = asyncio.create_task(store.save(conversation))
            await asyncio.sleep(turn / 5_000)
            save.cancel()
            await asyncio.wait([save])
            loaded = await store.load('c')
            assert len(texts(loaded)) in (before, before + 2)


async def test_a_store_that_is_forgotten_leaves_no_thread_and_no_connection(path: Path) -> None:
    store = SQLiteConversationStore(path)
    await store.save(chat('Hi'))
    threads = [thread for thread in threading.enumerate() if thread.name.startswith('sqlite-conversation-store')]
    assert threads
    del store
    gc.collect()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert not path.with_name('chats.db-wal').exists()


def test_one_store_serves_several_loops_one_after_the_other(path: Path) -> None:
    store = SQLiteConversationStore(path)
    asyncio.run(store.save(chat('Hi')))
    assert texts(asyncio.run(store.load('c'))) == ['Hi']
    asyncio.run(store.close())


AFTER_A_FORK = """
import asyncio, os, sys
from pydantic_ai.conversation import Conversation
from pydantic_ai_streaming.stores import SQLiteConversationStore

store = SQLiteConversationStore(sys.argv[1])
asyncio.run(store.save(Conversation(conversation_id='parent')))
if os.fork() == 0:
    asyncio.run(store.save(Conversation(conversation_id='child')))
    os._exit(0)
os.wait()
print(sorted(record.conversation_id for record in asyncio.run(store.list_conversations())))
"""


def test_a_store_works_in_a_forked_process(path: Path) -> None:
    command = [sys.executable, '-W', 'ignore', '-c', AFTER_A_FORK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("['child', 'parent']\n", '')
