"""What a slow view must not do, in virtual time; what `RunStream` costs is measured by `benchmarks/overhead.py`."""

from __future__ import annotations

import pytest

from benchmarks.overhead import LIMITS, WAYS, Overhead, measure, provider_gaps, table


@pytest.mark.virtual_time
async def test_a_slow_view_does_not_delay_the_provider() -> None:
    fast = await provider_gaps(pieces=20, gap=0.5, reading=0)
    slow = await provider_gaps(pieces=20, gap=0.5, reading=30)
    assert slow == fast == [0.5] * 19


async def test_the_benchmark_measures_every_way_and_says_what_is_missed() -> None:
    costs = await measure(pieces=20, rounds=1)
    assert set(costs) == set(WAYS)
    assert set(LIMITS) < set(WAYS)
    missed = table(20, {'events()': Overhead(microseconds=1, ratio=9)})
    assert 'NOT MET' in missed[-1]
