"""The benchmark of telemetry measures and says what is missed; the figures themselves are not a test's to judge."""

from __future__ import annotations

from benchmarks.telemetry import Cost, lines, measure


async def test_the_benchmark_measures_every_way_and_says_what_is_missed() -> None:
    costs = await measure(pieces=20, rounds=1)
    assert len(costs) == 5
    assert min(cost.ratio for cost in costs.values()) > 0
    assert lines(20, {'with providers': Cost(9.0, 9.0)})[-1].split()[-2:] == ['NOT', 'MET']
