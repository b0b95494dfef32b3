"""The benchmark of partial outputs measures what it says, and says what is missed."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import main
from benchmarks.documents import document, slices
from benchmarks.invalid import INVALID
from benchmarks.partials import RUNS, TARGETS, Cost, cost_table, measure, measure_runs
from benchmarks.peers import OURS, PEERS, Peer, flagged, judged


def test_every_cost_is_measured_and_what_is_missed_is_said() -> None:
    costs, floor = measure(1, in_a_row=1)
    assert set(costs) == set(TARGETS)
    assert all(taken > 0 for taken in floor.values())
    way = next(iter(TARGETS))
    missed = list(cost_table({way: Cost(microseconds=99, ratio=1, exponent=2)}))[-1]
    assert missed.count('NOT MET') == 2
    # Ten times the document takes nothing like a hundred times as long, however busy the machine is.
    assert max(cost.exponent for cost in costs.values()) < 1.8


async def test_every_way_to_read_a_run_is_measured() -> None:
    times = await measure_runs('records-3k', 1)
    assert set(times) == set(RUNS)
    assert times['bare events'][1] == 1


def test_peers_are_judged_by_the_same_measure() -> None:
    jiter = next(peer for peer in PEERS if peer.name.startswith('jiter'))
    material = document('tasks')
    chunks = slices(material.text, 4)
    ours, theirs = judged(OURS, material, chunks), judged(jiter, material, chunks)
    assert (ours.faults, ours.freshness) == ((0, 0, 0, 0), 1.0)
    assert theirs.snapshots == theirs.chunks == len(chunks)
    assert theirs.mistyped > 0
    assert (flagged(OURS, 4), flagged(jiter, 4)) == (len(INVALID), 2)


def test_a_peer_that_is_not_there_says_how_to_get_it() -> None:
    missing = Peer('none', OURS.read, 'no_such_module.at_all').missing
    assert missing is not None
    assert 'pip install no_such_module' in missing


def test_a_benchmark_that_does_not_exist_is_named() -> None:
    with pytest.raises(SystemExit, match=r"'nothing' is none of smoothing, .*partials"):
        main('nothing')
