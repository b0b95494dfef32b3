"""What partial outputs cost and how right they are, beside other ways to read a structured output while it streams.

    python -m benchmarks partials

Processor time, the minimum of many rounds in which everything takes turns, in chunks of 4 characters. The exponent says
how the cost grows with the document, from 10 to 100 KB: 1 is linear. Machines differ: the floor is `validate_json` and
`json.loads` of the whole, in the same run.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from statistics import median
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic_ai import Agent

from benchmarks.documents import LARGE, SMALL, Document, Record, document, slices
from benchmarks.invalid import INVALID
from benchmarks.judge import Verdict, table
from benchmarks.peers import OURS, PEERS, Peer, flagged, judged
from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.partials.document import PartialDocument
from pydantic_ai_streaming.partials.partial_reader import PartialReader
from pydantic_ai_streaming.partials.shaping import shape_of
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

__all__ = ['TARGETS', 'Cost', 'main', 'measure', 'measure_runs']

CHUNK = 4


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What reading a document costs.

    Attributes:
        microseconds: For each chunk of the larger document.
        ratio: To `validate_json` of the whole, once.
        exponent: Of the growth from the smaller to the larger document.
    """

    microseconds: float
    ratio: float
    exponent: float


PARSING, SNAPSHOTS, TEXT = 'parsing and validation', 'a snapshot for each chunk', 'the same, one string'
TARGETS = {
    PARSING: Cost(microseconds=1.5, ratio=42, exponent=1.1),
    SNAPSHOTS: Cost(microseconds=6, ratio=170, exponent=1.1),
    TEXT: Cost(microseconds=math.inf, ratio=math.inf, exponent=1.3),
}
"""What to stay under."""
RUN_TARGET = 1.10
"""For the ratio of a run whose partial outputs are read to one whose bare events are."""


def parse(material: Document, chunks: Sequence[str]) -> None:
    """Read to the end: every part is validated, nothing is shown."""
    feed = PartialDocument(shape_of(material.type)).feed
    for chunk in chunks:
        feed(chunk)


def take_snapshots(material: Document, chunks: Sequence[str]) -> None:
    """Read to the end, with a snapshot after each chunk that has changed anything."""
    reader = PartialReader(shape_of(material.type))
    feed, snapshot = reader.feed, reader.snapshot
    for chunk in chunks:
        feed(chunk)
        snapshot()


def once(material: Document, chunks: Sequence[str]) -> None:
    """What pydantic needs for the whole."""
    _adapter(material.name).validate_json(material.text)


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(document(name).type)


WAYS: dict[str, tuple[str, Callable[[Document, Sequence[str]], None]]] = {
    PARSING: ('records', parse),
    SNAPSHOTS: ('records', take_snapshots),
    TEXT: ('code', take_snapshots),
}


def measure(rounds: int, *, in_a_row: int = 3) -> tuple[dict[str, Cost], dict[str, float]]:
    """Read the large documents in every way. Returns the costs, and the microseconds of the floor."""
    jobs: dict[str, Callable[[], object]] = {}
    for way, (kind, read) in WAYS.items():
        for name in (kind, f'{kind}-10k'):
            material = document(name)
            jobs[f'{way} {name}'] = partial(read, material, slices(material.text, CHUNK))
            jobs[f'validate_json {name}'] = partial(once, material, ())
            jobs[f'json.loads {name}'] = partial(json.loads, material.text)
    times = _fastest(jobs, rounds, in_a_row=in_a_row)
    costs: dict[str, Cost] = {}
    for way, (kind, _) in WAYS.items():
        large, small = times[f'{way} {kind}'], times[f'{way} {kind}-10k']
        growth = len(document(kind).text) / len(document(f'{kind}-10k').text)
        costs[way] = Cost(
            microseconds=large / math.ceil(len(document(kind).text) / CHUNK),
            ratio=large / times[f'validate_json {kind}'],
            exponent=math.log(large / small) / math.log(growth),
        )
    return costs, {
        name: taken for name, taken in times.items() if name.startswith(('validate', 'json')) and '-' not in name
    }


def _fastest(jobs: Mapping[str, Callable[[], object]], rounds: int, *, in_a_row: int) -> dict[str, float]:
    """The microseconds of processor time of each job, at its best.

    In a row, because short jobs would otherwise pay for caches that the long ones have filled.
    """
    times = dict.fromkeys(jobs, math.inf)
    for _ in range(rounds):
        for name, job in jobs.items():
            gc.collect()
            for _ in range(in_a_row):
                began = time.process_time()
                job()
                times[name] = min(times[name], (time.process_time() - began) * 1e6)
    return times


# Inside a run


def _agent(text: str) -> Agent[None, list[Record]]:
    pieces = slices(f'{{"response": {text}}}', CHUNK)
    return Agent(ScriptedModel([ToolCall('final_result', pieces=pieces)]), output_type=list[Record])


async def bare_events(text: str) -> None:
    async with _agent(text).run_stream_events('Go') as events:
        async for _ in events:
            pass


async def view_events(text: str) -> None:
    async with RunStream(_agent(text).run_stream_events('Go')) as stream:
        async for _ in stream.events():
            pass


async def view_partial_outputs(text: str) -> None:
    async with RunStream(_agent(text).run_stream_events('Go')) as stream:
        async for _ in stream.partial_outputs():
            pass


RUNS: dict[str, Callable[[str], Awaitable[None]]] = {
    'bare events': bare_events,
    'events()': view_events,
    'partial_outputs()': view_partial_outputs,
}


async def measure_runs(name: str, rounds: int) -> dict[str, tuple[float, float]]:
    """Drain the same run in every way: microseconds per chunk at best, and the median of the ratios to bare events."""
    text = document(name).text
    chunks = math.ceil(len(text) / CHUNK)
    times: dict[str, list[float]] = {way: [] for way in RUNS}
    for _ in range(rounds):
        for way, drain in RUNS.items():
            gc.collect()
            began = time.process_time()
            await drain(text)
            times[way].append((time.process_time() - began) * 1e6 / chunks)
    floor = times['bare events']
    return {way: (min(taken), median(a / b for a, b in zip(taken, floor, strict=True))) for way, taken in times.items()}


# Peers


class Response(BaseModel):
    """The records as peers need them that take objects only."""

    response: list[Record]


@cache
def _response(records: str) -> Document:
    material = document(records)
    return Document(records, Response, f'{{"response": {material.text}}}', material.whole)


def peer_costs(records: str, rounds: int) -> dict[str, float]:
    """Microseconds per chunk that each reader takes for the records."""
    material = _response(records)
    chunks = slices(material.text, CHUNK)
    readers = [peer for peer in (OURS, *PEERS) if peer.missing is None]
    jobs = {peer.name: partial(_drain, peer, material, chunks) for peer in readers}
    return {name: taken / len(chunks) for name, taken in _fastest(jobs, rounds, in_a_row=1).items()}


def _drain(peer: Peer, material: Document, chunks: Sequence[str]) -> None:
    for _ in peer.read(material.type, chunks):
        pass


def peer_table(*, short: str, long: str, rounds: int) -> Iterator[str]:
    """Lines with the cost and the figures of each reader."""
    costs, more = peer_costs(short, rounds), peer_costs(long, 1)
    yield f'{"":26} µs per chunk of | snapshots of the small documents: | fresh-  invalid'
    yield f'{"":26} {_size(short):>7} {_size(long):>7} |   wrong, taken back, mistyped, failed |   ness  flagged'
    for peer in (OURS, *PEERS):
        if peer.missing is not None:
            yield f'{peer.name:26} {peer.missing}'
            continue
        sums = Verdict()
        for name in SMALL:
            material = document(name)
            verdict = judged(peer, material, slices(material.text, CHUNK))
            for field in vars(sums):
                setattr(sums, field, getattr(sums, field) + getattr(verdict, field))
        wrong, back, mistyped, failed = sums.faults
        yield (
            f'{peer.name:26} {costs[peer.name]:7.1f} {more[peer.name]:7.1f} | {wrong:3}/{sums.snapshots:<3} {back:11}'
            f' {mistyped:9} {failed:7} | {sums.freshness:6.3f} {flagged(peer, CHUNK):5}/{len(INVALID)}'
        )


def _size(records: str) -> str:
    return f'{len(document(records).text):,}'


def _verdict(value: float, limit: float) -> str:
    if limit == math.inf:
        return ''
    return f'(≤ {limit:g} {"met" if value <= limit else "NOT MET"})'


def cost_table(costs: dict[str, Cost]) -> Iterator[str]:
    """Lines that show the costs beside their limits."""
    yield f'{"100 KB, chunks of 4":28}{"µs per chunk":24}{"× validate_json":24}exponent 10 → 100 KB'
    for way, cost in costs.items():
        limit = TARGETS[way]
        yield (
            f'{way:26}{cost.microseconds:7.2f} {_verdict(cost.microseconds, limit.microseconds):18}'
            f'{cost.ratio:6.1f} {_verdict(cost.ratio, limit.ratio):17}'
            f'{cost.exponent:5.2f} {_verdict(cost.exponent, limit.exponent)}'
        )


def main() -> None:
    """Measure and print."""
    costs, floor = measure(6)
    print('\n'.join(cost_table(costs)), '\n')
    print(', '.join(f'{name}: {taken:,.0f} µs' for name, taken in floor.items()), '\n')
    for name, rounds in (('records-10k', 11), ('records', 3)):
        print(f'a run whose output call comes in chunks of 4, {len(document(name).text):,} characters')
        print('drained to its end               µs per chunk   × bare events')
        for way, (microseconds, ratio) in asyncio.run(measure_runs(name, rounds)).items():
            limit = _verdict(ratio, RUN_TARGET) if way == 'partial_outputs()' else ''
            print(f'{way:30} {microseconds:13.1f} {ratio:14.3f} {limit}')
        print()
    print('snapshots of this package, beside a perfect reader')
    print('\n'.join(table((*SMALL, *LARGE), looks=12)), '\n')
    print('other readers, by the same measure; freshness above 1 is of values that nobody can know yet')
    print('\n'.join(peer_table(short='records-3k', long='records-10k', rounds=3)))


if __name__ == '__main__':
    main()
