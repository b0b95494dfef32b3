"""The benchmark of the guards measures every row, beside what the event loop costs, and says what is missed."""

from __future__ import annotations

from benchmarks.guards import IN_A_RUN, MOUNTED, alone, in_a_run, table_alone, table_in_a_run


def test_what_guards_cost_by_themselves_is_measured_and_what_is_missed_is_said() -> None:
    costs = alone(runs=1, turns=2, events=8)
    assert list(costs) == ['guard(source)', *MOUNTED]
    assert table_alone({'guard(source)': 9})[-1].endswith('  NOT MET')
    assert table_alone({'guard(source)': 0.5})[-1].endswith('  met')


def test_what_they_add_to_a_run_is_measured() -> None:
    costs = in_a_run(runs=1, turns=2, events=8)
    assert list(costs) == list(IN_A_RUN)
    assert len(table_in_a_run(costs)) == 1 + len(costs)
