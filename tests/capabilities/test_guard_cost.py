"""The benchmark of capabilities measures every row, and says what is missed."""

from __future__ import annotations

from benchmarks.guards import ROWS, Cost, measure, table


async def test_the_benchmark_measures_every_row_and_says_what_is_missed() -> None:
    costs = await measure(pieces=20, rounds=1)
    assert list(costs) == list(ROWS)
    name = next(iter(ROWS))
    assert 'NOT MET' in table({name: Cost(run=50, mounted=9)})[-1]
    assert table({name: Cost(run=50, mounted=0.5)})[-1].endswith('  met')
