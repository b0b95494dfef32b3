"""Bars tell when text came."""

from __future__ import annotations

from pydantic_ai_streaming.display.bars import amounts, bars


def test_what_lies_outside_counts_at_the_edge() -> None:
    assert amounts([(-0.01, 1), (0.0, 2), (0.99, 4), (5.0, 8)], cell=0.5, cells=2) == [3, 12]


def test_the_least_is_seen_and_the_most_is_full() -> None:
    assert bars([0, 1, 50, 100, 200], top=100) == ' ▁▄██'
    assert bars([0, 0], top=0) == '  '
