"""The figures say how it came, and the timeline whose time it was."""

from __future__ import annotations

from typing import Any

from pydantic_ai_streaming import RunStream


def cause(stream: RunStream[Any]) -> str:
    stats, timeline = stream.stats, stream.timeline
    if stream.finish != 'complete':
        return 'cut'
    if stats.pieces == 1:
        return 'buffered'
    seconds = {
        'tool': timeline.share('tool'),
        'thinking': timeline.share('thinking'),
        'waiting': timeline.share('waiting'),
        'gap': stats.longest_gap,
    }
    worst = max(seconds, key=lambda name: seconds[name])
    return worst if seconds[worst] > 1 else 'fine'
