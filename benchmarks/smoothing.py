"""Measures pacing on recorded arrival patterns, in virtual time, beside other smoothers.

    python -m benchmarks.smoothing

A trace is `{"name", "events": [[milliseconds, text], ...], "end_ms"}`; beside it `NAME.seg.json` has the spans, in
UTF-16 units, inside which no cut should be. The directory is `SMOOTHING_TRACES`, or `../shared/smoothing` beside the
repository.
"""

from __future__ import annotations

import json
import math
import os
import re
import statistics
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypedDict, cast

from pydantic_ai_streaming.core.pacing import Pacer, Smoothing

__all__ = ['TARGETS', 'Figures', 'Trace', 'directory', 'load', 'main', 'measure', 'play', 'targets_missed']

KINDS = ('grapheme', 'word', 'md', 'ansi')

# rCV · mean/max added milliseconds · tail, each run as it is by default: AI SDK 7.0.173 smoothStream(), Hugging Face
# chat-ui, LibreChat, assistant-ui, pydantic-ai debounce_by=0.1.
PEERS = {
    'steady50': '.37 28/280 10 | .31 28/120 30 | .26 24/90 20 | .13 105/273 237 | .33 58/100 0',
    'slow8': '1.54 222/1875 10 | 1.16 159/500 13 | .82 0/0 0 | .73 24/67 25 | .82 100/100 0',
    'openai_like': '.85 35/1166 15 | .71 49/1117 26 | .64 43/166 20 | .50 121/323 53 | .95 59/100 0',
    'bursty400': '1.32 91/400 130 | .70 148/400 283 | .57 136/325 225 | .26 177/417 400 | 1.73 97/100 0',
    'cli92x350': '.99 83/419 60 | .40 152/419 107 | .63 93/300 100 | .28 210/470 180 | 1.64 99/100 0',
    'claude_batch': '.55 209/626 426 | .44 199/626 316 | .59 142/475 256 | .49 234/634 616 | 2.01 97/100 0',
    'fast500': '.28 5377/10828 10824 | .18 158/227 91 | .17 244/287 252 | .32 241/785 785 | .20 51/100 0',
    'cerebras2000': '.28 14556/29170 29170 | .26 199/263 263 | .13 1373/2670 2660 | .58 242/1127 1127 | .21 53/100 0',
    'stall_flood': '1.01 1207/4000 10 | 2.87 135/4000 20 | 2.26 199/725 45 | 2.58 189/703 73 | 6.08 67/100 0',
    'dump3k': '.30 2438/4940 4940 | .49 205/400 400 | .15 122/250 250 | 1.20 248/1250 1250 | 0 0/0 0',
    'cjk40': '6.28 1984/4675 0 | .34 25/175 0 | .23 0/0 0 | .21 12/25 8 | .44 57/100 0',
    'grapheme_adv': '1.01 88/380 0 | 1.17 105/340 0 | .19 15/25 5 | .24 10/23 13 | .25 59/100 0',
    'base64blob': '7.68 2990/5980 0 | 1.22 120/320 16 | .10 204/270 270 | .11 20/33 20 | .27 58/100 0',
}


@dataclass(frozen=True)
class Trace:
    """Text as it arrived, and where it should not be cut."""

    name: str
    events: list[tuple[float, str]]
    """Seconds and text."""
    end: float
    spans: dict[str, list[tuple[int, int]]]
    """`grapheme`, `word`, `md` and `ansi`: start and end in UTF-16 units."""


@dataclass(frozen=True)
class Figures:
    """What a person would notice. Times are milliseconds."""

    variation: float
    """Coefficient of variation of the characters shown per 100 ms, from the first arrival to the last output (rCV)."""
    mean: float
    """Added to the arrival of a character on average."""
    longest: float
    tail: float
    """From the end of the source to the last output."""
    first: float
    """From the first arrival to the first output."""
    updates: int
    shortest_gap: float
    """Between two updates."""
    cuts: dict[str, int]
    """Cuts inside a span, by kind."""


class _TraceFile(TypedDict):
    name: str
    events: list[tuple[float, str]]
    end_ms: float


def directory() -> Path | None:
    """Where the traces are, or None if they are not here."""
    beside = Path(__file__).parents[2] / 'shared' / 'smoothing'
    place = Path(os.environ.get('SMOOTHING_TRACES', beside))
    return place if (place / 'traces').is_dir() else None


def load(place: Path, name: str) -> Trace:
    text = (place / 'traces' / f'{name}.json').read_text('utf-8')
    spans = (place / 'traces' / f'{name}.seg.json').read_text('utf-8')
    trace = cast('_TraceFile', json.loads(text))
    spans = cast('dict[str, list[tuple[int, int]]]', json.loads(spans))
    return Trace(
        name,
        [(ms / 1000, text) for ms, text in trace['events']],
        trace['end_ms'] / 1000,
        {kind: spans[kind] for kind in KINDS},
    )


def play(trace: Trace, smoothing: Smoothing) -> list[tuple[float, str]]:
    """What a loop shows, and when, that feeds what arrives and calls `due` when it is told to."""
    pacer = Pacer(smoothing)
    shown: list[tuple[float, str]] = []

    def wait(until: float) -> None:
        while (instant := pacer.next_due) is not None and instant < until:
            if text := pacer.due(instant):
                shown.append((instant, text))

    for instant, text in trace.events:
        wait(instant)
        pacer.feed(text, instant)
    wait(trace.end)
    pacer.close(trace.end)
    wait(math.inf)
    return shown


def width(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text.encode('utf-16-le')) // 2


def measure(trace: Trace, shown: list[tuple[float, str]]) -> Figures:
    """The figures of an output.

    Raises:
        ValueError: The output is not the text of the trace.
    """
    if ''.join(text for _, text in shown) != ''.join(text for _, text in trace.events):
        raise ValueError(f'{trace.name}: the output is not the text that arrived')
    start, last = trace.events[0][0], shown[-1][0]
    arrivals = [instant for instant, text in trace.events for _ in range(width(text))]
    cuts: list[int] = []
    delays: list[float] = []
    counts = [0] * max(1, math.ceil((last - start) * 10 + 1e-9))
    place = 0
    for instant, text in shown:
        end = place + width(text)
        delays += [instant - arrival for arrival in arrivals[place:end]]
        counts[min(len(counts) - 1, int((instant - start) * 10))] += end - place
        cuts.append(end)
        place = end
    return Figures(
        variation=statistics.pstdev(counts) / statistics.mean(counts),
        mean=statistics.mean(delays) * 1000,
        longest=max(delays) * 1000,
        tail=(last - trace.end) * 1000,
        first=(shown[0][0] - start) * 1000,
        updates=len(shown),
        shortest_gap=min((b[0] - a[0] for a, b in pairwise(shown)), default=math.inf) * 1000,
        cuts={kind: sum(_inside(spans, cut) for cut in cuts[:-1]) for kind, spans in trace.spans.items()},
    )


def _inside(spans: list[tuple[int, int]], cut: int) -> bool:
    before = bisect_left(spans, cut, key=lambda span: span[0]) - 1
    return before >= 0 and spans[before][0] < cut < spans[before][1]


# Mean added milliseconds whatever the lag, and the variation by lag.
MEAN = {'steady50': 30, 'slow8': 180, 'openai_like': 45, 'fast500': 15, 'cerebras2000': 15, 'dump3k': 60}
BURSTY = ('bursty400', 'cli92x350', 'claude_batch', 'stall_flood')
STEADY_VARIATION = {'steady50': 0.30, 'openai_like': 0.80, 'fast500': 0.20}
TARGETS = {
    0.25: STEADY_VARIATION | {'bursty400': 0.80, 'cli92x350': 0.62, 'claude_batch': 0.95},
    0.4: STEADY_VARIATION | {'bursty400': 0.35, 'cli92x350': 0.30, 'claude_batch': 0.50},
}
"""The highest variation, by `max_lag` and trace."""


def targets_missed(trace: Trace, smoothing: Smoothing, figures: Figures) -> Iterator[str]:
    """What is worse than it should be, in word mode."""
    lag = smoothing.max_lag
    frame = 1000 / smoothing.fps
    first = {'cjk40': 25, 'base64blob': 150}.get(trace.name, _first_word(trace) + 17)
    mean = 0.55 * lag * 1000 + 10 if trace.name in BURSTY else MEAN.get(trace.name, math.inf)
    limits = {
        'variation': (figures.variation, TARGETS[lag].get(trace.name, math.inf)),
        'mean': (figures.mean, mean),
        'longest': (figures.longest, max(lag, smoothing.max_hold) * 1000 + frame),
        'tail': (figures.tail, 120),
        'first': (figures.first, first),
        'updates': (frame, figures.shortest_gap),
        **{f'cuts in {kind}': (figures.cuts[kind], 0) for kind in ('grapheme', 'md', 'ansi')},
    }
    for what, (value, limit) in limits.items():
        if value > limit + 1e-6:
            yield f'{what} {value:.2f} > {limit:.2f}'


def _first_word(trace: Trace) -> float:
    """Milliseconds after which smoothStream has its first word: something and the blank after it."""
    text = ''
    for instant, piece in trace.events:
        text += piece
        if re.search(r'\S\s', text):
            return (instant - trace.events[0][0]) * 1000
    return (trace.end - trace.events[0][0]) * 1000


def _microseconds(trace: Trace, smoothing: Smoothing) -> float:
    """Per character, the loop included; the best of five."""
    seconds: list[float] = []
    for _ in range(5):
        start = time.perf_counter()
        play(trace, smoothing)
        seconds.append(time.perf_counter() - start)
    return min(seconds) * 1e6 / sum(len(text) for _, text in trace.events)


def _traces(place: Path) -> None:
    print('cuts: graphemes/words/Markdown/ANSI; µs per character')
    print('peers (rCV mean/max tail): smoothStream | chat-ui | LibreChat | assistant-ui | debounce_by=0.1')
    for lag in TARGETS:
        smoothing = Smoothing(max_lag=lag)
        print(f'\nmax_lag={lag}\n{"":13}  rCV  mean   max tail first updates/s        cuts   µs')
        for name in PEERS:
            trace = load(place, name)
            shown = play(trace, smoothing)
            figures = measure(trace, shown)
            rate = figures.updates / max(1.0, shown[-1][0] - shown[0][0])
            cuts = '/'.join(str(figures.cuts[kind]) for kind in KINDS)
            missed = ', '.join(targets_missed(trace, smoothing, figures)) or 'met'
            print(
                f'{name:13} {figures.variation:4.2f} {figures.mean:5.0f} {figures.longest:5.0f} {figures.tail:4.0f}'
                f' {figures.first:5.0f} {rate:9.0f} {cuts:>11} {_microseconds(trace, smoothing):4.1f}'
                f'  {missed:6}  peers: {PEERS[name]}'
            )


def _scaling() -> None:
    print('\nµs per character of one text: whole, in tokens of 4, by character')
    texts = {'prose': 'Hello **world**, this is `code`.\n', 'letters': 'a', 'marks': '\u0301', 'flags': '\U0001f1e9'}
    for name, part in texts.items():
        for size in (10_000, 100_000, 1_000_000):
            text = (part * (size // len(part) + 1))[:size]
            costs: list[str] = []
            for step in (size, 4, 1):
                events = [(i * 1e-3, text[i : i + step]) for i in range(0, size, step)]
                # Started here, so that neither making these events nor freeing those before counts.
                start = time.perf_counter()
                play(Trace(name, events, events[-1][0], {}), Smoothing())
                costs.append(f'{(time.perf_counter() - start) * 1e6 / size:5.2f}')
            print(f'{name:8} {size:9,} {" ".join(costs)}')


def main() -> None:
    """Print the figures of the traces, if they are here, and how the cost grows with the text."""
    if place := directory():
        _traces(place)
    else:
        print('No traces: set SMOOTHING_TRACES to the directory that has traces/NAME.json')
    _scaling()


if __name__ == '__main__':
    main()
