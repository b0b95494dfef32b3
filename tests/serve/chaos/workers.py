"""Processes that serve runs, and can be killed, stopped for a while and started again on the same port."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal, TypeAlias

import uvicorn
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.logs import MemoryLog, StreamLog
from pydantic_ai_streaming.serve import Asked, Frames, StreamRunner, stream_router
from pydantic_ai_streaming.testing import ScriptedModel
from tests.logs.places import LogPlace
from tests.serve.chaos.checker import words
from tests.serve.chaos.viewers import ask

__all__ = ['Broken', 'Worker', 'free_ports', 'working']

Broken: TypeAlias = Literal['repeats', 'skips', 'nobody ends what is lost']
"""A mistake that is made on purpose: who comes back is sent an entry again, or one too few, or waits for ever."""

STARTS_WITHIN = 30.0


def serve(place: LogPlace, port: int, name: str, lease: float, broken: Broken | None, notes: str) -> None:
    """Serve until the process ends. What goes wrong is noted in a file."""
    logging.basicConfig(filename=notes, level=logging.WARNING, format=f'{name} %(levelname)s %(name)s %(message)s')
    asyncio.run(_serve(place, port, name, lease, broken))


async def _serve(place: LogPlace, port: int, name: str, lease: float, broken: Broken | None) -> None:
    log = MemoryLog(lease=lease) if place.kind == 'memory' else place.open(lease=lease)
    runner = StreamRunner(log, formats=[Frames(['text'])], grace=0)
    if broken is not None:
        _break(log, broken)

    def start(asked: Asked) -> RunStream[Any]:
        how = json.loads(asked.prompt)
        agent = Agent(ScriptedModel(words(how['words'], how.get('author', name)), gap=how['gap']))
        return RunStream(agent.run_stream_events('Go'))

    async def state(_: object) -> JSONResponse:
        return JSONResponse({'running': runner.ids, 'peak': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})

    router = stream_router(runner, Agent(ScriptedModel('-')), start=start)
    app = Starlette(routes=[Mount('/runs', router), Route('/state', state)], lifespan=runner.lifespan)
    await uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False, backlog=2048)).serve()


def _break(log: StreamLog, broken: Broken) -> None:
    follow = log.follow
    by = {'repeats': -1, 'skips': 1}.get(broken, 0)

    async def off_by_one(stream_id: str, offset: int = 0) -> Any:
        return await follow(stream_id, offset + by if offset else 0)

    async def none() -> list[str]:
        return []

    log.follow = off_by_one
    if broken == 'nobody ends what is lost':
        log.lapsed = none


@dataclass
class Worker:
    """A port, and the process that serves there just now, if one does.

    Attributes:
        served: When each of its lives began to serve.
        died: When each was killed.
    """

    place: LogPlace
    port: int
    lease: float
    notes: Path
    broken: Broken | None = None
    process: BaseProcess | None = None
    lives: int = 0
    served: dict[str, float] = field(default_factory=dict[str, float])
    died: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def name(self) -> str:
        """Of this life of it; runs are written under this name."""
        return f'{self.port}.{self.lives}'

    async def start(self) -> None:
        self.lives += 1
        process = _processes().Process(
            target=serve,
            args=(self.place, self.port, self.name, self.lease, self.broken, str(self.notes)),
            daemon=True,
        )
        await asyncio.to_thread(process.start)
        self.process = process
        async with asyncio.timeout(STARTS_WITHIN):
            while self.process is process and not await _answers(self.port):  # it may be killed before it serves
                assert process is not self.process or process.is_alive(), self.notes.read_text()
                await asyncio.sleep(0.02)
        if self.process is process:
            self.served[self.name] = asyncio.get_running_loop().time()

    async def kill(self) -> None:
        """SIGKILL."""
        process, self.process = self.process, None
        assert process is not None
        process.kill()
        self.died[self.name] = asyncio.get_running_loop().time()
        await asyncio.to_thread(process.join)
        process.close()

    async def state(self) -> tuple[list[str], int]:
        """The streams of the runs that go on there, and the most memory that it has had so far, in bytes."""
        status, found = await ask(self.port, 'GET', '/state')
        assert status == 200
        return found['running'], found['peak']

    def pause(self) -> None:
        """SIGSTOP: it does nothing, and does not know it."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        assert self.process is not None
        assert self.process.pid is not None
        os.kill(self.process.pid, which)


@asynccontextmanager
async def working(
    place: LogPlace,
    directory: Path,
    *,
    workers: int = 2,
    lease: float = 2.0,
    broken: Broken | None = None,
    errors: str = '',
) -> AsyncGenerator[list[Worker]]:
    """Workers on one log, each on a port of its own. At the end none has noted an error, but those that say so."""
    notes = directory / 'notes'
    notes.touch()
    found = [Worker(place, port, lease, notes, broken) for port in free_ports(workers)]
    try:
        await asyncio.gather(*(one.start() for one in found))
        yield found
    finally:
        for one in found:
            if one.process is not None:
                await one.kill()
    for line in notes.read_text().splitlines():
        assert ' ERROR ' not in line or (errors and errors in line), notes.read_text()


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens at."""
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _processes() -> ForkServerContext:
    """Processes that begin with everything imported."""
    context = get_context('forkserver')
    context.set_forkserver_preload(['tests.serve.chaos.workers'])
    return context


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection('127.0.0.1', port)
    except OSError:
        return False
    writer.close()
    return True
