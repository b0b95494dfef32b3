"""The server whose figures `benchmarks.serving` states: one way to serve a run, on one core, in a process of its own.

It is told what to do on its command line, listens on a socket that it inherits, and answers three more requests:
`POST /prepare` makes the streams, `POST /go` lets the models write, and `GET /figures` says what it has used so far.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvicorn
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.ui.vercel_ai import VercelAIAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.logs import MemoryLog, Producer, RedisLog, SQLiteLog, StreamLog
from pydantic_ai_streaming.serve import Frames, StreamRunner, stream_router
from pydantic_ai_streaming.serve.frames import frame

__all__ = ['Order', 'Usage', 'piece']

FILLER = ' the tide turns at noon, and the boat leaves'


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the server is to do.

    Attributes:
        way: `memory`, `sqlite` or `redis` for a log of this library, `adapter` for pydantic-ai's, `sse-starlette`.
        place: The file or the address of the log.
        streams: How many runs there are, each with its viewers; `adapter` has one for each viewer instead.
        events: Pieces of text of each run.
        rate: Pieces a second.
        agents: Whether agents write, or the server writes the frames of their text into its log without them.
        core: Where it runs, if that can be said.
        http: The parser of uvicorn, `h11` or `httptools`.
        loop: The event loop, `asyncio` or `uvloop`.
    """

    way: str
    place: str = ''
    streams: int = 1
    events: int = 250
    rate: float = 50.0
    agents: bool = True
    core: int | None = None
    http: str = 'h11'
    loop: str = 'asyncio'


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What the server has used: seconds of its core, seconds that it has waited for it, bytes of memory."""

    cpu: float
    waited: float
    memory: int


def piece(number: int, due: float) -> str:
    """A piece of text that says which it is, and when it was due on the clock of this machine."""
    return f'<{number} {due:.6f}>{FILLER}'


def usage() -> Usage:
    """What this process has used so far."""
    return Usage(cpu=time.process_time(), waited=_waited(), memory=_resident())


def _waited() -> float:
    try:
        threads = list(Path('/proc/self/task').glob('*/schedstat'))
        return sum(int(thread.read_text().split()[1]) for thread in threads) / 1e9
    except (OSError, IndexError):
        return 0.0


def _resident() -> int:
    try:
        return int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')
    except OSError:
        return 0


class Models:
    """Agents whose models write at the rate that was ordered, once they are told to."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._begun = 0
        self.go = asyncio.Event()
        self.began = 0.0
        self.half: Usage | None = None

    def agent(self) -> Agent[None, str]:
        return Agent(FunctionModel(stream_function=self._write))

    def start(self) -> None:
        self.began = time.monotonic()
        self.go.set()

    async def _write(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
        async for text in self.pieces():
            yield text

    async def pieces(self) -> AsyncGenerator[str]:
        """What one model writes."""
        order = self._order
        # Runs of many streams write in turn, not all at the same instant.
        phase = (self._begun % order.streams) / order.streams / order.rate
        self._begun += 1
        await self.go.wait()
        for number in range(order.events):
            due = self.began + phase + number / order.rate
            if (pause := due - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            if number == order.events // 2 and self.half is None:
                self.half = usage()
            yield piece(number, due)


def routes_of_ours(order: Order, models: Models) -> tuple[list[BaseRoute], Callable[[], Any], Any]:
    logs: dict[str, Callable[[], StreamLog]] = {
        'memory': MemoryLog,
        'sqlite': lambda: SQLiteLog(order.place),
        'redis': lambda: RedisLog(order.place, prefix=f'{{benchmark-{os.getpid()}}}'),
    }
    log = logs[order.way]()
    runner = StreamRunner(log, formats=[Frames(['text'])], at_once=order.streams)
    agent = models.agent()

    writing: list[asyncio.Task[None]] = []

    async def write(producer: Producer) -> None:
        async for text in models.pieces():
            await producer.append([frame('text', text=text).encode()])
        await producer.close([frame('end', finish='complete').encode()])

    async def without_agent() -> str:
        producer = await log.create(details={'formats': ['frames']})
        await producer.append([frame('start', stream=producer.stream_id).encode()])
        writing.append(asyncio.create_task(write(producer)))
        return producer.stream_id

    async def begin() -> str:
        if order.agents:
            return await runner.start(RunStream(agent.run_stream_events('Go')))
        return await without_agent()

    async def prepare() -> list[str]:
        return [f'/runs/{await begin()}' for _ in range(order.streams)]

    return [Mount('/runs', stream_router(runner, agent))], prepare, runner.lifespan


def routes_of_adapter(order: Order, models: Models) -> tuple[list[BaseRoute], Callable[[], Any], Any]:
    """Each viewer has the agent run anew: a run of the adapter has one client, and none can join it."""
    agent = models.agent()
    body = {
        'trigger': 'submit-message',
        'id': 'chat',
        'messages': [{'id': 'message', 'role': 'user', 'parts': [{'type': 'text', 'text': 'Go'}]}],
    }

    async def watch(request: Request) -> Response:
        adapter = VercelAIAdapter(agent=agent, run_input=VercelAIAdapter.build_run_input(json.dumps(body).encode()))
        return adapter.streaming_response(adapter.run_stream())

    async def prepare() -> list[str]:
        return ['/watch']

    return [Route('/watch', watch)], prepare, None


def routes_of_sse_starlette(order: Order, models: Models) -> tuple[list[BaseRoute], Callable[[], Any], Any]:
    """One run, whose text is put into a queue for each viewer: what one writes by hand. It keeps nothing."""
    from sse_starlette import EventSourceResponse

    agent = models.agent()
    queues: list[set[asyncio.Queue[str | None]]] = [set() for _ in range(order.streams)]
    runs: list[asyncio.Task[None]] = []

    async def run(number: int) -> None:
        async with agent.run_stream_events('Go') as events:
            async for event in events:
                if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                    text = event.part.content
                elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                    text = event.delta.content_delta
                else:
                    continue
                for queue in queues[number]:
                    queue.put_nowait(json.dumps({'type': 'text', 'text': text}))
        for queue in queues[number]:
            queue.put_nowait(None)

    async def watch(request: Request) -> Response:
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        mine = queues[int(request.path_params['number'])]

        async def pieces() -> AsyncIterator[dict[str, Any]]:
            mine.add(queue)
            offset = 0
            try:
                while (data := await queue.get()) is not None:
                    yield {'id': str(offset), 'data': data}
                    offset += 1
            finally:
                mine.discard(queue)

        return EventSourceResponse(pieces())

    async def prepare() -> list[str]:
        runs.extend(asyncio.create_task(run(number)) for number in range(order.streams))
        return [f'/watch/{number}' for number in range(order.streams)]

    return [Route('/watch/{number}', watch)], prepare, None


WAYS = {'adapter': routes_of_adapter, 'sse-starlette': routes_of_sse_starlette}


def application(order: Order) -> Starlette:
    """The routes of one way, and those that steer it."""
    models = Models(order)
    routes, prepared, lifespan = WAYS.get(order.way, routes_of_ours)(order, models)

    async def prepare(request: Request) -> JSONResponse:
        paths = await prepared()
        await asyncio.sleep(0.1)
        gc.collect()
        return JSONResponse(paths)

    async def go(request: Request) -> JSONResponse:
        gc.collect()
        used = usage()
        models.start()
        return JSONResponse(asdict(used))

    async def figures(request: Request) -> JSONResponse:
        half = None if models.half is None else asdict(models.half)
        return JSONResponse({'now': asdict(usage()), 'half': half})

    steering = [
        Route('/prepare', prepare, methods=['POST']),
        Route('/go', go, methods=['POST']),
        Route('/figures', figures, methods=['GET']),
    ]
    return Starlette(routes=[*steering, *routes], lifespan=lifespan)


def main(order: Order, listening: int) -> None:
    """Serve until the process is ended."""
    if order.core is not None and hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, {order.core})
    config = uvicorn.Config(
        application(order),
        http=order.http,
        loop=order.loop,
        ws='none',
        log_level='critical',
        access_log=False,
        timeout_graceful_shutdown=1,
        backlog=4096,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=listening)])


if __name__ == '__main__':
    main(Order(**json.loads(sys.argv[1])), int(sys.argv[2]))
