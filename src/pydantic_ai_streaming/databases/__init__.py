"""What the stores of conversations and the logs of streams share of SQLite and Redis: connections, threads, errors."""

from __future__ import annotations

__all__: list[str] = []
