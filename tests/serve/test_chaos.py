"""Viewers that leave and come back to any worker, and workers that are killed: each event once, in order, and an end.

This is the short form. `python -m tests.serve.chaos --backend redis --disconnects 2000 --kills 20` is the long one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.logs.places import LogPlace
from tests.serve.chaos.play import Plan, play
from tests.serve.chaos.workers import Broken

SHORT = Plan(streams=6, viewers=36, disconnects=80, kills=3, lease=1.0, stay=1.0, words=80)


async def test_nothing_is_lost_or_there_twice_and_each_stream_ends(place: LogPlace, tmp_path: Path) -> None:
    plan = SHORT if place.kind != 'memory' else replace(SHORT, kills=0)
    report = await play(place, tmp_path, plan)
    assert report.defects == []
    assert report.disconnects >= plan.disconnects
    assert report.kills == plan.kills
    assert bool(report.delays) == bool(plan.kills)


@pytest.mark.parametrize(
    ('broken', 'kinds'),
    [
        ('repeats', {'duplicated'}),
        ('skips', {'missing'}),
        ('nobody ends what is lost', {'endless'}),
    ],
)
async def test_a_mistake_that_is_made_on_purpose_is_seen(tmp_path: Path, broken: Broken, kinds: set[str]) -> None:
    kills = int(broken == 'nobody ends what is lost')
    plan = Plan(streams=4, viewers=8, disconnects=10, kills=kills, lease=0.5, stay=0.5, patience=2.0, words=30)
    report = await play(LogPlace('sqlite', str(tmp_path / 'streams.db')), tmp_path, plan, broken=broken)
    found = {one.kind for one in report.defects}
    if broken == 'skips':
        found.discard('endless')  # what is skipped may be the end
    assert found == kinds
