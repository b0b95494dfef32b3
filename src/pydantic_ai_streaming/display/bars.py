"""When text came, as a row of bars."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ['amounts', 'bars']

_LEVELS = '▁▂▃▄▅▆▇█'


def amounts(pieces: Iterable[tuple[float, int]], *, cell: float, cells: int) -> list[int]:
    """How many characters came in each of `cells` stretches of `cell` seconds. Instants count from 0.

    Example:
        >>> amounts([(0.05, 40), (0.31, 2), (0.38, 3)], cell=0.1, cells=4)
        [40, 0, 0, 5]
    """
    sums = [0] * cells
    for at, characters in pieces:
        sums[min(max(int(at / cell), 0), cells - 1)] += characters
    return sums


def bars(heights: Iterable[int], *, top: int) -> str:
    """A row of bars: a space for 0, the full block for `top` and above.

    Example:
        >>> bars([40, 0, 0, 5], top=40)
        '█  ▁'
    """
    last = len(_LEVELS) - 1
    return ''.join(' ' if height <= 0 else _LEVELS[min(height * last // max(top, 1), last)] for height in heights)
