"""Streams in a SQLite file: `SQLiteLog`.

One thread writes, over one connection: a group of writes is one transaction, which begins as one that writes, so that
the heads that it reads are those that it changes. Another thread reads, over another connection, which SQLite's
write-ahead log lets read while somebody writes. It also looks every few milliseconds whether another process has
committed (`PRAGMA data_version`, which costs no access to the disk), as long as somebody follows a stream.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from ..databases.sqlite import translated
from ..databases.sqlite_worker import SQLiteWorker
from ..errors import StoreError
from .backend import LogBackend
from .heads import Head, Refusal, Slice, Wanted, Write
from .log import StreamLog
from .sqlite_schema import connect
from .sqlite_writing import commit, sweep

__all__ = ['SQLiteBackend', 'SQLiteLog']

T = TypeVar('T')

POLL_EVERY: Final = 0.02
"""Seconds after which what another process has written is seen."""


class SQLiteBackend(LogBackend):
    """A SQLite file, on the clock of the machine (`time.time`). See `SQLiteLog`."""

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 10.0) -> None:
        if str(path) == ':memory:':
            raise ValueError("path=':memory:' is for one connection only: use MemoryLog")
        self._path = file = str(Path(path).absolute())
        self._timeout = timeout
        # Without `self`: a log that is forgotten is to end its threads.
        self._writer = SQLiteWorker(file, connect=lambda: connect(file, timeout=timeout), name='sqlite-log-writer')
        self._reader = SQLiteWorker(
            file, connect=lambda: connect(file, timeout=timeout, reads=True), name='sqlite-log-reader'
        )

    def __str__(self) -> str:
        return f'the SQLite log {self._path!r}'

    async def open(self) -> None:  # noqa: D102 - as LogBackend
        await self._run(self._writer, _look)

    async def close(self) -> None:  # noqa: D102
        for closing in [worker.close() for worker in (self._writer, self._reader)]:
            if closing is not None:
                await asyncio.wrap_future(closing)

    async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | StoreError | None]:  # noqa: D102
        return await self._run(self._writer, lambda connection: commit(connection, writes))

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:  # noqa: D102
        return await self._run(self._reader, lambda connection: _fetch(connection, wanted))

    async def lapsed(self) -> Sequence[str]:  # noqa: D102
        query = """
            SELECT stream_id FROM stream_log_streams
            WHERE leased_until <= :now AND (expires_at IS NULL OR expires_at > :now)
        """
        now = {'now': time.time()}
        rows = await self._run(self._reader, lambda connection: connection.execute(query, now).fetchall())
        return [row[0] for row in rows]

    async def owned(self, owner: str) -> Sequence[Head]:  # noqa: D102
        query = """
            SELECT head FROM stream_log_streams
            WHERE owner = :owner AND head IS NOT NULL AND (expires_at IS NULL OR expires_at > :now)
        """
        values = {'owner': owner, 'now': time.time()}
        rows = await self._run(self._reader, lambda connection: connection.execute(query, values).fetchall())
        return [Head.load(row[0]) for row in rows]

    async def sweep(self) -> None:  # noqa: D102
        while await self._run(self._writer, sweep):
            pass

    async def changes(  # noqa: D102
        self, watched: Callable[[], Collection[str]]
    ) -> AsyncGenerator[Mapping[str, int | None], None]:
        seen: tuple[int, int] | None = None
        while True:
            if not watched():
                seen = None
            elif seen is None:
                seen = await self._run(self._reader, _look)
                yield dict.fromkeys(watched())
            else:
                seen, changed = await self._run(self._reader, partial(_changed, seen=seen))
                if changed:
                    yield changed
            await asyncio.sleep(POLL_EVERY)

    async def _run(self, worker: SQLiteWorker, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.wrap_future(worker.submit(work))
        except sqlite3.Error as error:
            raise translated(error, place=str(self), timeout=self._timeout) from error


def _look(connection: sqlite3.Connection) -> tuple[int, int]:
    """Who has written last, as far as SQLite tells, and the number of the last change."""
    # The version first: what comes between the two is then told once too often, not missed.
    (version,) = connection.execute('PRAGMA data_version').fetchone()
    (newest,) = connection.execute('SELECT coalesce(max(change), 0) FROM stream_log_streams').fetchone()
    return version, newest


def _changed(connection: sqlite3.Connection, seen: tuple[int, int]) -> tuple[tuple[int, int], dict[str, int | None]]:
    version, newest = seen
    (now,) = connection.execute('PRAGMA data_version').fetchone()
    if now == version:
        return seen, {}
    query = 'SELECT stream_id, version, change FROM stream_log_streams WHERE change > ? ORDER BY change'
    rows = connection.execute(query, (newest,)).fetchall()
    return (now, rows[-1][2] if rows else newest), {stream_id: version for stream_id, version, _ in rows}


def _fetch(connection: sqlite3.Connection, wanted: Sequence[Wanted]) -> list[Slice | None]:
    connection.execute('BEGIN')
    try:
        now = time.time()
        return [_read(connection, one, now) for one in wanted]
    finally:
        connection.execute('COMMIT')


def _read(connection: sqlite3.Connection, wanted: Wanted, now: float) -> Slice | None:
    query = 'SELECT number, head FROM stream_log_streams WHERE stream_id = ?'
    number, text = connection.execute(query, (wanted.stream_id,)).fetchone() or (None, None)
    head = None if text is None else Head.load(text)
    if head is None or head.expired(now):
        return None
    query = 'SELECT entry FROM stream_log_entries WHERE number = ? AND position >= ? ORDER BY position LIMIT ?'
    entries: list[bytes] = []
    size = 0
    for (entry,) in connection.execute(query, (number, wanted.start, wanted.limit)):
        entries.append(entry)
        size += len(entry)
        if size >= wanted.size:
            break
    return Slice(head, wanted.start, entries)


class SQLiteLog(StreamLog):
    """Streams in a SQLite file, which several processes of one machine may use at the same time.

    The file and its tables are made when they are first needed. What was written survives the end of the process,
    however it ends. A power cut may lose the last moment (`synchronous=NORMAL`), and leaves the file whole.

    Args:
        path: The file, in a directory that exists and is not on a network drive.
        lease: Seconds after which a producer that has not renewed its lease counts as dead.
        timeout: Seconds to wait while another process writes.

    Raises:
        ValueError: `lease` is not positive, or `path` is `':memory:'`.
        StoreUnavailable: From most methods: another process has locked the file for longer than `timeout`, or it cannot
            be opened.
        StoreError: From most methods: the disk is full, the file is read-only, damaged, no database, or written by a
            newer version.

    Example:
        ```python
        import asyncio

        from pydantic_ai_streaming.logs import SQLiteLog


        async def main():
            async with SQLiteLog('streams.db') as log:
                producer = await log.create('a')
                await producer.append([b'one', b'two'])
                await producer.close()
            async with SQLiteLog('streams.db') as log:  # another process, another day
                print((await log.read('a')).entries)


        asyncio.run(main())
        #> [b'one', b'two']
        ```
    """

    def __init__(self, path: str | os.PathLike[str], *, lease: float = 10.0, timeout: float = 10.0) -> None:
        super().__init__(SQLiteBackend(path, timeout=timeout), lease=lease)
