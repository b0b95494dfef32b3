"""What the scripted model says in each scene, and when."""

from __future__ import annotations

import textwrap
from typing import Final

from ..core.deadlines import Deadlines
from ..core.pacing import Smoothing
from ..testing.scripted import ScriptedModel
from ..testing.steps import Response, Stall, Step, Text, ToolCall, Usage

__all__ = ['IDLE', 'TIMETABLE', 'TOOL_TAKES', 'bursty_reply', 'stalling_replies', 'tool_replies']

TOOL_TAKES: Final = 1.2
"""Seconds that the tool works."""

IDLE: Final = Deadlines(first=2, idle=0.8, total=30)
"""Shorter than the tool takes, on purpose."""

TIMETABLE: Final = 'boats at 09:30, 13:15 and 17:40; the last one takes no bicycles'

_BURSTY = """\
**Models do not type.** They send a burst, pause, and send the next one. 📦

- `stream.text()` shows each burst as it lands.
- With `Smoothing()` the *same stream* flows: no word waits longer than {lag:g} s, and a fast model stays fast.

Nothing is cut in half: not **bold**, not an emoji 🌊, not 日本語の文章も大丈夫です。

Both are views of one record. A slow reader never holds the model up."""

_HALF = """\
Three things keep a stream alive:
1. Record what comes, once.
2. Let every reader have its own"""

_REST = """\
place in it.
3. Say when it is late, and keep what came.

The first half was not asked for again."""

# Seconds of silence before each burst: uneven, as providers are.
_PAUSES = (0.35, 0.31, 0.42, 0.36, 0.30, 0.45, 0.34, 0.38)


def bursty_reply(smoothing: Smoothing, *, width: int) -> ScriptedModel:
    """A reply in bursts of some 50 characters, every 0.3 to 0.45 s, in lines of `width`."""
    text = _filled(_BURSTY.format(lag=smoothing.max_lag), width)
    sizes = (53, 38, 57, 49, 55, 58, 42, 52)
    steps: list[Step | str] = []
    start = number = 0
    while start < len(text):
        size = sizes[number % len(sizes)]
        steps.append(Text(text[start : start + size], wait=_PAUSES[number % len(_PAUSES)]))
        start, number = start + size, number + 1
    return ScriptedModel([*steps, Usage(input_tokens=24, output_tokens=len(text) // 4)])


def tool_replies(*, width: int) -> ScriptedModel:
    """A reply that calls a tool, its arguments in pieces, and one that uses the result."""
    before = _typed('Let me look at the timetable before I promise anything.', width)
    call = ToolCall('ferries', {'to': 'Farland', 'day': 'Saturday'}, pieces=5)
    after = _typed(
        'Take the **13:15** boat ⛴ and bring the bicycle: the last one, at 17:40, would leave it on the quay.\n'
        'While the tool worked nobody was late. A deadline of silence counts only while the *model* is awaited.',
        width,
    )
    return ScriptedModel(
        Response([*before, call, Usage(input_tokens=61, output_tokens=31)], gap=0.07),
        Response([*after, Usage(input_tokens=118, output_tokens=52)], gap=0.07),
    )


def stalling_replies(*, width: int) -> ScriptedModel:
    """A reply that stops in the middle and never ends, and the one that goes on from there."""
    half = _typed(
        'Three things keep a stream alive:\n1. Record what comes, once.\n2. Let every reader have its own', width
    )
    rest = _typed(
        'place in it.\n3. Say when it is late, and keep what came.\n\nThe first half is not asked for again.', width
    )
    return ScriptedModel(
        Response([*half, Stall()], gap=0.07),
        Response([*rest, Usage(input_tokens=73, output_tokens=27)], gap=0.07),
    )


def _typed(text: str, width: int) -> list[Step | str]:
    """A word for each piece, roughly as a token stream has them."""
    words = _filled(text, width).split(' ')
    return [*(word + ' ' for word in words[:-1]), words[-1]]


def _filled(text: str, width: int) -> str:
    # A terminal breaks lines inside words, and what streams cannot be broken anew.
    return '\n'.join(textwrap.fill(line, width, break_on_hyphens=False) for line in text.split('\n'))
