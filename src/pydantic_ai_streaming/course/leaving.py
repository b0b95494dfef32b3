"""Ends the process of a command, also if an exercise has left a thread in it that never ends."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

__all__ = ['end_soon']

PATIENCE = 2.0
"""Seconds that the process gets to end by itself."""


def end_soon(code: int) -> None:
    """Have the process end within two seconds, when all is said and it is about to end.

    Python waits for every thread first, and nothing can end one that blocks, such as in `asyncio.to_thread(...)`.

    Args:
        code: The exit code, should it come to that.
    """
    timer = threading.Timer(PATIENCE, _end, (code,))
    timer.daemon = True
    timer.start()


def _end(code: int) -> None:
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
