"""Where a text was cut."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ['cuts']


def cuts(found: Iterable[str]) -> set[int]:
    """Where pieces end."""
    place = 0
    ends: set[int] = set()
    for piece in found:
        place += len(piece)
        ends.add(place)
    return ends
