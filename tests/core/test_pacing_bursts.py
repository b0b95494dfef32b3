"""What is expected of a source, from when its text came."""

from __future__ import annotations

import math

import pytest

from pydantic_ai_streaming.core.pacing_bursts import Bursts


def after(*instants: float, characters: int = 90, max_lag: float = 0.4) -> Bursts:
    bursts = Bursts(max_lag)
    for instant in instants:
        bursts.add(characters, instant)
    return bursts


def test_before_anything_came_nothing_is_expected_later() -> None:
    assert after().expected == -math.inf
    assert after().overdue == -math.inf


def test_a_batch_is_expected_to_be_followed_by_another_and_a_token_by_the_next_at_once() -> None:
    assert after(5.0, characters=90).expected == pytest.approx(5.4)
    assert after(5.0, characters=4).expected == 5.0
    assert after(5.0, 5.001, 5.002, 5.003, characters=9).expected == pytest.approx(5.403)


def test_a_stream_of_tiny_gaps_is_no_batch_however_long_it_gets() -> None:
    assert after(*(i * 0.002 for i in range(50))).expected == pytest.approx(0.098)


def test_regular_gaps_are_expected_to_go_on() -> None:
    bursts = after(0.0, 0.3, 0.6, 0.601, 0.9)
    assert bursts.expected == pytest.approx(1.2, abs=0.002)
    assert bursts.overdue > bursts.expected


def test_irregular_gaps_are_given_more_time() -> None:
    regular = after(0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
    irregular = after(0.0, 0.1, 0.4, 0.5, 0.8, 0.9, 1.2)
    assert irregular.expected > regular.expected + 0.03
    assert irregular.overdue > regular.overdue + 0.1


def test_one_long_pause_is_not_taken_for_the_pace_of_the_source() -> None:
    steady = [i * 0.02 for i in range(100)]
    assert after(*steady, 3600.0).expected < 3600.3


def test_a_pause_among_tokens_hardly_changes_what_is_expected_after_it() -> None:
    tokens = [i * 0.02 for i in range(50)]
    resumed = [tokens[-1] + 1.0 + i * 0.02 for i in range(2)]
    assert after(*tokens, *resumed, characters=4).expected < resumed[-1] + 0.06


def test_a_pause_before_a_batch_is_the_gap_to_the_next_however_the_batch_comes() -> None:
    tokens = [i * 0.02 for i in range(50)]
    whole, parts = after(*tokens, characters=4), after(*tokens, characters=4)
    came = tokens[-1] + 1.0
    whole.add(90, came)
    for _ in range(30):
        parts.add(3, came)
    assert whole.expected > came + 0.2
    # The part that made it a batch comes after a gap of nothing, and is counted with the pause before it.
    assert parts.expected > came + 0.2


def test_only_an_irregular_source_is_spread_for_longer_than_until_the_next_is_expected() -> None:
    assert after(*(i * 0.02 for i in range(50)), characters=4).least == pytest.approx(0.0)
    assert after(0.0, 0.01, 0.04, 0.05, 0.08, 0.09, 0.13, characters=4).least > 0.01
    assert after(0.0, 0.1, 0.4, 0.5, 1.1).least == 0.035
