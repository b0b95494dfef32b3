"""A learner's file, loaded, with sentences for all that can be wrong with it."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from .contents import in_checkout

__all__ = ['Exercise', 'NotYet', 'load', 'told']

PREFIX = '_lesson_'
"""What the names of modules begin with that are made of a lesson's files."""
PACKAGES = {
    'fastapi': "'pydantic-ai-streaming[serve]' fastapi",
    'httpx': 'httpx',
    'mlflow': "'pydantic-ai-streaming[mlflow]'",
    'starlette': "'pydantic-ai-streaming[serve]'",
}
"""What some lessons need beside the package, and how one gets it."""


class NotYet(AssertionError):
    """What is still to do, in a sentence. Checks raise it, or use `assert` with a sentence."""


class Exercise:
    """The learner's module, as checks see it.

    Args:
        module: What was loaded.

    Example:
        >>> from types import ModuleType
        >>> Exercise(ModuleType('exercise')).get('tell')
        Traceback (most recent call last):
        ...
        pydantic_ai_streaming.course.exercise.NotYet: The file has no `tell` any more; `reset` brings the starter back.
    """

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def get(self, name: str) -> Any:
        """A function or a value of the file.

        Raises:
            NotYet: There is none of that name.
        """
        try:
            return getattr(self.module, name)
        except AttributeError:
            raise NotYet(f'The file has no `{name}` any more; `reset` brings the starter back.') from None

    async def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """What an `async def` of the file returns.

        Raises:
            NotYet: It is not there, or not `async def`.
            Exception: What it raises.
        """
        function = self.get(name)
        if not inspect.iscoroutinefunction(function):
            raise NotYet(f'`{name}` is to be an `async def`, because what it streams arrives over time.')
        return await function(*args, **kwargs)


def load(path: Path) -> ModuleType:
    """Load a file anew, whatever its name is.

    Raises:
        Exception: What the file raises; `SyntaxError` if it is not Python.
    """
    name = f'{PREFIX}{path.parent.name}_{path.stem}'
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    from pydantic_ai.messages import CUSTOM_EVENT_TYPES  # not before a lesson runs: it takes a second

    # pydantic-ai has each name of an event once, and a learner may well have the solution's in the exercise.
    for tag, kind in list(CUSTOM_EVENT_TYPES.items()):
        if kind.__module__.startswith(PREFIX):
            CUSTOM_EVENT_TYPES.pop(tag)
    # Dataclasses and models look their module up there.
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    # Not through the loader, which would take the byte code of a file that was saved twice within a second.
    exec(compile(path.read_text('utf-8'), path, 'exec', dont_inherit=True), module.__dict__)
    return module


def told(error: BaseException, path: Path) -> str:
    """What an error in a file means, in a sentence that names its line."""
    if isinstance(error, SyntaxError):
        return f'{path.name}, line {error.lineno}, is not Python: {error.msg}.'
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    where = f'{path.name}, line {lines[-1]},' if lines else path.name
    if isinstance(error, NotImplementedError):
        return f'{where.rstrip(",")}: this is still to be written{f" ({error})" if str(error) else ""}.'
    # What needs an extra of this package raises an ImportError of its own, whose cause names the package.
    lacking = error if isinstance(error, ModuleNotFoundError) else error.__cause__
    package = (lacking.name or '').partition('.')[0] if isinstance(lacking, ModuleNotFoundError) else ''
    if package in PACKAGES:
        how = 'make .venv/.installed' if in_checkout() else f'pip install {PACKAGES[package]}'
        return f'{where} needs {package}, which is not installed: {how}'
    first = (str(error).strip().splitlines() or [''])[0].rstrip('.')
    return f'{where} raised {type(error).__name__}{f": {first}" if first else ""}.'
