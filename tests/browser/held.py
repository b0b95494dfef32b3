"""The command of the example, with a clock that stands still from SIGUSR1 to SIGUSR2.

    python held.py --port 8000 ...

The scripted model, its tool and the server wait for nothing but the clock of the loop, so that a run stays where it is
meanwhile, however long a browser takes for what it does; requests are answered.
"""

from __future__ import annotations

import asyncio
import runpy
import signal
import sys
import time
from pathlib import Path
from typing import Any

RUN = Path(__file__).parents[2] / 'examples' / 'web_chat' / 'run.py'


class Clock:
    def __init__(self) -> None:
        self._stood = 0.0
        self._since: float | None = None

    def time(self) -> float:
        return (time.monotonic() if self._since is None else self._since) - self._stood

    def hold(self, *_: object) -> None:
        if self._since is None:
            self._since = time.monotonic()

    def go(self, *_: object) -> None:
        if self._since is not None:
            self._stood += time.monotonic() - self._since
            self._since = None


def main() -> None:
    clock = Clock()

    def now(self: asyncio.BaseEventLoop) -> float:
        return clock.time()

    asyncio.BaseEventLoop.time = now
    modules: dict[str, Any] = sys.modules
    modules['uvloop'] = None  # uvicorn would take it where it is installed, and its clock is its own
    signal.signal(signal.SIGUSR1, clock.hold)
    signal.signal(signal.SIGUSR2, clock.go)
    sys.argv[0] = str(RUN)
    runpy.run_path(str(RUN), run_name='__main__')


if __name__ == '__main__':
    main()
