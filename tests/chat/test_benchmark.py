"""The benchmark of chats measures and says what is missed; the figures themselves are not a test's to judge."""

from __future__ import annotations

from benchmarks.chats import JournalCost, journal_cost, lines, view_cost


async def test_the_benchmark_measures_and_says_what_is_missed() -> None:
    cost = await journal_cost(pieces=20, rounds=1)
    assert min(cost.without, cost.with_journal, cost.ratio) > 0
    events, microseconds = await view_cost(['word '] * 20, rounds=1)
    assert (events > 20, microseconds > 0) == (True, True)
    missed = lines(JournalCost(without=1, with_journal=2, ratio=2), {'text': (20, 9.0)})
    assert [line.split()[-2:] for line in (missed[2], missed[-1])] == [['NOT', 'MET'], ['NOT', 'MET']]
