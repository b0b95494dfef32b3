"""The example of a chat in a terminal: it remembers, Ctrl-C stops an answer, and it survives being killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / 'examples'


def chat_in_a_pipe(file: Path, said: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLES / 'terminal_chat.py', '--file', file, *options],
        env={**os.environ, 'PYTHONIOENCODING': 'utf-8'},
        input=said,
        capture_output=True,
        encoding='utf-8',
        timeout=60,
        check=False,
    )


def test_the_chat_remembers_what_was_said(tmp_path: Path) -> None:
    first = chat_in_a_pipe(tmp_path / 'chats.db', 'When can I sail?\n/again\n/unknown\n/quit\n')
    assert (first.returncode, first.stderr) == (0, '')
    assert first.stdout.startswith('model: scripted · conversation: sailing · /help\n> When can I sail?\n')
    assert re.search(r'← tide \d\.\d s: high water at Farland: 12:04', first.stdout)
    assert len(re.findall(r'returned \d\.\d\d s', first.stdout)) == 4, 'two tools in the picture of each turn'
    assert 'ask something else in its place' in first.stdout, 'a command that is none is told which there are'
    second = chat_in_a_pipe(tmp_path / 'chats.db', '/edit And the wind?\n')
    assert '> When can I sail?\nWith a deeper keel' in second.stdout, 'the second answer, in place of the first'
    third = chat_in_a_pipe(tmp_path / 'chats.db', '/history\n')
    assert third.stdout.count('> And the wind?') == 2
    assert '> When can I sail?' not in third.stdout
    listed = chat_in_a_pipe(tmp_path / 'chats.db', '', '--list')
    assert re.fullmatch(r'\d{4}-\d\d-\d\d \d\d:\d\d +6 requests  sailing\n', listed.stdout)


def test_ctrl_c_stops_the_answer_and_not_the_chat(tmp_path: Path) -> None:
    termios = pytest.importorskip('termios', reason='pseudo-terminals are of Unix')
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen(
        [sys.executable, EXAMPLES / 'terminal_chat.py', '--file', tmp_path / 'chats.db'],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, 'TERM': 'xterm', 'PYTHONIOENCODING': 'utf-8'},
        start_new_session=True,
    )
    os.close(theirs)
    read_until(ours, '/help')
    os.write(ours, b'When can I sail?\n')
    read_until(ours, 'High water')
    process.send_signal(signal.SIGINT)
    read_until(ours, 'what came is kept')
    os.write(ours, b'/history\n')
    written = read_until(ours, '(interrupted)')
    assert 'Traceback' not in written
    assert 'High water' in written
    os.write(ours, b'/quit\n')
    assert process.wait(20) == 0
    os.close(ours)


def read_until(terminal: int, text: str) -> str:
    written, deadline = '', time.monotonic() + 30
    while text not in written:
        assert time.monotonic() < deadline, written
        written += os.read(terminal, 65536).decode(errors='replace')
    return written


def test_a_chat_whose_program_is_killed_opens_with_what_had_come(tmp_path: Path) -> None:
    command = [sys.executable, '-u', EXAMPLES / 'terminal_chat.py', '--file', tmp_path / 'chats.db']
    environment = {**os.environ, 'PYTHONIOENCODING': 'utf-8'}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding='utf-8'
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write('When can I sail?\n')
        process.stdin.flush()
        written = ''
        while 'sail before' not in written:
            piece = process.stdout.read(1)
            assert piece, written
            written += piece
        time.sleep(0.6)
        process.kill()
    again = chat_in_a_pipe(tmp_path / 'chats.db', '')
    assert '> When can I sail?\nHigh water is at 12:04, so **sail' in again.stdout
    assert '(interrupted)' in again.stdout
    assert 'the last answer was not saved: its program has ended' in again.stdout
