"""Conversations turn by turn: `Chat`, and what keeps a turn when its process does not live to see its end."""

from __future__ import annotations

__all__: list[str] = []
