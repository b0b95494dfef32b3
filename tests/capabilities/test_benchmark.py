"""The table of costs: every way is measured, and what is missed is said."""

from __future__ import annotations

from benchmarks.capabilities import WAYS, measure, table


async def test_every_way_is_measured_and_what_is_missed_is_said() -> None:
    costs = await measure(pieces=20, rounds=1)
    assert set(costs) == set(WAYS)
    name = next(iter(WAYS))
    assert 'NOT MET' in table(20, {name: (1.0, 999.0)})[-1]
    assert 'NOT MET' not in table(20, {name: (1.0, 1.0)})[-1]
