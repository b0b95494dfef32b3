"""The example of a chat in the browser, in a real Chromium: whatever one does, nothing is lost and nothing asked twice.

Where a scene needs the run to be somewhere, it has the clock of the server stand still until it has done what it does.
Screenshots are left in tests/browser/screenshots for a person to look at.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.npm import needs_npm, packages_in
from tests.servers import start_redis

ROOT = Path(__file__).parent.parent
BROWSER = ROOT / 'tests' / 'browser'
SCREENSHOTS = BROWSER / 'screenshots'
CHROMIUM = os.environ.get('CHROMIUM') or shutil.which('chromium') or shutil.which('google-chrome')

pytestmark = [
    needs_npm,
    pytest.mark.skipif(
        CHROMIUM is None, reason='no browser: `make services` installs chromium from Debian (as root), or set CHROMIUM'
    ),
]

TEXT = (
    'Farland has two harbours, and the boat calls at the old one first. Get off there: the road to the lighthouse '
    'begins behind the fish hall, it is flat, and bicycles are for rent next to it. Bring a coat, since the wind comes '
    'without a warning. I look up the boats before I promise anything.'
)
TRIP = [
    'A day in Farland',
    '13:15',
    '42.50',
    'the old harbour → the fish hall → the lighthouse → the beach behind it',
    'Buy the ticket on the pier, and sit on the left side when the wind comes from the west.',
]


@pytest.fixture(scope='module')
def driver() -> Path:
    """The script that does what a person would."""
    packages_in(BROWSER)
    SCREENSHOTS.mkdir(exist_ok=True)
    return BROWSER / 'drive.mjs'


@dataclass
class Server:
    """The command that the README names, and its clock."""

    address: str
    process: subprocess.Popen[bytes]

    def hold(self) -> None:
        self.process.send_signal(signal.SIGUSR1)

    def go(self) -> None:
        self.process.send_signal(signal.SIGUSR2)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with started(tmp_path) as server:
        yield server


@contextmanager
def started(tmp_path: Path, *arguments: str) -> Generator[Server]:
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(BROWSER / 'held.py'), '--port', str(port), '--chats', str(tmp_path / 'chats.db')]
    with (tmp_path / 'log').open('wb') as log:
        process = subprocess.Popen([*command, '--gap', '0.03', *arguments], stdout=log, stderr=log)
        try:
            until = time.monotonic() + 200  # the first one builds the page
            while not answers(f'http://127.0.0.1:{port}/counts'):
                going = process.poll() is None and time.monotonic() < until
                assert going, (tmp_path / 'log').read_text()
                time.sleep(0.1)
            yield Server(f'http://127.0.0.1:{port}', process)
        finally:
            process.terminate()
            process.wait(20)


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2):
            return True
    except (URLError, OSError):
        return False


def play(driver: Path, scene: str, server: Server, **more: Callable[[], None]) -> dict[str, Any]:
    """Play a scene, and do what it asks for, by its name; what was seen."""
    steps = {'hold': server.hold, 'go': server.go, **more}
    command = ['node', str(driver), scene, server.address, str(SCREENSHOTS), str(CHROMIUM)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as playing:
        late = Timer(150, playing.kill)
        late.start()
        assert playing.stdin is not None
        assert playing.stdout is not None
        while (line := playing.stdout.readline()).strip() in steps:
            steps[line.strip()]()
            playing.stdin.write('\n')
            playing.stdin.flush()
        rest, error = playing.communicate()
        late.cancel()
    assert playing.returncode == 0, error
    told = json.loads(line + rest)
    assert told.pop('problems') == []
    return told


def test_text_grows_behind_a_cursor_and_the_answer_fills_in(driver: Path, server: Server) -> None:
    told = play(driver, 'answer', server)
    assert told['writing'] == 1
    assert told['cursors'] == 0
    texts, fields = told['texts'], told['fields']
    assert len(texts) > 10
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert fields == sorted(fields)
    assert fields[0] < len(TRIP) == fields[-1]
    assert 2 <= told['filled'] < len(TRIP)
    assert (told['text'], told['trip'], told['timelines']) == (TEXT, TRIP, 1)
    assert told['tools'] == ['timetable returned']
    assert (told['runs'], told['tool_runs']) == (1, 1)


def test_stop_ends_the_run_on_the_server_and_what_was_shown_is_kept(driver: Path, server: Server) -> None:
    told = play(driver, 'stop', server)
    stopped, later = told['stopped'], told['later']
    assert 0 < len(stopped['text']) < len(TEXT)
    assert TEXT.startswith(stopped['text'])
    assert later['text'] == stopped['text']
    assert (later['runs'], later['tool_runs'], later['users']) == (1, 0, 1)


@pytest.mark.parametrize('scene', ['reload', 'offline', 'early'])
def test_nothing_is_lost_nothing_comes_twice_and_no_tool_runs_again(driver: Path, server: Server, scene: str) -> None:
    told = play(driver, scene, server)
    assert (told['text'], told['trip']) == (TEXT, TRIP)
    assert (told['assistants'], told['users'], told['trips'], told['timelines']) == (1, 1, 1, 1)
    assert (told['runs'], told['tool_runs']) == (1, 1)
    if scene == 'reload':
        assert 60 <= len(told['before']) < len(TEXT)
        assert TEXT.startswith(told['after'])
        assert told['after'].startswith(told['before'])
    if scene == 'offline':
        assert told['still'] == told['frozen'] != TEXT


def test_an_answer_that_ends_while_nobody_is_there_is_there_afterwards(driver: Path, server: Server) -> None:
    told = play(driver, 'away', server)
    assert (told['text'], told['trip']) == (TEXT, TRIP)
    assert (told['assistants'], told['users'], told['trips']) == (1, 1, 1)
    assert (told['runs'], told['tool_runs']) == (1, 1)


def test_an_answer_is_there_once_and_with_its_question_though_it_ends_while_the_page_loads(
    driver: Path, server: Server
) -> None:
    told = play(driver, 'seams', server)
    for page in (told['answered'], told['unasked']):
        assert (page['text'], page['trip']) == (TEXT, TRIP)
        assert (page['assistants'], page['users'], page['trips']) == (1, 1, 1)


def test_a_second_tab_sees_the_same(driver: Path, server: Server) -> None:
    told = play(driver, 'tabs', server)
    for tab in told.values():
        assert (tab['text'], tab['trip'], tab['assistants']) == (TEXT, TRIP, 1)
        assert (tab['runs'], tab['tool_runs']) == (1, 1)


def test_the_page_without_a_build_step_does_the_same(driver: Path, server: Server) -> None:
    told = play(driver, 'plain', server)
    assert told['text'] == TEXT
    assert told['output']['advice'] == TRIP[-1]
    assert 0 < len(told['stopped']) < len(TEXT)
    assert (told['runs'], told['tool_runs']) == (2, 1)


def test_a_stop_that_comes_before_it_is_known_what_to_stop_stops_it(driver: Path, server: Server) -> None:
    told = play(driver, 'hasty', server)
    assert (told['status'], told['runs'], told['tool_runs']) == ('stopped', 1, 0)


def test_a_page_outlasts_a_log_that_is_away_without_asking_twice(driver: Path, tmp_path: Path) -> None:
    with start_redis() as redis, started(tmp_path, '--log', redis.url) as server:
        told = play(driver, 'outage', server, down=redis.stop, up=redis.start)
    assert told['disabled']
    assert (told['first']['text'], told['first']['trip']) == (TEXT, TRIP)
    assert (told['first']['users'], told['first']['trips'], told['first']['tool_runs']) == (1, 1, 1)
    assert (told['second']['users'], told['second']['trips'], told['second']['tool_runs']) == (2, 2, 2)


def test_the_page_without_a_build_step_outlasts_it_too(driver: Path, tmp_path: Path) -> None:
    with start_redis() as redis, started(tmp_path, '--log', redis.url) as server:
        told = play(driver, 'plainOutage', server, down=redis.stop, up=redis.start)
    assert (told['text'], told['tool_runs']) == (TEXT, 1)
