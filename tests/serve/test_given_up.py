"""A client that does not read, over a real server: what is free when it is given up, and what the kernel has to do."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.serve import Frames, StreamRunner
from pydantic_ai_streaming.serve.following import FollowResponse
from pydantic_ai_streaming.serve.limits import Viewers
from pydantic_ai_streaming.testing import ScriptedModel
from tests.serve.serving import until

needs_linux = pytest.mark.skipif(not hasattr(socket, 'TCP_USER_TIMEOUT'), reason='it is a setting of Linux')


class Site:
    """A stream of 8 MB, and one client of it at most, with the patience of a second."""

    def __init__(self) -> None:
        self.viewers = Viewers(1, 1)
        self.runner = StreamRunner(formats=[Frames(['text'])])
        self.app = Starlette(routes=[Route('/', self.answer)], lifespan=self.runner.lifespan)

    async def answer(self, request: Request) -> FollowResponse:
        self.viewers.refuse(None)
        follower = await self.runner.log.follow('a')
        here = lambda: self.viewers.here(None)  # noqa: E731
        return FollowResponse(follower, 'a', self.runner.formats['frames'], patience=1.0, here=here)

    @asynccontextmanager
    async def serving(self, listening: socket.socket) -> AsyncGenerator[uvicorn.Server]:
        server = uvicorn.Server(uvicorn.Config(self.app, log_level='critical', timeout_graceful_shutdown=1))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            await until(lambda: server.started)
            agent = Agent(ScriptedModel(['x' * 20_000] * 400))
            await self.runner.start(RunStream(agent.run_stream_events('Go')), stream_id='a')
            await until(lambda: not self.runner.ids)
            yield server
        finally:
            server.should_exit = True
            await task
            listening.close()


async def never_reads(listening: socket.socket) -> socket.socket:
    one = socket.socket()
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(one, listening.getsockname())
    await loop.sock_sendall(one, b'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
    return one


@pytest.mark.parametrize('kernel', [False, pytest.param(True, marks=needs_linux)])
async def test_the_place_of_a_client_that_reads_nothing_is_free_and_its_connection_if_the_kernel_is_told(
    kernel: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    site = Site()
    listening = socket.create_server(('127.0.0.1', 0))
    if kernel:  # every connection that is accepted has it from the socket that listens
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1500)
    async with site.serving(listening) as server:
        connections = server.server_state.connections
        with await never_reads(listening):
            await until(lambda: server.server_state.tasks)
            await until(lambda: not server.server_state.tasks)
            site.viewers.refuse(None)
            (connection,) = connections
            assert connection.transport.is_closing()
            if kernel:
                await until(lambda: not connections)
            else:
                await asyncio.sleep(3)
                assert connections
