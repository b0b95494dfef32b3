"""Views of several runs as one: what each run's own view shows, with its name, in the order in which it came."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from ..aio.cursor import Cursor
from ..aio.paced import Paced, wait_for_update
from .lane import Lane
from .stream import RunStream

__all__ = ['MergedPacedView', 'MergedView', 'Step']

K = TypeVar('K')
OutputT = TypeVar('OutputT')
ItemT = TypeVar('ItemT')

Step: TypeAlias = Callable[[], Sequence[ItemT]]
"""What a view of one run shows of its next event, or of the end of the run, without waiting."""


class MergedView(AsyncIterator[tuple[K, ItemT]], Generic[K, OutputT, ItemT]):
    """Yields what the views of the runs show, one arrival after the other.

    A cursor over the arrivals says in which run something has come; then the view of that run takes one step. So all
    that is waited for is the next arrival, whichever run it is in, and there is no task and no scope: drop it anywhere.

    Args:
        arrivals: Where it reads.
        opened: Opens the view of one run.
    """

    __slots__ = ('_arrivals', '_opened', '_ready', '_steps')

    def __init__(self, arrivals: Cursor[Lane[K, OutputT]], opened: Callable[[RunStream[OutputT]], Step[ItemT]]) -> None:
        self._arrivals = arrivals
        self._opened = opened
        self._steps: dict[K, Step[ItemT]] = {}
        self._ready: deque[tuple[K, ItemT]] = deque()

    def __aiter__(self) -> MergedView[K, OutputT, ItemT]:
        return self

    async def __anext__(self) -> tuple[K, ItemT]:
        while not self._ready:
            lane = await self._arrivals.__anext__()
            step = self._steps.get(lane.name)
            if step is None:
                assert lane.stream is not None
                step = self._steps[lane.name] = self._opened(lane.stream)
            self._ready.extend((lane.name, item) for item in step())
        return self._ready.popleft()


class MergedPacedView(AsyncIterator[tuple[K, str]], Generic[K, OutputT]):
    """Yields the text of the runs, each at a pace of its own. Holds no task and no scope: drop it anywhere.

    If the runs end with an error, what has come of all of them is shown first, at once.

    Args:
        arrivals: Where it learns that something has come.
        opened: Opens the paced view of one run.
    """

    def __init__(self, arrivals: Cursor[Lane[K, OutputT]], opened: Callable[[RunStream[OutputT]], Paced[Any]]) -> None:
        self._arrivals = arrivals
        self._opened = opened
        self._paced: dict[K, Paced[Any]] = {}
        self._ready: deque[tuple[K, str]] = deque()
        self._not_before = -math.inf

    def __aiter__(self) -> MergedPacedView[K, OutputT]:
        return self

    async def __anext__(self) -> tuple[K, str]:
        clock = asyncio.get_running_loop().time
        while not self._ready:
            # A loop fires a timer up to the resolution of its clock too early: what was due then is due now.
            now = max(clock(), self._not_before)
            self._take(now)
            if not self._ready:
                await self._wait(now)
        return self._ready.popleft()

    def _take(self, now: float) -> None:
        arrivals = self._arrivals
        for _, lane in arrivals.take():
            if lane.name not in self._paced:
                assert lane.stream is not None
                self._paced[lane.name] = self._opened(lane.stream)
        failed = arrivals.exhausted and arrivals.error is not None
        for name, paced in self._paced.items():
            if failed:
                self._ready.extend((name, piece) for piece in paced.flush())
            elif (piece := paced.take(now)) is not None:
                self._ready.append((name, piece))

    async def _wait(self, now: float) -> None:
        instants = [due for paced in self._paced.values() if (due := paced.next_due) is not None]
        due = min(instants, default=None)
        if due is None and self._arrivals.exhausted:
            self._arrivals.end()
        if await wait_for_update(self._arrivals, due, now, closed=self._arrivals.exhausted) and due is not None:
            self._not_before = due
