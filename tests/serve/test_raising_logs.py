"""The program's own logging raises, as a filter may that has a mistake: nobody is left waiting for it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.core.telling import told_to
from pydantic_ai_streaming.logs import StreamLog
from pydantic_ai_streaming.logs.upkeep import for_ever
from pydantic_ai_streaming.serve import StreamRunner, running
from pydantic_ai_streaming.testing import Fail, ScriptedModel, ToolCall

pytestmark = pytest.mark.virtual_time


class Raises(logging.Handler):
    told = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.told += 1
        raise OSError('the disk is full')


@pytest.fixture
def raises() -> Iterator[Raises]:
    handler = Raises()
    logger = logging.getLogger('pydantic_ai_streaming')
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


async def entries(log: StreamLog, stream_id: str) -> AsyncIterator[dict[str, Any]]:
    async with asyncio.timeout(60):
        async for part in await log.follow(stream_id):
            for entry in part.entries:
                yield json.loads(entry)


async def last_of(log: StreamLog, stream_id: str) -> dict[str, Any]:
    return [one async for one in entries(log, stream_id)][-1]


async def close(runner: StreamRunner) -> None:
    async with asyncio.timeout(60):
        await runner.close()


async def test_a_run_that_fails_has_an_end_and_its_runner_closes(
    raises: Raises, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = StreamRunner()
    failing = Agent(ScriptedModel(['One ', Fail(RuntimeError('broken'))]))
    stream_id = await runner.start(RunStream(failing.run_stream_events('Go')))
    last = await last_of(runner.log, stream_id)
    assert (last['type'], last['finish']) == ('error', 'failed')
    await close(runner)
    assert raises.told >= 1
    assert 'the disk is full' in capsys.readouterr().err


async def test_a_run_that_is_left_behind_has_an_end_and_its_runner_closes(raises: Raises) -> None:
    agent = Agent(ScriptedModel([ToolCall('stay', {})], ['done']))
    goes = asyncio.Event()

    @agent.tool_plain
    async def stay() -> str:
        while not goes.is_set():
            with suppress(asyncio.CancelledError):
                await goes.wait()
        return 'gone'

    runner = StreamRunner(patience=1, grace=1)
    stream_id = await runner.start(RunStream(agent.run_stream_events('Go')))
    await asyncio.sleep(1)
    await runner.stop(stream_id)
    last = await last_of(runner.log, stream_id)
    assert (last['type'], last['finish']) == ('end', 'stopped')
    await close(runner)
    assert raises.told >= 2  # of the stream, and when the runner was closed
    goes.set()
    await asyncio.sleep(1)


async def test_a_stream_has_an_end_although_it_cannot_be_said_how_its_run_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise RuntimeError('cannot be said')

    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    monkeypatch.setattr(running, 'ending_of', cannot)
    runner = StreamRunner()
    stream_id = await runner.start(RunStream(Agent(ScriptedModel(['One'])).run_stream_events('Go')))
    last = await last_of(runner.log, stream_id)
    assert (last['type'], last['finish']) == ('error', 'failed')
    await close(runner)
    assert [str(one['exception']) for one in told] == ['cannot be said']


async def test_work_that_goes_on_for_ever_does(raises: Raises) -> None:
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        raise RuntimeError('broken')

    working = asyncio.create_task(for_ever(work, at_most=1))
    await asyncio.sleep(5.5)
    assert (tries, raises.told) == (6, 6)
    working.cancel()
    await asyncio.wait([working])


def test_what_is_told_names_who_tells_it(caplog: pytest.LogCaptureFixture) -> None:
    told_to('pydantic_ai_streaming.test').warning('Stream %s', 'a')
    [record] = caplog.records
    assert (record.getMessage(), record.name, record.pathname) == ('Stream a', 'pydantic_ai_streaming.test', __file__)
