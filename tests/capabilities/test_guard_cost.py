"""The benchmark of the guard measures every row, beside what the event loop costs, and says what is missed."""

from __future__ import annotations

from benchmarks.guards import ROWS, Cost, measure, table


def test_the_benchmark_measures_every_row_and_says_what_is_missed() -> None:
    costs = measure(runs=1, turns=2, events=8)
    assert list(costs) == list(ROWS)
    name = 'StreamGuard'
    assert 'NOT MET' in table({name: Cost(run=50, mounted=9, beside_timer=0.5)})[-1]
    assert table({name: Cost(run=50, mounted=0.5, beside_timer=0.4)})[-1].endswith('  met')
