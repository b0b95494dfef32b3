"""The protocol's own tests: `@durable-streams/server-conformance-tests`, run by Node against real servers."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pydantic_ai_streaming.logs import MemoryBackend
from pydantic_ai_streaming.serve import DurableStreamsLimits
from tests.logs.places import Kind, LogPlace
from tests.npm import needs_npm, packages_in
from tests.serve.durable.places import PLACES, workers
from tests.serve.serving import serving_app

NUMBER_OF_TESTS = 332
NOT_PART_OF_IT = 'Reserved subscription APIs'
"""Webhooks, which the protocol leaves to servers that want them."""
TIMED = 'TTL Expiration Behavior|Fork - TTL and Expiry'
"""Tests that wait for streams to expire: they have nothing to do but need an answer in time."""

FOLDER = Path(__file__).parent

pytestmark = needs_npm


@dataclass
class Told:
    """What the tests have said of a server: which there are, which were passed, and why the others were not."""

    names: set[str] = field(default_factory=set[str])
    passed: set[str] = field(default_factory=set[str])
    failures: list[str] = field(default_factory=list[str])


async def run(servers: dict[str, str], pattern: str, at_once: int, report: Path) -> list[dict[str, Any]]:
    """The outcomes of those tests whose names fit, on each server."""
    vitest = FOLDER / 'node_modules' / 'vitest' / 'vitest.mjs'
    options = ['run', '-t', pattern, '--reporter=json', f'--outputFile={report}']
    environment = {'STREAM_SERVERS': json.dumps(servers), 'STREAM_TESTS_AT_ONCE': str(at_once), 'NO_COLOR': '1'}
    node = await asyncio.create_subprocess_exec(
        'node',
        str(vitest),
        *options,
        cwd=FOLDER,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await node.communicate()
    return outcomes_in(report, said.decode())


def outcomes_in(report: Path, said: str) -> list[dict[str, Any]]:
    """What a report tells of each test."""
    assert report.exists(), said
    [file] = json.loads(report.read_text('utf-8'))['testResults']
    return file['assertionResults']


def place_of(kind: Kind, folder: Path, redis: str | None) -> LogPlace:
    """An empty place for streams."""
    if kind == 'memory':
        return LogPlace('memory', memory=MemoryBackend())
    return LogPlace('sqlite', str(folder / 'streams.db')) if kind == 'sqlite' else LogPlace('redis', redis or '')


async def ask_all(folder: Path, redis: str | None) -> dict[str, Told]:
    """Serve from every place, and have the tests ask each."""
    async with AsyncExitStack() as stack:
        servers: dict[str, str] = {}
        for name, (kind, count) in PLACES.items():
            if kind == 'redis' and redis is None:
                continue
            place = dataclasses.replace(place_of(kind, folder, redis), name=f'workers-{count}')
            app = await stack.enter_async_context(workers(place, count, limits=DurableStreamsLimits(long_poll=0.5)))
            servers[name] = f'http://{await stack.enter_async_context(serving_app(app))}'
        # Those that wait come last, and all together: nothing else is to be done meanwhile.
        outcomes = await run(servers, f'^(?!.*({TIMED}|{NOT_PART_OF_IT}))', 8, folder / 'prompt.json')
        outcomes += await run(servers, TIMED, 64, folder / 'timed.json')
    told = {name: Told() for name in servers}
    for outcome in outcomes:
        place, subject, *_ = outcome['ancestorTitles']
        one = told[place]
        if subject != NOT_PART_OF_IT:
            one.names.add(outcome['fullName'])
        if outcome['status'] == 'passed':
            one.passed.add(outcome['fullName'])
        elif outcome['status'] == 'failed':
            one.failures.append(f'{outcome["fullName"]}: {outcome["failureMessages"][0][:500]}')
    return told


@pytest.fixture(scope='module')
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    packages_in(FOLDER)
    redis = None if shutil.which('redis-server') is None else request.getfixturevalue('redis_server').url
    return asyncio.run(ask_all(tmp_path_factory.mktemp('conformance'), redis))


@pytest.mark.parametrize('place', PLACES)
def test_the_server_passes_every_test_of_the_protocol(told: dict[str, Told], place: str) -> None:
    if place not in told:
        pytest.skip('redis-server is not installed')
    one = told[place]
    assert not one.failures
    assert one.passed == one.names
    assert len(one.passed) == NUMBER_OF_TESTS
