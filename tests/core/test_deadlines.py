"""Deadlines and the watchdog: every instant is an argument, so every limit can be tested at its edge."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydantic_ai_streaming.core.deadlines import Deadlines, Due, Watchdog

LIMITS = ('first', 'idle', 'total', 'min_rate', 'rate_window', 'finish_grace')


@pytest.mark.parametrize('name', LIMITS)
@pytest.mark.parametrize('value', [0, -1, -0.001, math.nan, math.inf, -math.inf])
def test_a_limit_that_means_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f'Deadlines\\({name}='):
        Deadlines(**{name: value})


@pytest.mark.parametrize('name', LIMITS)
@pytest.mark.parametrize('value', ['10', True, [1]])
def test_a_limit_that_is_no_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f'Deadlines\\({name}=.*number of seconds'):
        Deadlines(**{name: value})


@pytest.mark.parametrize('name', ['first', 'idle'])
def test_a_limit_above_total_is_refused_because_it_can_never_be_reached(name: str) -> None:
    with pytest.raises(ValueError, match=f'{name}=10.*total=5.*lower {name}, or raise total'):
        Deadlines(**{name: 10.0}, total=5)
    assert Deadlines(**{name: 5.0}, total=5)


def test_nothing_is_limited_unless_it_is_asked_for() -> None:
    assert Deadlines().unlimited
    dog = Watchdog(Deadlines(), now=0)
    dog.waiting(0)
    dog.content(1)
    assert dog.due is None
    assert dog.expired(1e9) is None


def test_a_deadline_passes_at_its_instant_and_not_before() -> None:
    dog = Watchdog(Deadlines(first=2), now=0)
    dog.waiting(1)
    assert dog.expired(2.999) is None
    assert dog.expired(3) == Due(3, 'first', 2)


def test_idle_begins_with_the_first_content_and_moves_with_each() -> None:
    dog = Watchdog(Deadlines(first=10, idle=2), now=0)
    dog.waiting(0)
    assert dog.content(1), 'the first content brings the deadline nearer, so a timer has to be moved'
    assert dog.due == Due(3, 'idle', 2)
    assert not dog.content(2.5)
    assert dog.due == Due(4.5, 'idle', 2)


def test_first_alone_does_not_limit_silence_later() -> None:
    dog = Watchdog(Deadlines(first=1), now=0)
    dog.waiting(0)
    dog.content(0.5)
    assert dog.due is None


def test_nobody_is_late_while_a_tool_runs_but_total_goes_on() -> None:
    dog = Watchdog(Deadlines(first=1, idle=1, total=100), now=0)
    dog.waiting(0)
    dog.content(0.5)
    dog.paused(1)
    assert dog.due == Due(100, 'total', 100)
    dog.waiting(50)
    assert dog.due == Due(51, 'first', 1)


def test_silence_goes_on_after_a_pause_where_it_stood() -> None:
    dog = Watchdog(Deadlines(first=1, idle=2), now=0)
    dog.waiting(0)
    dog.content(0.5)
    dog.paused(1.0)
    dog.resumed(30)
    assert dog.due == Due(31.5, 'idle', 2), 'half a second of the silence was before the pause'
    dog.resumed(31)
    assert dog.due == Due(31.5, 'idle', 2), 'resuming what is not paused changes nothing'


def test_the_earliest_of_several_limits_is_the_one_that_counts() -> None:
    dog = Watchdog(Deadlines(idle=5, total=6), now=0)
    dog.waiting(0)
    dog.content(0)
    assert dog.due == Due(5, 'idle', 5)
    dog.content(4)
    assert dog.due == Due(6, 'total', 6)


def test_a_trickle_breaks_the_rate_when_its_window_is_full() -> None:
    dog = Watchdog(Deadlines(min_rate=10, rate_window=4), now=0)
    dog.waiting(0)
    for second in range(1, 5):
        dog.content(second, characters=3)
    assert dog.due == Due(5, 'rate', 10), 'the window begins with the first content, at 1 s'


def test_enough_content_keeps_the_rate_until_it_leaves_the_window() -> None:
    dog = Watchdog(Deadlines(min_rate=10, rate_window=4), now=0)
    dog.waiting(0)
    dog.content(0, characters=100)
    dog.content(1, characters=50)
    assert dog.due == Due(5, 'rate', 10), 'without what came at 1 s the window would be empty'
    dog.content(4.5, characters=40)
    assert dog.due == Due(8.5, 'rate', 10)


def test_a_pause_is_not_part_of_the_rate() -> None:
    dog = Watchdog(Deadlines(min_rate=10, rate_window=4), now=0)
    dog.waiting(0)
    dog.content(0, characters=1)
    dog.paused(1)
    dog.resumed(101)
    assert dog.due == Due(104, 'rate', 10)


@given(
    arrivals=st.lists(st.tuples(st.floats(0.01, 3), st.integers(1, 50)), min_size=1, max_size=40),
    min_rate=st.floats(0.5, 20),
    window=st.floats(0.5, 10),
)
def test_the_rate_breaks_exactly_when_a_window_holds_too_little(
    arrivals: list[tuple[float, int]], min_rate: float, window: float
) -> None:
    dog = Watchdog(Deadlines(min_rate=min_rate, rate_window=window), now=0)
    dog.waiting(0)
    now = 0.0
    came: list[tuple[float, int]] = []
    for gap, characters in arrivals:
        now += gap
        came.append((now, characters))
        dog.content(now, characters)
    due = dog.due
    assert due is not None

    def held(at: float) -> int:
        return sum(characters for t, characters in came if t > at - window)

    assert due.at >= came[0][0] + window
    just_after = math.nextafter(due.at, math.inf) + 1e-6
    assert held(just_after) < min_rate * window, 'it breaks when the window holds too little'
    if due.at > max(now, came[0][0] + window) + 1e-6:
        assert held(due.at - 1e-6) >= min_rate * window, 'and not before'
