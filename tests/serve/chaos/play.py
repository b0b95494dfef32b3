"""Workers that are killed while runs go on, and viewers that leave and come back: what became of it all."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.logs.places import LogPlace
from tests.serve.chaos.checker import Defect, Told, defects
from tests.serve.chaos.viewers import Viewer, start_run
from tests.serve.chaos.workers import Broken, Worker, working

__all__ = ['Plan', 'Report', 'play']


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much of everything.

    Attributes:
        streams: At the same time; when one ends, another one begins.
        viewers: At the same time, the same number for each stream.
        disconnects: It goes on until viewers have left so often,
        kills: and workers were killed so often; without any there is one worker.
        lease: Seconds.
        stay: Seconds that a viewer stays, on average.
        patience: Seconds after which it gives up a stream of which nothing comes.
        words: Of a run, at most.
        seed: Of everything that is left to chance.
    """

    streams: int = 20
    viewers: int = 200
    disconnects: int = 2000
    kills: int = 20
    lease: float = 2.0
    stay: float = 2.0
    patience: float = 15.0
    words: int = 150
    seed: int = 1

    @property
    def within(self) -> float:
        """Seconds after the death of its worker in which a stream has to end."""
        return self.lease + 2


@dataclass
class Report:
    """What became of it."""

    plan: Plan
    streams: list[Told] = field(default_factory=list[Told])
    counts: Counter[str] = field(default_factory=Counter[str])
    kills: int = 0
    seconds: float = 0.0

    @property
    def defects(self) -> list[Defect]:
        return defects(self.streams, within=self.plan.within)

    @property
    def disconnects(self) -> int:
        """How often a viewer had to come back, whoever has ended the connection."""
        return self.counts['left'] + self.counts['cut off']

    @property
    def delays(self) -> list[float]:
        """Seconds from the death of workers to the ends of their streams."""
        told = [(one.died_at, one.ended_at) for one in self.streams]
        return sorted(end - death for death, end in told if death is not None and end is not None and end > death)

    def __str__(self) -> str:
        kinds = Counter(one.kind for one in self.defects)
        found = ', '.join(f'{kinds[kind]} {kind}' for kind in sorted({'duplicated', 'missing', 'reordered', *kinds}))
        events = sum(len(seen) for one in self.streams for seen in one.seen)
        delays = self.delays
        late = f'; last frame at most {delays[-1]:.2f} s after the kill, {len(delays)} streams' if delays else ''
        return (
            f'{self.disconnects} disconnects, {self.kills} kills, {len(self.streams)} streams, {events} events seen in '
            f'{self.seconds:.0f} s: {found}{late} ({dict(self.counts)})'
        )


async def play(place: LogPlace, directory: Path, plan: Plan, *, broken: Broken | None = None) -> Report:
    """Have it all happen."""
    report = Report(plan)
    began = time.monotonic()
    async with working(place, directory, workers=2 if plan.kills else 1, lease=plan.lease, broken=broken) as workers:
        play = _Play(plan, workers, report)
        async with asyncio.TaskGroup() as group:
            group.create_task(play.kill())
            for number in range(plan.streams):
                group.create_task(play.show(number))
        await play.read(place)
    report.seconds = time.monotonic() - began
    return report


class _Play:
    def __init__(self, plan: Plan, workers: list[Worker], report: Report) -> None:
        self._plan = plan
        self._workers = workers
        self._report = report
        self._random = Random(plan.seed)

    def _ports(self) -> Sequence[int]:
        """In any order; somebody may be dead there."""
        return self._random.sample([one.port for one in self._workers], len(self._workers))

    @property
    def _enough(self) -> bool:
        return self._report.disconnects >= self._plan.disconnects and self._report.kills >= self._plan.kills

    async def kill(self) -> None:
        """Kill workers, one at a time or both at once, and start them again after a while."""
        async with asyncio.TaskGroup() as group:
            while self._report.kills < self._plan.kills:
                await asyncio.sleep(self._random.uniform(0.2, 2 * self._plan.lease))
                if alive := [one for one in self._workers if one.process is not None]:
                    one = self._random.choice(alive)
                    await one.kill()
                    self._report.kills += 1
                    group.create_task(self._restart(one))

    async def _restart(self, worker: Worker) -> None:
        await asyncio.sleep(self._random.uniform(0.0, 1.0))
        await worker.start()

    async def show(self, number: int) -> None:
        """Have one stream after the other, each with its viewers."""
        count = 0
        while not self._enough:
            count += 1
            words = self._random.randint(self._plan.words // 5, self._plan.words)
            gap = self._random.uniform(0.02, 0.08)
            stream = await start_run(self._ports, f'{self._plan.seed} {number}.{count}', words=words, gap=gap)
            viewers = [self._viewer() for _ in range(self._plan.viewers // self._plan.streams)]
            async with asyncio.TaskGroup() as group:
                for one in viewers:
                    group.create_task(one.watch(stream))
            self._note(Told(stream, (), words, [one.seen for one in viewers]), viewers)

    def _viewer(self) -> Viewer:
        plan = self._plan
        return Viewer(Random(self._random.random()), self._ports, plan.stay, plan.patience, counts=self._report.counts)

    def _note(self, told: Told, viewers: Sequence[Viewer]) -> None:
        told.ended_at = min((one.ended_at for one in viewers if one.ended_at is not None), default=None)
        died = {name: at for one in self._workers for name, at in one.died.items()}
        text = next((event.data for seen in told.seen for event in seen if '@' in event.data), None)
        if text is not None:
            told.died_at = died.get(text.partition('@')[2].partition(' ')[0])
        elif told.ended_at is not None:  # it had not said anything yet
            told.died_at = max((at for at in died.values() if at < told.ended_at), default=None)
        if told.died_at is not None and told.ended_at is not None:
            told.died_at += self._dark(told.died_at, told.ended_at)
        self._report.streams.append(told)

    def _dark(self, first: float, last: float) -> float:
        """Seconds of these in which no worker was there that could have done anything."""
        served = sorted((at, one.died.get(name, math.inf)) for one in self._workers for name, at in one.served.items())
        dark, at = 0.0, first
        for begin, end in served:
            dark += max(0.0, min(begin, last) - at)
            at = min(max(at, end), last)
        return dark + last - at

    async def read(self, place: LogPlace) -> None:
        """What is in the log; for one in the memory of a worker, as that sends it to somebody new."""
        if place.kind == 'memory':
            for told in self._report.streams:
                viewer = Viewer(self._random, self._ports, None, self._plan.within)
                await viewer.watch(told.name)
                told.entries = [event.data for event in viewer.seen]
            return
        async with place.open() as log:
            for told in self._report.streams:
                told.entries = [one.decode() for one in (await log.read(told.name, limit=100_000)).entries]
