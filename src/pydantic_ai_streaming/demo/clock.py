"""Clocks for the scripted scenes: as fast as the wall's, several times faster, or jumping over every wait."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable

__all__ = ['loop_factory']


def loop_factory(speed: float) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Event loops whose clock runs `speed` times as fast; `math.inf` waits for nothing, `None` means asyncio's own.

    Everything in such a loop agrees on the time, so its figures are those of the script, however short the show.
    """
    if speed == 1:
        return None
    if speed == math.inf:
        from ..testing.virtual_time import VirtualTimeLoop

        return VirtualTimeLoop
    return lambda: _FastLoop(speed)


class _FastLoop(asyncio.SelectorEventLoop):
    def __init__(self, speed: float) -> None:
        self._speed = speed
        super().__init__(_FastSelector(speed))

    def time(self) -> float:
        return super().time() * self._speed


class _FastSelector(selectors.DefaultSelector):
    """Waits for a fraction of the loop's seconds."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # epoll counts milliseconds and rounds them up: asked for one less, the last one is waited for in short turns.
        return super().select(None if timeout is None else max(timeout / self._speed - 0.001, 0.0))
