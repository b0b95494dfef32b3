"""Waiting for a file to be saved."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ['saves']

EVERY = 0.2
"""Seconds between two looks at the file."""


def saves(file: Path) -> Iterator[None]:
    """Yield at once, and then whenever the file was saved. It ends never; Ctrl-C ends it.

    Editors that write a new file and rename it are noticed too, and so is a file that is gone for a moment.

    Args:
        file: What to look at, five times a second.
    """
    seen = _state(file)
    yield
    while True:
        time.sleep(EVERY)
        state = _state(file)
        if state is not None and state != seen:
            seen = state
            yield


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
