"""Pictures of what happened when: rows with bars, in characters and in HTML."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from html import escape
from typing import Final, TypeAlias

__all__ = ['Row', 'html_of', 'text_of']

Row: TypeAlias = tuple[str, str, Sequence[tuple[str, float, float]]]
"""A name, a remark, and the bars: each its kind, its start and its end in seconds."""

MARKS: Final = {
    'waiting': '·',
    'thinking': '░',
    'model': '█',
    'calling': '╌',
    'running': '━',
    'retried': '↻',
    'failed': '×',
    'denied': '×',
    'unfinished': '┅',
}
COLOURS: Final = {
    'waiting': '#e4e4e7',
    'thinking': '#c4b5fd',
    'model': '#2563eb',
    'calling': '#bfdbfe',
    'running': '#16a34a',
    'retried': '#f59e0b',
    'failed': '#dc2626',
    'denied': '#dc2626',
    'unfinished': '#71717a',
}
NAMES: Final = 16
"""Columns for names, at most."""
REMARKS: Final = 18
"""Columns for remarks."""


def text_of(rows: Sequence[Row], duration: float, width: int) -> str:
    """A picture in characters. A bar has one column at least, so that nothing that happened is left out.

    Example:
        >>> print(text_of([('model', '', [('model', 0, 1)]), ('search', 'returned', [('running', 1, 2)])], 2.0, 40))
        model  ████████████
        search             ━━━━━━━━━━━━ returned
               0 s               2.00 s
    """
    rows = [(_printable(name), _printable(remark), bars) for name, remark, bars in rows]
    names = min(max((_columns(name) for name, _, _ in rows), default=0), NAMES)
    remarks = min(max((_columns(remark) for _, remark, _ in rows), default=0), REMARKS)
    columns = max(width, 40) - names - 1 - remarks - 1
    scale = columns / duration if duration > 0 else 0.0
    lines: list[str] = []
    for name, remark, bars in rows:
        cells = [' '] * columns
        for kind, start, end in bars:
            first = min(int(start * scale), columns - 1)
            last = max(min(int(end * scale), columns), first + 1)
            cells[first:last] = MARKS.get(kind, '━') * (last - first)
        name = _cut(name, names)
        lines.append(f'{name}{" " * (names - _columns(name))} {"".join(cells)} {_cut(remark, remarks)}'.rstrip())
    total = f'{duration:.2f} s'
    lines.append(f'{"":<{names}} 0 s {total:>{max(columns - 4, 0)}}')
    return '\n'.join(lines)


def html_of(rows: Sequence[Row], duration: float) -> str:
    """A picture as a piece of HTML without scripts, classes or anything from elsewhere."""
    lines: list[str] = []
    for name, remark, bars in rows:
        pieces = ''.join(_bar(kind, start, end, duration) for kind, start, end in bars)
        lines.append(
            '<div style="display:flex;align-items:center;gap:.6em;margin:2px 0">'
            f'<span style="width:9em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap">{escape(name)}</span>'
            f'<span style="position:relative;flex:1;height:1em;background:#fafafa">{pieces}</span>'
            f'<span style="width:10em;color:#71717a">{escape(remark)}</span></div>'
        )
    return (
        f'<div role="img" aria-label="{duration:.2f} seconds" style="font:13px/1.4 system-ui,sans-serif">'
        f'{"".join(lines)}</div>'
    )


def _bar(kind: str, start: float, end: float, duration: float) -> str:
    left, wide = (start / duration * 100, (end - start) / duration * 100) if duration > 0 else (0.0, 100.0)
    return (
        f'<span title="{escape(kind)} {end - start:.2f} s" style="position:absolute;left:{left:.2f}%;'
        f'width:max({wide:.2f}%,2px);height:100%;background:{COLOURS.get(kind, "#16a34a")}"></span>'
    )


def _cut(text: str, columns: int) -> str:
    if _columns(text) <= columns:
        return text
    while _columns(text) > columns - 1:
        text = text[:-1]
    return text + '…'


def _columns(text: str) -> int:
    """Columns of a terminal that a text takes: a wide character takes two, a combining one none."""
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in 'WF') for char in text)


def _printable(text: str) -> str:
    """A model can call a tool by any name: nothing in it ends a line or moves the cursor."""
    return ''.join(char if char.isprintable() else '\N{REPLACEMENT CHARACTER}' for char in text)
