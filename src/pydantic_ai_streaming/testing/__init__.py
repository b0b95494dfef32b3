"""What tests of streamed runs need: scripted models, cuts, virtual time, recordings.

The names are loaded when they are first used, so that the pytest plugin costs nothing in a run that does not need it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_ai_streaming.testing import virtual_time
    from pydantic_ai_streaming.testing.tasks import describe_tasks
    from pydantic_ai_streaming.testing.virtual_time import DeadlockError, VirtualTimeLoop

__all__ = [
    'DeadlockError',
    'VirtualTimeLoop',
    'describe_tasks',
    'virtual_time',
]

_MODULES = {
    'tasks': ('describe_tasks',),
    'virtual_time': ('DeadlockError', 'VirtualTimeLoop'),
}


def __getattr__(name: str) -> object:
    if name == 'virtual_time':
        return import_module(f'{__name__}.virtual_time')
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f'{__name__}.{module}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
