"""Every example in the testing kit's docstrings runs."""

from __future__ import annotations

import ast
import asyncio
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / 'src' / 'pydantic_ai_streaming' / 'testing'
DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)


def examples() -> Iterator[object]:
    for path in sorted(ROOT.glob('*.py')):
        for node in ast.walk(ast.parse(path.read_text('utf-8'))):
            if isinstance(node, DOCUMENTED):
                docstring = ast.get_docstring(node) or ''
                name = getattr(node, 'name', 'module')
                for number, code in enumerate(re.findall(r'^( *)```python\n(.*?)^\1```', docstring, re.M | re.S)):
                    yield pytest.param(textwrap.dedent(code[1]), id=f'{path.stem}.{name}.{number}')


@pytest.fixture
def own_loop() -> Iterator[None]:
    """`run_sync` takes the thread's loop, and would leave open one that it has to make."""
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        yield
    asyncio.set_event_loop(None)


@pytest.mark.parametrize('code', list(examples()))
def test_the_example_runs(code: str, own_loop: None) -> None:
    exec(compile(code, 'example', 'exec'), {'__name__': 'example'})
