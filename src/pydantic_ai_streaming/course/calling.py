"""What one types to call the course, told from how it was called."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

__all__ = ['called_anywhere', 'called_here', 'quoted']

SCRIPT = 'pydantic-ai-streaming'
MODULES = {'lessons': 'lessons', 'pydantic_ai_streaming': 'pydantic_ai_streaming lessons'}
"""The packages that can be called with `python -m`, and what follows it."""


def called_here() -> str:
    """What calls it again from the current folder, as it was called now.

    Example:
        >>> from unittest import mock
        >>> with mock.patch('sys.argv', ['../.venv/bin/pydantic-ai-streaming']):
        ...     called_here()
        '../.venv/bin/pydantic-ai-streaming lessons'
    """
    called = Path(sys.argv[0])
    if called.stem == SCRIPT:
        return f'{_typed(SCRIPT, sys.argv[0])} lessons'
    if called.name == '__main__.py' and called.parent.name in MODULES:
        return f'{_python()} -m {MODULES[called.parent.name]}'
    return f'{SCRIPT} lessons'


def called_anywhere() -> str:
    """What calls it from any folder: the script of this environment, by its whole path unless a shell finds it."""
    script = Path(sys.executable).with_name(f'{SCRIPT}{Path(sys.executable).suffix if sys.platform == "win32" else ""}')
    if script.is_file():
        return f'{_typed(SCRIPT, str(script))} lessons'
    return f'{quoted(sys.executable)} -m {MODULES["pydantic_ai_streaming"]}'


def quoted(path: Path | str) -> str:
    """A path, as one types it.

    Example:
        >>> quoted('my lessons'), quoted('lessons')
        ('"my lessons"', 'lessons')
    """
    return f'"{path}"' if ' ' in str(path) else str(path)


def _typed(name: str, path: str) -> str:
    """The bare name, if a shell finds that file by it."""
    found = shutil.which(name)
    return name if found is not None and Path(found).absolute() == Path(path).absolute() else quoted(path)


def _python() -> str:
    """This Python: by its name, from here, or by its whole path."""
    python = Path(sys.executable)
    typed = _typed(python.stem, sys.executable)
    if typed != python.stem and python.is_relative_to(Path.cwd()):
        return quoted(str(python.relative_to(Path.cwd())))
    return typed
