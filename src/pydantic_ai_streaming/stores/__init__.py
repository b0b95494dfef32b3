"""Conversations that are kept: pydantic-ai's `ConversationStore` on SQLite, PostgreSQL and Redis.

Each store is loaded when it is first used, so that one does not need the drivers of the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .journal import JournalledTurn, TurnJournal
    from .postgres import PostgresConversationStore
    from .redis import RedisConversationStore
    from .sqlite import SQLiteConversationStore

__all__ = [
    'JournalledTurn',
    'PostgresConversationStore',
    'RedisConversationStore',
    'SQLiteConversationStore',
    'TurnJournal',
]

_MODULES = {
    'JournalledTurn': 'journal',
    'PostgresConversationStore': 'postgres',
    'RedisConversationStore': 'redis',
    'SQLiteConversationStore': 'sqlite',
    'TurnJournal': 'journal',
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_MODULES[name]}'), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
