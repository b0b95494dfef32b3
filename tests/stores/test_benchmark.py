"""The benchmark of the stores measures and says what is missed; the figures themselves are not a test's to judge."""

from __future__ import annotations

from benchmarks.stores import Cost, measure, table


async def test_the_benchmark_measures_and_says_what_is_missed() -> None:
    costs = await measure(messages=20, rounds=1)
    assert {'in memory', 'SQLite'} <= set(costs)
    slow = Cost(load=1, load_ratio=2.5, save=1, append=1, delete=1)
    assert 'NOT MET' in table(20, {'SQLite': slow})[-1]
