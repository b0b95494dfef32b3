"""What an agent carries with it: features of `RunStream` for `agent.run()`, user interfaces and every other driver.

Each capability is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stream_guard import StreamGuard

__all__ = ['StreamGuard']

_MODULES = {'StreamGuard': 'stream_guard'}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_MODULES[name]}'), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
