"""Every Python block of the README, `docs/`, `examples/` and the docstrings runs, and prints what its `#>` lines say.

In Markdown they are `# >`: ruff formats the blocks there.
"""

from __future__ import annotations

import ast
import asyncio
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.api_reference import PAGE, reference

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r'^( *)```python\n(.*?)^\1```', re.MULTILINE | re.DOTALL)
SAID = re.compile(r'^# ?>(.*)$', re.MULTILINE)
DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)


def pages() -> list[Path]:
    return [ROOT / 'README.md', ROOT / 'examples' / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def texts() -> Iterator[tuple[str, str]]:
    for path in pages():
        yield path.name, path.read_text('utf-8')
    for path in sorted((ROOT / 'src').rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text('utf-8'))):
            if isinstance(node, DOCUMENTED):
                yield f'{path.stem}.{getattr(node, "name", "module")}', ast.get_docstring(node) or ''


EXAMPLES = [
    pytest.param(textwrap.dedent(block[2]), id=f'{name}.{number}')
    for name, text in texts()
    for number, block in enumerate(BLOCK.finditer(text))
]


@pytest.fixture
def own_loop() -> Iterator[None]:
    """`run_sync` takes the thread's loop, and would leave open one that it has to make."""
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        yield
    asyncio.set_event_loop(None)


@pytest.mark.parametrize('code', EXAMPLES)
def test_the_example_runs_and_prints_what_it_says(
    code: str,
    own_loop: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {'__name__': '__main__'}
    exec(compile(code, 'example', 'exec', dont_inherit=True), names)
    said = [said[1].strip() for said in SAID.finditer(code)]
    printed = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert printed == said or not said


def test_there_are_examples_to_run() -> None:
    names = {str(example.id).rpartition('.')[0] for example in EXAMPLES}
    pages = {
        'README.md',
        'deadlines.md',
        'smoothing.md',
        'capabilities.md',
        'partial-outputs.md',
        'tool-calls.md',
        'side-by-side.md',
        'telemetry.md',
        'serving.md',
        'notebooks.md',
        'ways-out.md',
        'testing.md',
    }
    assert {*pages, 'stream.RunStream', 'arguments.arguments_of'} <= names


def test_the_examples_of_the_pages_say_what_they_print() -> None:
    pages = [example for example in EXAMPLES if '.md' in str(example.id)]
    assert sum(bool(SAID.search(str(example.values[0]))) for example in pages) >= 6


def test_the_api_reference_is_up_to_date() -> None:
    assert PAGE.read_text('utf-8') == reference(), 'run `make docs`'


def test_the_links_between_the_pages_lead_somewhere() -> None:
    for path in (*pages(), ROOT / 'CONTRIBUTING.md'):
        for target in re.findall(r'\]\((?!https?:)([^)#]+)', path.read_text('utf-8')):
            assert (path.parent / target).exists(), f'{path.name} links to {target}'
