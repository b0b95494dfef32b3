"""The programs in `examples/` run."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parent.parent / 'examples'


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f'{name}.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.virtual_time
async def test_watch_a_run_answers_twice_and_shows_the_tool(capsys: pytest.CaptureFixture[str]) -> None:
    await load('watch_a_run').main(None)
    printed = capsys.readouterr().out
    assert printed.startswith('model: scripted\n')
    assert '→ tide {"port": "Farland"}' in printed
    assert 'sail before noon' in printed
    assert 'the last hour of the flood' in printed
    assert printed.count('tokens') == 2
