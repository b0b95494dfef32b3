"""The benchmark of serving measures and says what is missed; the figures themselves are not a test's to judge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.serving import Figures, lines, measure, orders, orders_of_many
from benchmarks.serving_viewers import Seen, Viewer

GOOD = Figures(p50=10, p99=100, cpu=20, kib=20, waited=0, lost=0)


async def test_each_way_shows_every_piece_once() -> None:
    ways = orders(events=5)
    chosen = {name: ways[name] for name in ('memory', 'SQLite', 'sse-starlette', 'pydantic-ai, run anew')}
    chosen |= {f'{name} of three': one for name, one in orders_of_many(streams=3, events=2).items() if 'memory' in name}
    found = await measure(chosen, viewers=3, rounds=1)
    assert {name: one.lost for name, one in found.items()} == dict.fromkeys(chosen, 0)
    assert all(one.p99 > 0 and one.cpu > 0 for one in found.values())


@pytest.mark.parametrize('worse', [{'p99': 151}, {'cpu': 26}, {'kib': 31}, {'lost': 1}])
def test_what_is_missed_is_said(worse: dict[str, Any]) -> None:
    assert 'NOT MET' in lines('', {'memory': replace(GOOD, **worse)}, limited=True)[-1]
    assert 'NOT MET' not in lines('', {'memory': GOOD}, limited=True)[-1]


@pytest.mark.parametrize('cut', range(1, 40))
async def test_a_viewer_sees_what_is_missing_and_what_comes_twice_wherever_it_is_cut(cut: int) -> None:
    viewer, seen = Viewer(b''), Seen()
    body = b'200 OK\r\n\r\n<0 1.5> a <1 1.5> b <1 1.5> c <3 1.5> d'
    for start in range(0, len(body), cut):
        viewer.data_received(body[start : start + cut])
    viewer.tell(seen, events=5)
    assert (seen.missing, seen.twice, len(seen.lags)) == (2, 1, 3)
