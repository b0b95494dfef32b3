"""What learners are told to type works where they are told it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pydantic_ai_streaming.course.calling import called_anywhere, called_here


class Machine:
    """A checkout with an environment in it, as far as names of files go."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root / 'checkout'
        self.bin = self.root / '.venv' / 'bin'
        self.script = self.bin / 'pydantic-ai-streaming'
        self.inside = self.root / 'streaming-lessons'
        self.inside.mkdir(parents=True)
        self.bin.mkdir(parents=True)
        for name in ('python', 'pydantic-ai-streaming'):
            (self.bin / name).touch(0o755)
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(sys, 'executable', str(self.bin / 'python'))
        self.finds(root)

    def finds(self, folder: Path) -> None:
        """Have the shell look for programs in one folder."""
        self._monkeypatch.setenv('PATH', str(folder))

    def called(self, argument: str, folder: Path | None = None) -> None:
        """Have it called from a folder."""
        self._monkeypatch.chdir(folder or self.root)
        self._monkeypatch.setattr(sys, 'argv', [argument])


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_the_python_of_the_environment_is_named_and_not_the_systems(machine: Machine) -> None:
    machine.called(str(machine.root / 'lessons' / '__main__.py'))
    assert called_here() == '.venv/bin/python -m lessons'
    machine.finds(machine.bin)
    assert called_here() == 'python -m lessons', 'in an environment that is activated'


def test_from_another_folder_the_whole_path_of_the_python_is_named(machine: Machine) -> None:
    machine.called('/anywhere/pydantic_ai_streaming/__main__.py', machine.inside)
    assert called_here() == f'{machine.bin}/python -m pydantic_ai_streaming lessons'


def test_the_script_is_named_as_it_was_typed(machine: Machine) -> None:
    machine.called('.venv/bin/pydantic-ai-streaming')
    assert called_here() == '.venv/bin/pydantic-ai-streaming lessons'
    machine.called('../.venv/bin/pydantic-ai-streaming', machine.inside)
    assert called_here() == '../.venv/bin/pydantic-ai-streaming lessons'
    machine.called(str(machine.script))
    machine.finds(machine.bin)
    assert called_here() == 'pydantic-ai-streaming lessons', 'a shell gives the whole path of what it has found'


def test_what_is_to_be_typed_in_another_folder_works_there(machine: Machine) -> None:
    machine.called(str(machine.root / 'lessons' / '__main__.py'))
    assert called_anywhere() == f'{machine.script} lessons', '`-m lessons` works in the checkout only'
    machine.finds(machine.bin)
    assert called_anywhere() == 'pydantic-ai-streaming lessons'
    machine.script.unlink()
    assert called_anywhere() == f'{machine.bin}/python -m pydantic_ai_streaming lessons'


def test_a_path_with_a_space_is_quoted(machine: Machine) -> None:
    machine.called('my env/bin/pydantic-ai-streaming')
    assert called_here() == '"my env/bin/pydantic-ai-streaming" lessons'
