"""What a run writes into its log, write by write, and what becomes of a run whose log does not take it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.core.pacing import Smoothing
from pydantic_ai_streaming.errors import StoreError
from pydantic_ai_streaming.logs import MemoryBackend, StreamLog, Write
from pydantic_ai_streaming.serve import AGUI, AISDK, Frames, StreamRunner, WireFormat
from pydantic_ai_streaming.testing import Fail, ScriptedModel

pytestmark = pytest.mark.virtual_time

ENDS = ('end', 'error', 'finish', 'abort', 'RUN_FINISHED', 'RUN_ERROR')


class Noted(MemoryBackend):
    """Notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Write] = []

    async def commit(self, writes: Sequence[Write]) -> Any:
        self.writes += writes
        await asyncio.sleep(0.01)
        return await super().commit(writes)


def run(*steps: Any) -> RunStream[Any]:
    return RunStream(Agent(ScriptedModel([*steps], gap=0.1)).run_stream_events('Go'))


def kinds(write: Write, formats: Sequence[WireFormat]) -> list[str]:
    texts = [payload for entry in write.entries for one in formats if (payload := one.payload(entry)) is not None]
    return [json.loads(text)['type'] for text in texts if text != b'[DONE]']


@pytest.mark.parametrize(
    'formats', [[Frames()], [Frames(smoothing=Smoothing())], [AISDK()], [AGUI()], [AISDK(), AGUI(), Frames()]]
)
@pytest.mark.parametrize('how', ['complete', 'failed', 'stopped'])
async def test_how_a_run_ended_is_written_in_one_step_with_the_end_of_the_stream(
    formats: list[WireFormat], how: str
) -> None:
    backend = Noted()
    async with StreamRunner(StreamLog(backend), formats=formats) as runner:
        last = [Fail(RuntimeError('broken'))] if how == 'failed' else []
        stream_id = await runner.start(run('One ', 'two ', 'three.', *last))
        if how == 'stopped':
            await asyncio.sleep(0.25)
            await runner.stop(stream_id)
        async for _ in await runner.log.follow(stream_id):
            pass
    written = [(kinds(one, formats), one.close) for one in backend.writes if one.entries]
    assert len(written) > 2
    for types, close in written:
        assert bool(set(types) & {*ENDS}) == close, written
    assert written[-1][1]


class Full(Noted):
    """Takes no entries for a while, and says so in one way or another."""

    is_full = False

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def commit(self, writes: Sequence[Write]) -> Any:
        if not self.is_full:
            return await super().commit(writes)
        if not isinstance(self.error, StoreError) and any(one.entries for one in writes):
            raise self.error
        outcomes = list(await super().commit([one for one in writes if not one.entries]))
        return [self.error if one.entries else outcomes.pop(0) for one in writes]


@pytest.mark.parametrize('error', [StoreError('full', reason='full'), RuntimeError('broken')], ids=['full', 'broken'])
async def test_a_run_whose_log_is_full_is_stopped_and_its_stream_ends_once_there_is_room(error: Exception) -> None:
    backend = Full(error)
    clock = asyncio.get_running_loop().time
    async with StreamRunner(StreamLog(backend, lease=3.0), formats=[Frames()]) as runner:
        stream = run(*['word '] * 1000)
        stream_id = await runner.start(stream)
        await asyncio.sleep(1.0)
        backend.is_full = True
        await asyncio.sleep(1.0)
        assert runner.ids == []
        assert stream.finish == 'stopped'
        backend.is_full = False
        until = clock() + runner.log.lease + 2
        entries = [entry async for part in await runner.log.follow(stream_id) for entry in part.entries]
        assert clock() <= until
        assert json.loads(entries[-1])['finish'] == 'lost'


class Clumsy(Frames):
    async def encode(self, *args: Any, **options: Any) -> AsyncIterator[str]:
        async for text in super().encode(*args, **options):
            if 'three' in text:
                raise ValueError('a secret of the program')
            yield text


async def test_a_format_that_fails_tells_under_which_id_the_program_has_why(caplog: pytest.LogCaptureFixture) -> None:
    async with StreamRunner(formats=[Clumsy(['text'])]) as runner:
        stream_id = await runner.start(run('one ', 'two ', 'three ', 'four '))
        entries = [entry async for part in await runner.log.follow(stream_id) for entry in part.entries]
    last = json.loads(entries[-1])
    assert b'secret' not in b''.join(entries)
    assert (last['type'], last['finish']) == ('error', 'failed')
    assert last['error_id'] in caplog.text
    assert 'a secret of the program' in caplog.text
