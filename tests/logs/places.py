"""Where a log of each kind keeps its streams: enough to open it again, here or in another process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic_ai_streaming.logs import (
    LogBackend,
    MemoryBackend,
    RedisBackend,
    RedisLog,
    SQLiteBackend,
    SQLiteLog,
    StreamLog,
)

__all__ = ['KINDS', 'Kind', 'LogPlace']

Kind = Literal['memory', 'sqlite', 'redis']
KINDS: tuple[Kind, ...] = ('memory', 'sqlite', 'redis')


@dataclass(frozen=True)
class LogPlace:
    """A file, a server and a prefix in it, or something in memory; all but that can be sent to another process."""

    kind: Kind
    where: str = ''
    name: str = 'test'
    memory: MemoryBackend | None = None

    def open(self, **settings: Any) -> StreamLog:
        if self.memory is not None:
            return StreamLog(self.memory, **settings)
        if self.kind == 'sqlite':
            return SQLiteLog(self.where, **settings)
        return RedisLog(self.where, prefix=f'{{{self.name}}}', **settings)

    def backend(self) -> LogBackend:
        if self.memory is not None:
            return self.memory
        if self.kind == 'sqlite':
            return SQLiteBackend(self.where)
        return RedisBackend(self.where, prefix=f'{{{self.name}}}')
