"""Streams that are kept apart from who writes and who reads them: in memory, in SQLite, in Redis.

The names are loaded when they are first used: `RedisLog` needs redis-py, of the extra `redis`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backend import LogBackend
    from .heads import Head, Refusal, Slice, Wanted, Write, apply, cut
    from .log import StreamLog
    from .memory import MemoryBackend, MemoryLog
    from .producer import Producer
    from .redis import RedisBackend, RedisLog
    from .sqlite import SQLiteBackend, SQLiteLog
    from .tail import Follower

__all__ = [
    'Follower',
    'Head',
    'LogBackend',
    'MemoryBackend',
    'MemoryLog',
    'Producer',
    'RedisBackend',
    'RedisLog',
    'Refusal',
    'SQLiteBackend',
    'SQLiteLog',
    'Slice',
    'StreamLog',
    'Wanted',
    'Write',
    'apply',
    'cut',
]

_MODULES = {
    'Follower': 'tail',
    'Head': 'heads',
    'LogBackend': 'backend',
    'MemoryBackend': 'memory',
    'MemoryLog': 'memory',
    'Producer': 'producer',
    'RedisBackend': 'redis',
    'RedisLog': 'redis',
    'Refusal': 'heads',
    'SQLiteBackend': 'sqlite',
    'SQLiteLog': 'sqlite',
    'Slice': 'heads',
    'StreamLog': 'log',
    'Wanted': 'heads',
    'Write': 'heads',
    'apply': 'heads',
    'cut': 'heads',
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_MODULES[name]}'), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
