"""A real PostgreSQL and a real Redis, each of its own directory, port and socket, started by the tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

__all__ = ['PostgresServer', 'RedisServer', 'start_postgres', 'start_redis']

HOW_TO_GET_THEM = '`make services` installs it from Debian (as root), as does apt-get install postgresql redis-server'
STARTS_WITHIN = 30.0


@dataclass
class Server:
    """A server that can go away and come back with what it has stored."""

    directory: Path
    user: str | None
    process: subprocess.Popen[bytes] | None = None
    url: str = ''
    stops_at: signal.Signals = signal.SIGTERM

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    @property
    def as_user(self) -> dict[str, Any]:
        return {} if self.user is None else {'user': self.user, 'group': self.user, 'extra_groups': []}

    def start(self) -> None:
        with (self.directory / 'log').open('ab') as log:
            self.process = process = subprocess.Popen[bytes](self.command(), stdout=log, stderr=log, **self.as_user)
        until = time.monotonic() + STARTS_WITHIN
        while not self.answers():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f'{self.command()[0]} does not start: {(self.directory / "log").read_text()}')
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(self.stops_at)
            self.process.wait(20)
            self.process = None


@dataclass
class PostgresServer(Server):
    binaries: Path = field(kw_only=True)

    def command(self) -> list[str]:
        # Without fsync and with sockets only: a crash of the machine is not tested here.
        settings = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'listen_addresses=']
        options = [word for setting in settings for word in ('-c', setting)]
        return [
            str(self.binaries / 'postgres'),
            '-D',
            str(self.directory / 'data'),
            '-k',
            str(self.directory),
            *options,
        ]

    def prepare(self) -> None:
        make = [str(self.binaries / 'initdb'), '--no-sync', '--auth=trust', '--username=postgres', '--encoding=UTF8']
        subprocess.run([*make, str(self.directory / 'data')], check=True, capture_output=True, **self.as_user)
        self.url = f'postgresql://postgres@/postgres?host={self.directory}'

    def answers(self) -> bool:
        ask = [str(self.binaries / 'pg_isready'), '-q', '-h', str(self.directory)]
        return subprocess.run(ask, check=False).returncode == 0


@dataclass
class RedisServer(Server):
    binary: str = field(kw_only=True)
    port: int = field(kw_only=True)

    def command(self) -> list[str]:
        place = ['--bind', '127.0.0.1', '--port', str(self.port), '--dir', str(self.directory)]
        return [self.binary, *place, '--save', '', '--appendonly', 'yes', '--appendfsync', 'no']

    def answers(self) -> bool:
        try:
            with socket.create_connection(('127.0.0.1', self.port), timeout=1) as connection:
                connection.sendall(b'PING\r\n')
                return connection.recv(16).startswith(b'+PONG')
        except OSError:
            return False


S = TypeVar('S', bound=Server)


@contextmanager
def start_postgres() -> Generator[PostgresServer]:
    """Skip the test if PostgreSQL is not installed."""
    places = sorted(Path('/usr/lib/postgresql').glob('*/bin'), key=lambda place: int(place.parent.name))
    found = shutil.which('initdb')
    binaries = places[-1] if places else Path(found).resolve().parent if found else None
    if binaries is None:
        pytest.skip(f'PostgreSQL is not installed: {HOW_TO_GET_THEM}')
    # PostgreSQL does not run as root, and its user cannot look into the directories of root's tests.
    user = 'postgres' if os.geteuid() == 0 else None
    with _directory(owner=user) as directory:
        # At SIGTERM it would wait until its clients have gone.
        server = PostgresServer(directory, user, binaries=binaries, stops_at=signal.SIGINT)
        server.prepare()
        yield from _started(server)


@contextmanager
def start_redis() -> Generator[RedisServer]:
    """Skip the test if Redis is not installed."""
    binary = shutil.which('redis-server')
    if binary is None:
        pytest.skip(f'Redis is not installed: {HOW_TO_GET_THEM}')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    with _directory(owner=None) as directory:
        url = f'redis://127.0.0.1:{port}/0'
        yield from _started(RedisServer(directory, None, url=url, binary=binary, port=port))


def _started(server: S) -> Generator[S]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def _directory(owner: str | None) -> Generator[Path]:
    directory = Path(tempfile.mkdtemp(prefix='stores-'))
    try:
        if owner is not None:
            shutil.chown(directory, owner)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
