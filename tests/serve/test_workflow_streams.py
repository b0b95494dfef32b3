"""A workflow of DBOS whose process is killed in mid step: who reads along sees each piece once."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import Process
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


async def killed_and_recovered(directory: Path, stream_id: str, *, ends: bool = True) -> list[dict[str, Any]]:
    """The frames that one who follows all the time has seen."""
    frames: list[dict[str, Any]] = []
    async with SQLiteLog(directory / 'streams.db') as log, asyncio.timeout(60):
        following = asyncio.create_task(followed(log, stream_id, frames))
        first = await worker(directory, 'flow')
        await until(lambda: len(tokens_of(frames)) >= KILLED_AFTER, within=30)
        first.kill()
        await first.wait()
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
