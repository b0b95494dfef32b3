"""The example of a chat in the browser, started with what is not there: it says so in a line, and does not start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent.parent / 'examples' / 'web_chat' / 'run.py'

IN_MEMORY = 'Without --log, runs are kept in memory.'
WRITABLE = 'Does its directory exist, and may it be written?'
WHICH = 'use memory, sqlite:PATH or redis://HOST.'


@pytest.mark.parametrize(
    ('option', 'value', 'says'),
    [
        ('--log', 'redis://127.0.0.1:1', ['redis://127.0.0.1:1', 'cannot be reached', IN_MEMORY]),
        ('--log', 'redis://me:secret@127.0.0.1:1', ['redis://127.0.0.1:1', 'cannot be reached', IN_MEMORY]),
        ('--log', 'sqlite:nowhere/runs.db', ['nowhere/runs.db', WRITABLE, IN_MEMORY]),
        ('--log', 'sqlite:.', ['cannot be opened', WRITABLE, IN_MEMORY]),
        ('--log', 'sqlite:', ['the path is missing', WHICH]),
        ('--log', 'redis://[me', ['Invalid IPv6 URL', WHICH]),
        ('--log', 'redisx', [WHICH]),
        ('--log', 'postgres://localhost', ['there is no such log', WHICH]),
        ('--chats', 'nowhere/chats.db', ['nowhere/chats.db', WRITABLE]),
    ],
)
def test_what_is_not_there_is_said_in_a_line_and_nothing_is_served(
    tmp_path: Path, option: str, value: str, says: list[str]
) -> None:
    command = [sys.executable, str(RUN), option, value]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count('\n') == 1
    assert ended.stderr.startswith(f'{option}: ')
    assert [one for one in says if one not in ended.stderr] == []
    assert 'secret' not in ended.stderr
    assert ended.stdout == ''
