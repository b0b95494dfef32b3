"""What `examples/README.md` says of the examples: how they are started, what they print, which lesson teaches them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pydantic_ai_streaming.course.contents import read_course

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / 'examples'
PAGE = (EXAMPLES / 'README.md').read_text('utf-8')
ROWS = [line for line in PAGE.splitlines() if line.startswith('| ') and '](' in line]
COMMANDS = [line for block in re.findall(r'^```sh\n(.*?)^```', PAGE, re.M | re.S) for line in block.splitlines()]
TRANSCRIPTS = re.findall(r'^```text\n\$ python (\S+)\n(.*?)^```', PAGE, re.M | re.S)
MEASURED = re.compile(r'\b\d+(?:\.\d+)?(?= ?s\b|/s)')


def run(*arguments: str) -> str:
    environment = {**os.environ, 'PYTHONIOENCODING': 'utf-8', 'COLUMNS': '80'}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, encoding='utf-8', check=True,
        timeout=60,
    ).stdout  # fmt: skip


def test_every_example_is_in_the_table() -> None:
    paths = [*EXAMPLES.glob('*.py'), *EXAMPLES.glob('*/run.py')]
    programs = {path.relative_to(EXAMPLES).as_posix() for path in paths}
    notebooks = {path.name for path in EXAMPLES.glob('*.ipynb')}
    linked = re.findall(r'\[`([^`]+)`\]\(([^)]+)\)', '\n'.join(ROWS))
    assert {name for name, _ in linked} == programs | notebooks
    assert all(name == target for name, target in linked)


def test_the_table_leads_to_the_lessons_that_there_are() -> None:
    course = read_course(ROOT / 'lessons')
    written = {lesson.name: str(int(lesson.short[1:])) for lesson in course.lessons}
    planned = {str(int(lesson.short[1:])) for lesson in course.planned}
    for row in ROWS:
        lessons = row.rstrip('| ').rpartition('|')[2]
        for number, name in re.findall(r'\[(\d+)\]\(\.\./lessons/(\w+)/', lessons):
            assert written.get(name) == number, f'there is no lesson {number} {name}'
        for number in re.findall(r'(\d+) \(to come\)', lessons):
            assert number in planned, f'lesson {number} is written: link to it'


@pytest.mark.parametrize('command', [command for command in COMMANDS if not command.startswith('pip ')])
def test_what_is_to_be_typed_can_be(command: str) -> None:
    _, *words = command.split()
    [path] = [word for word in words if word.startswith('examples/')]
    assert (ROOT / path).is_file()
    if options := {word for word in words if word.startswith('--')}:
        assert options <= set(re.findall(r'--[\w-]+', run(path, '--help')))


def test_what_is_to_be_installed_exists() -> None:
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text('utf-8'))['project']
    extras = re.findall(rf'\b{project["name"]}\[(\w+)\]', PAGE)
    assert extras
    assert set(extras) <= set(project['optional-dependencies'])


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 3


@pytest.mark.parametrize(('program', 'told'), TRANSCRIPTS)
def test_a_transcript_is_what_the_example_prints(program: str, told: str) -> None:
    lines = iter([MEASURED.sub('#', line).rstrip() for line in run(program).splitlines()])
    skips = False
    for line in told.splitlines():
        if line == '…':
            skips = True
            continue
        wanted = MEASURED.sub('#', line)
        printed = next(lines, None)
        while skips and printed is not None and printed != wanted:
            printed = next(lines, None)
        assert printed == wanted
        skips = False
    assert skips or next(lines, None) is None, 'the example prints more than is told'
