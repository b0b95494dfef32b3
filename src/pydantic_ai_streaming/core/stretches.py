"""A long text in stretches: what is due together need not be cut.

A source may send a page, or a megabyte, in one piece. To cut all of it into units takes .2 to 1.4 microseconds a
character, in which nothing else runs, and each update then shows thousands of units at once. So a long piece is parted
into stretches of whole units, and a stretch is cut when the pace ends inside it.

To know where a unit ends, one has to cut from the start: a fence or a run of flags may have begun anywhere. But some
places are an end whatever stands before, such as that between the blank after a word and the next letter. The patterns
below know them by the characters on both sides. Only a control sequence of a terminal and the info string of a fence
reach over such a place, and both are short: `_is_inside` looks for their start.

A text that has no such place (nothing but flags, or delimiters) is cut at once, as a short one is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import regex

from .cutting import LONGEST_SEQUENCE, LONGEST_UNIT, LONGEST_WORD, Cutter, Unit

__all__ = ['LENGTH', 'LONG', 'Stretch', 'feed_long', 'stretch_ends']

LENGTH = 2048
"""Code points of a stretch at least; it ends at the next place that is safe. To cut one takes 1 to 3 milliseconds."""

LONG = 2 * LENGTH
"""Code points of a text that is worth it."""

_MARK = r'[\p{GCB=Extend}\p{GCB=SpacingMark}\u200d]'
_SYLLABLE = rf'[[\p{{Han}}\p{{Hiragana}}\p{{Katakana}}\p{{Thai}}\p{{Lao}}]--{_MARK}]'
_EMOJI = r'[\p{ExtPict}--[\x00-\x7f]]'

# A line ends after its line end, or before the one of a heading.
_LINE = rf'\n(?![ ]{{0,3}}+\#)(?!{_MARK})|(?<=[^\r])(?=\r?\n[ ]{{0,3}}+\#)'
_SENTENCE = rf'(?<=[A-Za-z])[.!?][ ](?=[A-Z])|(?<={_SYLLABLE})[。！？｡](?={_SYLLABLE})'
_WORD = '|'.join(
    [
        rf'(?<=\S)[ ](?!{_MARK})(?=\S)',
        # Not after a joiner or a mark such as U+0600, which join what follows.
        rf'(?<=[[A-Za-z][^\x00-\x7f]--[\u200d\p{{GCB=Prepend}}]])(?=[{_SYLLABLE}{_EMOJI}])',
        # Between punctuation, of which the second is never inside a word: neither of ' . : and _.
        r'(?<=[A-Za-z"%&(),/:;{}])(?=[!-&(-\-/;-@\[-\^`{-~])',
        # In a word, or a list of numbers, that is cut between graphemes for its length.
        rf'(?<=[A-Za-z0-9]{{{LONGEST_WORD + 1}}})(?=[A-Za-z0-9])',
        rf'(?<=[0-9](?:[.,]?[0-9]){{{LONGEST_WORD}}})(?=[0-9])',
    ]
)

# One look at the next characters spares most places all alternatives, which is ten times as quick.
_ANY_WORD = regex.compile(rf'(?V1)(?=[ -~{_SYLLABLE}{_EMOJI}])(?:{_WORD})')
_PATTERNS: Final[dict[Unit, regex.Pattern[str] | None]] = {
    'grapheme': None,
    'word': None,
    'line': regex.compile(rf'(?V1)(?=[\r\n])(?:{_LINE})'),
    'sentence': regex.compile(rf'(?V1)(?=[\r\n。！？｡]|[.!?][ ])(?:{_LINE}|{_SENTENCE})'),
}

_OPEN = regex.compile(r'\x1b(?:\[[ -?]*+|\][^\x07]*+)?')
"""The start of a control sequence."""

_SEEN = 8
"""Code points after a place that decide about it: the first `#` of a heading is the sixth at most."""

_FENCE = 64 + 80
"""Code points of a fence and its info string at most."""


class Stretch(str):
    """Whole units that have not been cut yet."""

    __slots__ = ()

    def cut(self, by: Unit) -> list[str]:
        """The units."""
        cutter = Cutter(by)
        return [*cutter.feed(str(self)), *cutter.flush()]


def feed_long(cutter: Cutter, text: str) -> list[str]:
    """Feed a cutter as `Cutter.feed` does, but have the middle of the text in stretches.

    Args:
        cutter: Has been fed with what came before. It is fed with the start and the end of the text.
        text: More than `LONG` code points; a shorter one is cut at once.

    Returns:
        Units and stretches, in order. The first is a unit.
    """
    held = cutter.held_end
    whole = cutter.end + text
    units: list[str] = []
    start = 0
    for end in stretch_ends(whole, cutter.by, held):
        if start:
            units.append(Stretch(whole[start:end]))
        else:
            units += cutter.feed(text[: end - held])
            units += cutter.flush()
        start = end
    return [*units, *cutter.feed(whole[start:] if start else text)]


def stretch_ends(text: str, by: Unit, start: int = 0) -> Iterator[int]:
    """Places where a unit ends, each at least `LENGTH` after the one before, the first after `start`, and the end."""
    last = len(text) - LENGTH - _SEEN
    while start + LENGTH <= last:
        end = _find(text, by, start + LENGTH, last)
        if end is None:
            return
        yield end
        start = end


def _find(text: str, by: Unit, start: int, last: int) -> int | None:
    """The first place from `start` to `last`."""
    pattern = _PATTERNS[by]
    if pattern is not None:
        longest = min(start + LONGEST_UNIT, last)
        found = _search(pattern, text, start, longest)
        if found is not None:
            return found
        # A longer line, or sentence, is cut after a word.
        start = longest
    return _search(_ANY_WORD, text, start, last)


def _search(pattern: regex.Pattern[str], text: str, start: int, last: int) -> int | None:
    for match in pattern.finditer(text, start, last + _SEEN):
        place = match.end()
        if place > last:
            return None
        if not _is_inside(text, place):
            return place
    return None


def _is_inside(text: str, place: int) -> bool:
    """Whether a control sequence or the info string of a fence may have begun before `place` and go on after it."""
    line = text[max(0, place - _FENCE) : place].rpartition('\n')[2]
    if '```' in line or '~~~' in line:
        return True
    sequence = text.rfind('\x1b', max(0, place - LONGEST_SEQUENCE), place)
    return sequence >= 0 and _OPEN.fullmatch(text, sequence, place) is not None
