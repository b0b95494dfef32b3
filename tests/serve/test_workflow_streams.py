"""A workflow of DBOS whose process is killed in mid step, or that is stopped: who reads along sees each piece once."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pydantic_ai_streaming.errors import StreamLogError
from pydantic_ai_streaming.logs import SQLiteLog
from tests.serve.serving import until

pytest.importorskip('dbos')

ROOT = Path(__file__).parent.parent.parent
TOKENS = [f'{number} ' for number in range(80)]
KILLED_AFTER = 20


async def worker(directory: Path, *workflow: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, '-m', 'tests.serve.workflow_worker', str(directory), *workflow, cwd=ROOT
    )


async def followed(log: SQLiteLog, stream_id: str, frames: list[dict[str, Any]]) -> None:
    while True:
        try:
            follower = await log.follow(stream_id)
            break
        except StreamLogError:
            await asyncio.sleep(0.02)
    async for part in follower:
        frames += map(json.loads, part.entries)


def tokens_of(frames: list[dict[str, Any]]) -> list[str]:
    return [one['text'] for one in frames if one['type'] == 'text' and not one['text'].startswith('Let')]


async def killed(directory: Path, log: SQLiteLog, stream_id: str, frames: list[dict[str, Any]]) -> asyncio.Task[None]:
    """Kill the process of the workflow in the middle of a step; who follows its stream goes on."""
    following = asyncio.create_task(followed(log, stream_id, frames))
    first = await worker(directory, 'flow')
    await until(lambda: len(tokens_of(frames)) >= KILLED_AFTER, within=30)
    first.kill()
    await first.wait()
    return following


async def killed_and_recovered(directory: Path, stream_id: str, *, ends: bool = True) -> list[dict[str, Any]]:
    """The frames that one who follows all the time has seen."""
    frames: list[dict[str, Any]] = []
    async with SQLiteLog(directory / 'streams.db') as log, asyncio.timeout(60):
        following = await killed(directory, log, stream_id, frames)
        second = await worker(directory)
        assert await second.wait() == 0
        if not ends:
            await asyncio.sleep(0.5)
            following.cancel()
        await asyncio.wait([following])
    return frames


def shown(frames: list[dict[str, Any]]) -> str:
    """What a page shows."""
    text = ''
    for one in frames:
        if one['type'] == 'text':
            text += one['text']
        elif one['type'] == 'retraction':
            assert text.endswith(one['text'])
            text = text.removesuffix(one['text'])
    return text


async def test_each_token_is_seen_once_though_its_step_was_run_twice(tmp_path: Path) -> None:
    frames = await killed_and_recovered(tmp_path, 'flow')
    assert (tmp_path / 'attempts').read_text() == '..'
    assert (tmp_path / 'tools').read_text() == '.'
    assert tokens_of(frames) == TOKENS
    assert [one['type'] for one in frames].count('retraction') == 0
    assert [one['state'] for one in frames if one['type'] == 'tool_call'] == ['running', 'returned']
    assert (frames[0]['type'], frames[-1]) == ('start', {'type': 'end', 'finish': 'complete'})


async def test_what_a_second_attempt_says_otherwise_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / 'says-something-else').touch()
    frames = await killed_and_recovered(tmp_path, 'flow')
    (retraction,) = [one for one in frames if one['type'] == 'retraction']
    assert retraction['text'].startswith(' 11 12 ')
    assert shown(frames) == 'Let me see. ' + ''.join(TOKENS[:10]) + ''.join(f'{number}! ' for number in range(10, 80))


async def test_without_it_what_was_seen_before_the_kill_comes_twice(tmp_path: Path) -> None:
    (tmp_path / 'bare').touch()
    frames = await killed_and_recovered(tmp_path, 'bare', ends=False)
    seen = tokens_of(frames)
    twice = [token for token in TOKENS if seen.count(token) == 2]
    assert len(twice) >= KILLED_AFTER


async def stopped(directory: Path, stream_id: str, *, by: Callable[[SQLiteLog], Awaitable[object]]) -> list[Any]:
    """The frames of a workflow that somebody stops while it runs."""
    frames: list[dict[str, Any]] = []
    async with SQLiteLog(directory / 'streams.db') as log, asyncio.timeout(60):
        following = asyncio.create_task(followed(log, stream_id, frames))
        running = await worker(directory, stream_id)
        await until(lambda: len(tokens_of(frames)) >= KILLED_AFTER, within=30)
        await by(log)
        await following
        assert await running.wait() == 0
    return frames


async def assert_is_over(directory: Path) -> None:
    """Nobody goes on with it."""
    again = await worker(directory)
    assert await again.wait() == 0
    assert (directory / 'status').read_text() == 'CANCELLED'
    assert (directory / 'attempts').read_text() == '.'


async def test_who_stops_the_stream_in_another_process_has_the_workflow_cancelled_in_mid_step(tmp_path: Path) -> None:
    frames = await stopped(tmp_path, 'flow', by=lambda log: log.stop('flow'))
    assert frames[-1] == {'type': 'end', 'finish': 'stopped'}
    assert len(tokens_of(frames)) < len(TOKENS) - 10, 'the step was not waited for'
    await assert_is_over(tmp_path)


async def test_a_stop_that_comes_when_no_process_runs_the_workflow_is_obeyed_by_the_next(tmp_path: Path) -> None:
    frames: list[dict[str, Any]] = []
    async with SQLiteLog(tmp_path / 'streams.db') as log, asyncio.timeout(60):
        following = await killed(tmp_path, log, 'flow', frames)
        assert await log.stop('flow')
        second = await worker(tmp_path)
        assert await second.wait() == 0
        await following
    assert frames[-1] == {'type': 'end', 'finish': 'stopped'}
    assert len(tokens_of(frames)) < len(TOKENS) - 10
    assert (tmp_path / 'status').read_text() == 'CANCELLED'


async def test_a_workflow_that_no_process_runs_can_be_stopped_for_good(tmp_path: Path) -> None:
    frames: list[dict[str, Any]] = []
    async with SQLiteLog(tmp_path / 'streams.db') as log, asyncio.timeout(60):
        following = await killed(tmp_path, log, 'flow', frames)
        stopping = await worker(tmp_path, 'stop', 'flow')
        assert await stopping.wait() == 0
        await following
    assert frames[-1] == {'type': 'end', 'finish': 'stopped'}
    await assert_is_over(tmp_path)
