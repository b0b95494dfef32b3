"""Pacing in virtual time: what is shown, when, and never too late."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from pydantic_ai_streaming.core.cutting import UNITS, Unit
from pydantic_ai_streaming.core.pacing import Pacer, Smoothing

Event = tuple[float, str]

FRAME = 1 / 60
ORIGINS = [0.0, -5.0, 1.7e9]
"""A clock may start anywhere; at 1.7e9 (Unix time) an instant is only exact to 0.2 microseconds."""


def wait(pacer: Pacer, until: float = math.inf) -> list[Event]:
    """Call `due` whenever it is time, before `until`, and see that it is worth the call."""
    shown: list[Event] = []
    while (instant := pacer.next_due) is not None and instant < until:
        text = pacer.due(instant)
        later = pacer.next_due
        assert text or later is None or later > instant, f'nothing came at {instant}, and it says so again'
        if text:
            shown.append((instant, text))
    return shown


def play(smoothing: Smoothing, events: Iterable[Event], end: float, origin: float = 0.0) -> list[Event]:
    """What is shown, and when, of what arrives."""
    pacer = Pacer(smoothing)
    shown: list[Event] = []
    for instant, text in events:
        shown += wait(pacer, instant + origin)
        pacer.feed(text, instant + origin)
    shown += wait(pacer, end + origin)
    pacer.close(end + origin)
    shown += wait(pacer)
    assert pacer.finished
    assert pacer.next_due is None
    return [(instant - origin, text) for instant, text in shown]


def every(seconds: float, *texts: str) -> list[Event]:
    return [(i * seconds, text) for i, text in enumerate(texts)]


def milliseconds(shown: list[Event]) -> list[tuple[int, str]]:
    return [(round(instant * 1000), text) for instant, text in shown]


def joined(events: Iterable[Event]) -> str:
    return ''.join(text for _, text in events)


def delays(events: list[Event], shown: list[Event]) -> list[float]:
    """Seconds from the arrival of each character to its being shown."""
    came = [instant for instant, text in events for _ in text]
    left = [instant for instant, text in shown for _ in text]
    return [b - a for a, b in zip(came, left, strict=True)]


TEXT = 'The quick brown **fox** 👩\u200d👩\u200d👧 jumps\r\n\n## Over `code` 🇩🇪 流式。 \x1b[31mred\x1b[0m e\u0301nd. '
gaps = st.sampled_from([0.0, 0.0005, 0.004, 0.02, 0.1, 0.35, 0.7, 3.0]) | st.floats(0, 2)
streams = st.lists(st.tuples(gaps, st.sampled_from([1, 1, 2, 4, 90, 1000])), min_size=1, max_size=30)
settings = st.builds(
    Smoothing,
    by=st.sampled_from(UNITS),
    max_lag=st.sampled_from([0.0, 0.1, 0.25, 0.4, 2.0]),
    drain=st.sampled_from([0.0, 0.01, 0.12, 1.0]),
    max_hold=st.sampled_from([0.0, 0.05, 0.6]),
    fps=st.sampled_from([1, 30, 60, 144.5]),
)


def stream(gaps_and_sizes: list[tuple[float, int]]) -> list[Event]:
    source = TEXT * 300
    now, place = 0.0, 0
    events: list[Event] = []
    for gap, size in gaps_and_sizes:
        now += gap
        events.append((now, source[place : place + size]))
        place += size
    return events


@given(streams, settings, gaps, st.sampled_from(ORIGINS))
def test_every_character_comes_out_once_in_order_and_in_time(
    arrivals: list[tuple[float, int]], smoothing: Smoothing, pause: float, origin: float
) -> None:
    events = stream(arrivals)
    end = events[-1][0] + pause
    shown = play(smoothing, events, end, origin)
    frame = 1 / smoothing.fps + 1e-5
    assert joined(shown) == joined(events)
    assert max(delays(events, shown)) <= max(smoothing.max_lag, smoothing.max_hold) + frame
    assert shown[-1][0] - end <= max(smoothing.drain, frame) + 1e-5
    assert all(b[0] - a[0] >= 1 / smoothing.fps - 1e-5 for a, b in pairwise(shown))


@given(streams, settings, st.lists(st.floats(0, 0.5), max_size=60), st.randoms(use_true_random=False))
def test_late_early_and_missing_calls_lose_nothing(
    arrivals: list[tuple[float, int]], smoothing: Smoothing, polls: list[float], random: Any
) -> None:
    pacer = Pacer(smoothing)
    out, now = '', 0.0
    events = stream(arrivals)
    for (instant, text), poll in zip(events, [*polls, *[0.0] * len(events)], strict=False):
        now = max(now, instant)
        pacer.feed(text, now)
        now += poll
        out += pacer.due(now - random.choice([0, 0, 0.3, 100]))
    pacer.close(now)
    while pacer.next_due is not None:
        out += pacer.due(pacer.next_due + random.choice([0, 0.001, 0.2]))
    assert out == joined(events)
    assert pacer.finished


@given(streams, settings, st.integers(0, 30))
def test_an_abort_at_any_instant_returns_the_tail(
    arrivals: list[tuple[float, int]], smoothing: Smoothing, fed: int
) -> None:
    pacer = Pacer(smoothing)
    events = stream(arrivals)[:fed]
    out = ''
    for instant, text in events:
        out += joined(wait(pacer, instant))
        pacer.feed(text, instant)
    assert out + pacer.flush() == joined(events)
    assert pacer.next_due is None
    assert pacer.flush() == ''


@given(st.lists(st.integers(1, 5), max_size=60), st.sampled_from(UNITS), st.sampled_from([0.001, 0.01, 0.04]))
def test_a_steady_stream_is_cut_between_clusters_whatever_its_tokens(sizes: list[int], by: Unit, gap: float) -> None:
    events = stream([(gap, size) for size in sizes] or [(gap, 5)])
    text = joined(events)
    clusters, ends = set[int](), set[int]()
    for pieces, places in (
        (regex.findall(r'\X', text), clusters),
        ([t for _, t in play(Smoothing(by=by), events, events[-1][0])], ends),
    ):
        place = 0
        for piece in pieces:
            place += len(piece)
            places.add(place)
    assert ends <= clusters


def test_tokens_are_shown_as_words_when_the_next_one_begins() -> None:
    events = every(0.05, 'Hel', 'lo', ' wor', 'ld', ', how', ' are', ' you', '?')
    assert milliseconds(play(Smoothing(), events, 0.4)) == snapshot(
        [(100, 'Hello '), (200, 'world'), (250, ', '), (275, 'how '), (300, 'are '), (350, 'you'), (400, '?')]
    )


def test_a_batch_is_spread_until_the_next_is_expected() -> None:
    batch = 'one two three four five six '
    events = every(0.3, batch, batch, batch)
    assert milliseconds(play(Smoothing(fps=20), events, 0.9)) == snapshot(
        [
            (0, 'one '),
            (61, 'two '),
            (133, 'three '),
            (218, 'four '),
            (291, 'five '),
            (341, 'six one '),
            (403, 'two '),
            (453, 'three '),
            (503, 'four five '),
            (605, 'six '),
            (655, 'one two '),
            (732, 'three '),
            (782, 'four '),
            (832, 'five '),
            (882, 'six'),
            (932, ' '),
        ]
    )


def test_a_dump_drains_evenly_and_at_once_if_asked_to() -> None:
    events = [(0.0, 'word ' * 40)]
    assert [(ms, len(text)) for ms, text in milliseconds(play(Smoothing(), events, 0.0))] == snapshot(
        [(0, 15), (17, 30), (33, 30), (50, 30), (67, 30), (83, 30), (114, 35)]
    )
    assert [(ms, len(text)) for ms, text in milliseconds(play(Smoothing(drain=0), events, 0.0))] == snapshot([(0, 200)])


def test_an_unfinished_word_is_shown_after_a_pause_but_half_a_delimiter_only_after_the_hold() -> None:
    assert milliseconds(play(Smoothing(), [(0.0, 'Well '), (0.02, 'unfin')], 2.0)) == snapshot(
        [(0, 'Well'), (20, ' '), (80, 'unfin')]
    )
    assert milliseconds(play(Smoothing(), [(0.0, 'Well '), (0.02, 'unfin*')], 2.0)) == snapshot(
        [(0, 'Well'), (20, ' unfin'), (620, '*')]
    )
    assert milliseconds(play(Smoothing(max_hold=0.2), [(0.0, 'Well '), (0.02, 'unfin*')], 2.0)) == snapshot(
        [(0, 'Well'), (20, ' unfin'), (220, '*')]
    )


def test_a_pause_does_not_part_a_letter_from_the_marks_that_come_after_it() -> None:
    thai, dots, flag = ['ไม่ใช', '่แล้ว'], ['कह', 'ाँ'], ['on 🏳\ufe0f', '\u200d🌈!']
    for first, rest in (thai, dots, flag):
        events = [(0.0, first), (0.3, rest)]
        shown = play(Smoothing(), events, 2.0)
        ends = {len(joined(shown[: i + 1])) for i in range(len(shown))}
        assert shown[0][0] < 0.3, 'what is complete is shown in the pause'
        assert len(first) not in ends


def test_a_word_that_takes_too_long_is_shown_but_its_last_cluster_is_not_parted_from_what_follows() -> None:
    """The hold is of each code point: what only just came is not due because the start of its word is."""
    word = ['क', '्', 'ष', 'त', '्', 'र', 'ि', 'य']
    shown = play(Smoothing(), every(0.125, *word), 1.0)
    assert milliseconds(shown) == snapshot([(600, 'क्ष'), (975, 'त्रि'), (1000, 'य')])


def test_after_a_pause_tokens_flow_as_before_and_a_flood_is_spread() -> None:
    tokens = [(i * 0.03 + i % 3 * 0.008, 'word ') for i in range(60)]
    pause = tokens[-1][0] + 1.0
    after = [(pause + instant, text) for instant, text in tokens]
    late = delays(tokens + after, play(Smoothing(), tokens + after, after[-1][0]))
    half = len(late) // 2
    assert sum(late[half:]) < 1.2 * sum(late[:half])
    flood = [(pause + i * 0.0001, 'word ') for i in range(200)]
    shown = play(Smoothing(), tokens + flood, pause + 2)
    assert len([text for instant, text in shown if pause <= instant]) > 10


def test_tokens_that_come_irregularly_are_evened_out() -> None:
    random, now = Random(1), 0.0
    events: list[Event] = []
    for _ in range(2000):
        events.append((now, 'word '))
        now += random.lognormvariate(math.log(0.013), 1)
    trace = BENCHMARK.Trace('', events, now, {})
    raw, paced = (BENCHMARK.measure(trace, shown) for shown in (events, play(Smoothing(), events, now)))
    assert paced.variation < 0.95 * raw.variation
    assert paced.mean < 40


def test_the_last_piece_of_a_long_rest_comes_when_the_drain_ends() -> None:
    shown = play(Smoothing(), [(0.0, 'word ' * 600)], 0.0)
    assert shown[-1][0] == pytest.approx(Smoothing().drain)
    assert len(shown[-1][1]) < 800
    late = play(Smoothing(max_lag=0.1), [(0.0, 'word ' * 600)], 0.05)
    assert late[-1][0] <= 0.1 + FRAME


def test_a_slow_line_is_given_up_by_whole_words() -> None:
    events = every(0.1, *'This line is too slow to wait for its very end'.replace(' ', ' |').split('|'))
    assert milliseconds(play(Smoothing(by='line'), events, 1.0)) == snapshot(
        [(60, 'This '), (700, 'line is too slow to wait'), (1000, ' for its very end')]
    )


def test_a_fast_source_is_never_slowed_down() -> None:
    events = [(i * 0.0005, 'word ') for i in range(4000)]
    shown = play(Smoothing(), events, 2.0)
    assert max(delays(events, shown)) < 0.05


def test_the_first_piece_comes_at_once() -> None:
    pacer = Pacer(Smoothing())
    pacer.feed('流式输出', 5.0)
    assert pacer.next_due == 5.0
    assert pacer.due(5.0)


def test_what_must_not_wait_takes_along_what_does() -> None:
    pacer = Pacer(Smoothing())
    pacer.feed('one two three four five six seven eight', 1.0)
    out = pacer.due(1.0)
    assert out == 'one '
    assert pacer.at_once('\n[stopped]\n', 1.01) == 'two three four five six seven eight\n[stopped]\n'
    assert pacer.next_due is None
    pacer.feed('more text', 1.01)
    assert pacer.next_due == pytest.approx(1.01 + FRAME)


def test_a_clock_that_is_set_back_neither_stops_nor_hurries_the_text() -> None:
    pacer = Pacer(Smoothing())
    pacer.feed('one two three four five six seven eight ', 10.0)
    assert pacer.due(10.0) == 'one '
    planned = pacer.next_due
    assert pacer.due(3.0) == ''
    pacer.close(2.0)
    assert planned is not None
    assert pacer.next_due is not None
    assert 10.0 < pacer.next_due <= planned
    assert joined(wait(pacer, 10.2)) == 'two three four five six seven eight '


def test_each_pause_inside_a_word_is_waited_for_only_as_long_as_the_first() -> None:
    events = [(0.0, 'unfin'), (0.3, 'ished'), (0.6, 'ness')]
    assert milliseconds(play(Smoothing(max_hold=2), events, 6.0)) == snapshot([(60, 'unfin'), (1080, 'ishedness')])


def test_nothing_to_do_is_none_and_not_a_poll() -> None:
    pacer = Pacer(Smoothing())
    assert pacer.next_due is None
    assert pacer.due(1.0) == ''
    pacer.feed('', 2.0)
    assert pacer.next_due is None
    assert not pacer.finished
    pacer.close(3.0)
    assert pacer.next_due is None
    assert pacer.finished


def test_feeding_after_the_end_is_an_error_and_closing_again_is_not() -> None:
    pacer = Pacer()
    pacer.feed('text', 0.0)
    pacer.close(1.0)
    pacer.close(2.0)
    with pytest.raises(RuntimeError, match=r'feed\(\) after close\(\)'):
        pacer.feed('more', 3.0)
    assert pacer.flush() == 'text'
    assert pacer.finished


@pytest.mark.parametrize(
    ('make', 'error', 'message'),
    [
        (lambda: Smoothing(max_lag=math.nan), ValueError, 'max_lag=nan: use a finite number that is not negative'),
        (lambda: Smoothing(max_lag=-1), ValueError, 'max_lag=-1: use a finite'),
        (lambda: Smoothing(drain=math.inf), ValueError, 'drain=inf: use a finite'),
        (lambda: Smoothing(max_hold=-0.1), ValueError, r'max_hold=-0\.1: use a finite'),
        (lambda: Smoothing(fps=0), ValueError, 'fps=0 would never show anything'),
        (lambda: Smoothing(fps=1e-310), ValueError, 'fps=1e-310: use updates per second'),
        (lambda: Smoothing(fps=10**400), ValueError, 'fps=10+: use a finite number'),
        (lambda: Smoothing(fps=1e6), ValueError, 'fps=1000000.0: use updates per second, such as 60'),
        (lambda: Smoothing(max_lag=10**400), ValueError, 'max_lag=10+: use a finite number'),
        (lambda: Smoothing(fps='60'), TypeError, "fps='60' is not a number"),  # pyright: ignore[reportArgumentType]  # the mistake that is tested
        (lambda: Smoothing(drain=True), TypeError, 'drain=True is not a number'),
        (lambda: Smoothing(by='letter'), ValueError, "by='letter' is no unit of text: use one of 'grapheme', 'word'"),  # pyright: ignore[reportArgumentType]  # the mistake that is tested
    ],
)  # fmt: skip
def test_a_setting_that_cannot_work_says_what_can(
    make: Callable[[], Smoothing], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


def test_the_number_of_batches_does_not_grow_with_the_number_of_deltas() -> None:
    """The pace looks at each batch, so a source of tiny deltas must not make one of each."""
    pacer = Pacer(Smoothing(max_lag=0.4))
    for i in range(5000):
        pacer.feed('word ', i * 0.0001)
    batches = pacer._backlog.batches  # pyright: ignore[reportPrivateUsage]  # the cost has no other face
    assert len(batches) <= 0.4 / (FRAME / 2) + 2


def load_module(path: Path) -> ModuleType:
    """A module that is no part of the package."""
    spec = importlib.util.spec_from_file_location(f'loaded_{path.stem}', path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BENCHMARK: Any = load_module(Path(__file__).parents[2] / 'benchmarks' / 'smoothing.py')
TRACES: Path | None = BENCHMARK.directory()
needs_traces = pytest.mark.skipif(
    TRACES is None, reason='the arrival traces are not here: set SMOOTHING_TRACES to their directory'
)


@needs_traces
@pytest.mark.parametrize('name', BENCHMARK.PEERS)
@pytest.mark.parametrize('lag', [0.25, 0.4])
def test_a_trace_is_as_smooth_and_as_quick_as_it_should_be(name: str, lag: float) -> None:
    trace = BENCHMARK.load(TRACES, name)
    smoothing = Smoothing(max_lag=lag)
    figures = BENCHMARK.measure(trace, play(smoothing, trace.events, trace.end))
    assert list(BENCHMARK.targets_missed(trace, smoothing, figures)) == []


@needs_traces
@pytest.mark.parametrize('name', BENCHMARK.PEERS)
@pytest.mark.parametrize('by', UNITS)
def test_no_unit_cuts_inside_a_cluster_a_delimiter_or_a_sequence_of_a_trace(name: str, by: Unit) -> None:
    trace = BENCHMARK.load(TRACES, name)
    figures = BENCHMARK.measure(trace, play(Smoothing(by=by), trace.events, trace.end))
    assert {kind: figures.cuts[kind] for kind in ('grapheme', 'md', 'ansi')} == {'grapheme': 0, 'md': 0, 'ansi': 0}
    assert figures.longest <= 600 + 1000 * FRAME + 1e-3
    assert figures.tail <= 120


@needs_traces
@pytest.mark.parametrize('name', ['steady50', 'grapheme_adv', 'claude_batch'])
def test_our_figures_are_those_of_the_published_measurement(name: str) -> None:
    assert TRACES is not None
    if not (TRACES / 'metrics.py').is_file():
        pytest.skip('the published measurement is not beside the traces')
    published: Any = load_module(TRACES / 'metrics.py')
    trace = BENCHMARK.load(TRACES, name)
    shown = play(Smoothing(), trace.events, trace.end)
    ours = BENCHMARK.measure(trace, shown)
    files = [json.loads((TRACES / 'traces' / f'{name}{kind}.json').read_text('utf-8')) for kind in ('', '.seg')]
    theirs = published.metrics(*files, [[instant * 1000, text] for instant, text in shown])
    assert ours.cuts == {kind: theirs[f's_{kind}'] for kind in ours.cuts}
    assert [ours.variation, ours.mean, ours.longest, ours.tail, ours.first] == pytest.approx(
        [theirs[key] for key in ('rcv', 'lat', 'latmax', 'tail', 'ttfo')], abs=0.02
    )
