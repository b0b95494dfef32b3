"""What it costs to show a run to a thousand viewers over HTTP, and how late they see it.

    python -m benchmarks serving

The server has one core and a process of its own; the viewers (and Redis) have another one. A model writes 50 pieces of
text a second, and 1,000 viewers follow the one run; then 1,000 streams are written 5 pieces a second each, for one
viewer each: without agents, as the run of one takes a multiple of what it takes to serve it, and with them.
The lag of a piece is counted from when it was due until a viewer has it, so that a server that is late does not
look better for it. Processor time is that of the whole server, the run and the log included, over pieces and viewers.

Beside it: pydantic-ai's own adapter for the AI SDK, where each viewer has the agent run anew, as a run of it has one
client and none can join; and sse-starlette with one run and a queue for each viewer, which keeps nothing, so that who
loses the connection has lost the run.

`waited` is the share of the time for which the server was ready and something else had its core: lags with much of that
are those of the machine. Rounds are interleaved, and the median is printed. uvicorn runs on h11 and asyncio, as it is
installed here; where httptools and uvloop are installed too, a line more shows what they change.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import TypeAlias

from benchmarks.serving_server import Order
from benchmarks.serving_viewers import Seen, ask, watch

__all__ = ['LIMITS', 'Figures', 'lines', 'main', 'measure', 'orders', 'orders_of_many']

Usages: TypeAlias = dict[str, dict[str, float]]
KIB = 1024
LIMITS: Mapping[str, float] = {'memory': 150.0, 'sqlite': 250.0, 'redis': 250.0}
"""Milliseconds that 99 of 100 pieces may be late, by the log."""
MEMORY_LIMIT = 30.0
"""KiB for each viewer."""
CPU_LIMIT = 25.0
"""Microseconds for each piece and viewer."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One way, in one round or in the median of all.

    Attributes:
        p50: Milliseconds of lag that half of the pieces do not exceed.
        p99: Milliseconds of lag that 99 of 100 pieces do not exceed.
        cpu: Microseconds of the server for each piece and viewer.
        kib: Memory of the server for each viewer.
        waited: The share of the time that the server has waited for its core.
        lost: Pieces that were missing, or came twice or in another order.
    """

    p50: float
    p99: float
    cpu: float
    kib: float
    waited: float
    lost: int

    def meets(self, lag: float) -> bool:
        """Whether all limits are kept, with that one for the lag (milliseconds)."""
        return self.p99 <= lag and self.cpu <= CPU_LIMIT and self.kib <= MEMORY_LIMIT and not self.lost


async def measure(chosen: Mapping[str, Order], viewers: int, rounds: int) -> dict[str, Figures]:
    """The figures of each way, by its name.

    Args:
        chosen: The ways.
        viewers: How many there are in all, each of one of the streams.
        rounds: How often each is measured.
    """
    taken: dict[str, list[Figures]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as directory, redis(Path(directory)) as address, _pinned() as core:
        for number in range(rounds):
            for name, order in chosen.items():
                place = {'sqlite': f'{directory}/{number}-{len(taken)}-{name}.db', 'redis': address}.get(order.way, '')
                if place is None:
                    continue
                taken[name].append(await _round(replace(order, place=place, core=core), viewers))
    return {name: _median(of) for name, of in taken.items() if of}


def _median(of: Sequence[Figures]) -> Figures:
    fields = {name: median(asdict(one)[name] for one in of) for name in Figures.__dataclass_fields__}
    return Figures(**{**fields, 'lost': sum(one.lost for one in of)})


async def _round(order: Order, viewers: int) -> Figures:
    with _server(order) as port:
        paths = await ask(port, 'POST', '/prepare')
        within = 30.0 + 5 * order.events / order.rate
        seen, first, after = await watch(
            port,
            [paths[number % len(paths)] for number in range(viewers)],
            events=order.events,
            within=within,
        )
    return figures(seen, viewers, order, first, after)


def figures(seen: Seen, viewers: int, order: Order, first: Usages, after: Usages) -> Figures:
    used = after['now']['cpu'] - first['begun']['cpu']
    waited = after['now']['waited'] - first['begun']['waited']
    held = (after['half'] or after['now'])['memory'] - first['before']['memory']
    return Figures(
        p50=seen.percentile(0.5) * 1e3,
        p99=seen.percentile(0.99) * 1e3,
        cpu=used / (order.events * viewers) * 1e6,
        kib=held / viewers / KIB,
        waited=waited / (used + waited),
        lost=seen.missing + seen.twice,
    )


@contextmanager
def _server(order: Order) -> Generator[int]:
    with socket.create_server(('127.0.0.1', 0), backlog=4096) as listening:
        descriptor = listening.fileno()
        command = [sys.executable, '-m', 'benchmarks.serving_server', json.dumps(asdict(order)), str(descriptor)]
        process = subprocess.Popen(command, pass_fds=[descriptor])
        try:
            yield listening.getsockname()[1]
        finally:
            process.kill()
            process.wait(20)


@contextmanager
def _pinned() -> Generator[int | None]:
    """Leave a core to the server: which one, if there is one to spare."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else []
    if len(cores) < 2:
        yield None
        return
    os.sched_setaffinity(0, cores[1:])
    try:
        yield cores[0]
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def redis(directory: Path) -> Generator[str | None]:
    """A Redis server for the while, on the core of the viewers; `None` if it is not installed."""
    binary = shutil.which('redis-server')
    if binary is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    place = ['--bind', '127.0.0.1', '--port', str(port), '--dir', str(directory), '--save', '', '--appendonly', 'yes']
    process = subprocess.Popen([binary, *place], stdout=subprocess.DEVNULL)
    try:
        yield f'redis://127.0.0.1:{port}/0'
    finally:
        process.terminate()
        process.wait(20)


def orders(*, events: int, rate: float = 50.0) -> dict[str, Order]:
    """The ways to serve one run that are compared."""
    ways = _logs(Order(way='memory', events=events, rate=rate))
    if all(importlib.util.find_spec(name) for name in ('httptools', 'uvloop')):
        ways['memory, httptools, uvloop'] = replace(ways['memory'], http='httptools', loop='uvloop')
    ways['sse-starlette'] = replace(ways['memory'], way='sse-starlette')
    # It takes a multiple of the time: fewer pieces, so that it ends.
    ways['pydantic-ai, run anew'] = replace(ways['memory'], way='adapter', events=max(1, events // 5))
    return ways


def orders_of_many(*, streams: int, events: int, rate: float = 5.0) -> dict[str, Order]:
    """The ways to serve many streams."""
    ways = _logs(Order(way='memory', streams=streams, events=events, rate=rate, agents=False))
    ways['memory, with agents'] = replace(ways['memory'], agents=True)
    ways['pydantic-ai, run anew'] = replace(ways['memory'], agents=True, way='adapter')
    return ways


def _logs(base: Order) -> dict[str, Order]:
    return {'memory': base, 'SQLite': replace(base, way='sqlite'), 'Redis': replace(base, way='redis')}


def lines(title: str, found: Mapping[str, Figures], *, limited: bool) -> Sequence[str]:
    """The figures beside their limits, where there are some."""
    rows = [f'{title:46s}p50, ms    p99, ms   µs/piece   KiB/viewer   waited   lost']
    for name, one in found.items():
        rows.append(
            f'  {name:44s}{one.p50:7.0f}{one.p99:11.0f}{one.cpu:11.1f}{one.kib:13.1f}{one.waited:9.0%}{one.lost:7d}'
        )
        if limited and (lag := LIMITS.get(name.lower())) is not None:
            rows.append(
                f'  {"":9s}limit{"":37s}{lag:11.0f}{CPU_LIMIT:11.1f}{MEMORY_LIMIT:13.1f}{"":9s}{0:7d}'
                f'   {"met" if one.meets(lag) else "NOT MET"}'
            )
    return rows


def main() -> None:
    """Measure and print."""
    one = asyncio.run(measure(orders(events=250), 1_000, rounds=3))
    print('\n'.join(lines('1 run, 1,000 viewers, 50 pieces/s', one, limited=True)))
    many = asyncio.run(measure(orders_of_many(streams=1_000, events=25), 1_000, rounds=1))
    print('\n'.join(lines('\n1,000 streams, a viewer each, 5 pieces/s', many, limited=False)))


if __name__ == '__main__':
    main()
