"""Long texts: parted only where a unit ends, and cut no further than the pace comes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from pydantic_ai_streaming.core import cutting, pacing, stretches
from pydantic_ai_streaming.core.cutting import UNITS, Cutter, Unit
from pydantic_ai_streaming.core.pacing import Pacer, Smoothing
from pydantic_ai_streaming.core.stretches import LENGTH, LONG, Stretch, feed_long, stretch_ends
from tests.core.cuts import cuts

MEGABYTE = 1_000_000
FAMILY = '👩\u200d👩\u200d👧\u200d👦'
KINDS = {
    'prose': "The quick brown **fox** jumps over the lazy dog, isn't it. ",
    'Markdown': 'A line of *some* words.\n\n## Head\n- one `x` [a](b)\n    indented\n',
    'comments': '# A comment.\n# Another one.\n',
    'code': '{"name":"value","list":[10,20,30]}',
    'numbers': '10.5 20.25; ',
    'minified': '[-0.25,0.125],[1e-7,"a b"],',
    'a list': '12.5,-3,',
    'Chinese': '流式输出的文字没有空格。下一句也没有。',
    'Thai': 'สวัสดีครับ',
    'emoji': FAMILY + '👍🏽',
    'emoji and blanks': FAMILY + ' 👍🏽 ',
    'marks': 'e\u0301a\u0323 o\u0308 ',
    'a word': 'abcde12345',
    'colours': '\x1b[1;31mred\x1b[0m and \x1b]8;;https://example.com/a b c\x1b\\a link\x1b]8;;\x1b\\ ',
    'fences': '```python title="a b c"\nx = 1\n```\n',
}
LONG_WORDS = ('minified', 'a list')
"""A long word, which is cut between graphemes, and more after it."""

PARTS = [
    *KINDS.values(),
    *('**', '***', '~~', '``', '](', '![', '\\*', '\\ ', '-----', '- ', '> ', '\n## ', '\r\n# ', '\r\n', '\n  '),
    *('``` a b', '~~~ a b', '\x1b]8;; a b', '\x1b[', '\x1b', '\x07', '\x1b[1 q', '"', '\n\n', 'Yes. ', 'e.g. '),
    *('🇩🇪', '🇩', '\u200d', '\u0301', ' \u0301', '\u0600', '\ufe0f', 'क्ष', '\u094d', '\u1112\u1161\u11ab', '각'),
    *('か\u3099', 'Wait! No? ', '。', '」'),
    *('a', 'Z', '1', ' ', '_', '.', ',', "'", ':', ';', '#', '\uff9e', 'ℹ', '©', 'ー', '\u0e33', '\u0d4e', '\u0e40'),
]  # fmt: skip
texts = st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=40).map(''.join)


def units(text: str, by: Unit) -> list[str]:
    cutter = Cutter(by)
    return [*cutter.feed(text), *cutter.flush()]


def parted(text: str, by: Unit) -> list[str]:
    """The units of a text that is parted first, the stretches cut."""
    cutter = Cutter(by)
    found: list[str] = []
    for unit in feed_long(cutter, text):
        found += unit.cut(by) if type(unit) is Stretch else [unit]
    return [*found, *cutter.flush()]


def of_length(part: str, length: int) -> str:
    return (part * (length // len(part) + 1))[:length]


@pytest.mark.parametrize('by', UNITS)
@given(text=texts, length=st.integers(1, 9))
@example(text='``` a b\nc d e f g\n', length=1)
@example(text='x \x1b]8;; a b c d\x1b\\e f g h i j', length=1)
@example(text='**\u0301流 \u0301a ' * 4, length=2)
@example(text='one \u0301two. \u0301Three four and five', length=1)
@example(text='one two three ' + 'a' * 28 + ' four five', length=1)
@example(text='one two 12.5,12.5,12.5,12.5 three four', length=1)
@example(text='one\ntwo\nthree\n  ', length=1)
def test_a_stretch_ends_only_where_a_unit_ends(by: Unit, text: str, length: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, 'LENGTH', length)
        if by in ('line', 'sentence'):
            # The end of a word will do where none of a line is near: not here.
            patch.setattr(stretches, '_ANY_WORD', regex.compile('(?!)'))
        assert set(stretch_ends(text, by)) <= cuts(units(text, by))
        found = parted(text, by)
    assert ''.join(found) == text
    assert cuts(found) <= cuts(units(text, by))


@pytest.mark.parametrize('by', UNITS)
@pytest.mark.parametrize('kind', KINDS)
def test_the_units_of_a_long_text_are_those_that_it_has_without_stretches(kind: str, by: Unit) -> None:
    text = of_length(KINDS[kind], 5 * LONG)
    assert any(type(unit) is Stretch for unit in feed_long(Cutter(by), text))
    if by == 'grapheme' or '\n' in text or (by == 'word' and kind not in LONG_WORDS):
        assert parted(text, by) == units(text, by)
    else:
        # A line that is too long ends after a word, and what is left of a word that is too long is a word.
        assert cuts(parted(text, by)) <= cuts(units(text, 'word'))


@pytest.mark.parametrize('held', ['wo', '**', '\x1b]8;;', '``` py', '🇩', 'e', 'One. ', '\n#'])
@pytest.mark.parametrize('by', UNITS)
def test_what_was_held_is_part_of_the_long_text(held: str, by: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, 'LENGTH', 1)
    text = 'rd a b c d\x07\n' + KINDS['Markdown'] * 3
    cutter = Cutter(by)
    found = cutter.feed('Well, ' + held)
    for unit in feed_long(cutter, text):
        found += unit.cut(by) if type(unit) is Stretch else [unit]
    assert [*found, *cutter.flush()] == units('Well, ' + held + text, by)


def test_a_sequence_that_never_ends_does_not_keep_a_long_text_whole() -> None:
    text = 'See \x1b]8;;' + of_length(KINDS['prose'], 5 * LONG)
    assert any(type(unit) is Stretch for unit in feed_long(Cutter(), text))


def test_a_line_is_cut_after_a_word_only_where_none_ends_in_a_long_while() -> None:
    line = of_length(KINDS['prose'], cutting.LONGEST_UNIT - 1) + '\n'
    assert {unit[-1] for unit in parted(line * 20, 'line')} == {'\n'}
    endless = list(stretch_ends(line.replace('\n', ' ') * 20, 'line'))
    assert [b - a for a, b in pairwise(endless)] == [
        pytest.approx(LENGTH + cutting.LONGEST_UNIT, abs=10) for _ in endless[1:]
    ]


def shown(text: str, smoothing: Smoothing, end: float) -> list[tuple[float, str]]:
    """What a pacer shows, and when, of a text that comes at once."""
    pacer = Pacer(smoothing)
    pieces: list[tuple[float, str]] = []
    pacer.feed('Well, ', -0.3)
    pacer.feed(text, 0.0)
    for until in (end, math.inf):
        while (due := pacer.next_due) is not None and due < until:
            pieces.append((due, pacer.due(due)))
        pacer.close(end)
    return pieces


@pytest.mark.parametrize('end', [0.0, 0.05, 1.0])
@pytest.mark.parametrize('by', UNITS)
@pytest.mark.parametrize('kind', ['prose', 'Markdown', 'Chinese', 'a word'])
def test_what_is_shown_when_is_the_same_as_without_stretches(
    kind: str, by: Unit, end: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = of_length(KINDS[kind], 60_000)
    if by in ('line', 'sentence') and kind != 'Markdown':
        text = text.replace('fox', 'fox.\n').replace('5', '\n').replace('。', '。\n')
    found = shown(text, Smoothing(by=by), end)
    monkeypatch.setattr(pacing, 'LONG', math.inf)
    assert found == shown(text, Smoothing(by=by), end)


class CountingPattern:
    """A pattern that counts the characters it is asked to cut."""

    characters = 0

    def __init__(self, pattern: regex.Pattern[str]) -> None:
        self.pattern = pattern

    def finditer(self, text: str) -> Iterable[regex.Match[str]]:
        CountingPattern.characters += len(text)
        return self.pattern.finditer(text)


@pytest.mark.parametrize('end', [0.0, 0.1, 1.0])
@pytest.mark.parametrize('by', UNITS)
@pytest.mark.parametrize('kind', KINDS)
def test_no_call_cuts_more_of_a_megabyte_than_a_few_stretches(
    kind: str, by: Unit, end: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call holds up everything else that the event loop has to do."""
    for name in ('_WORDS', '_GRAPHEMES'):
        monkeypatch.setattr(cutting, name, CountingPattern(getattr(cutting, name)))
    most = 0

    def note() -> None:
        nonlocal most
        most = max(most, CountingPattern.characters)
        CountingPattern.characters = 0

    pacer, text, out = Pacer(Smoothing(by=by)), of_length(KINDS[kind], MEGABYTE), 0
    pacer.feed(text, 0.0)
    note()
    while not pacer.finished:
        due = pacer.next_due
        if due is None or due >= end:
            pacer.close(end)
            note()
            due = pacer.next_due
        if due is not None:
            out += len(pacer.due(due))
            note()
    assert out == MEGABYTE
    # The start and the end of the text, each with a line of the longest kind, in words and then in clusters.
    assert most <= 4 * (LENGTH + cutting.LONGEST_UNIT)


def test_what_comes_at_once_at_the_end_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    pacer, text = Pacer(), of_length(KINDS['prose'], MEGABYTE)
    pacer.feed(text, 0.0)
    monkeypatch.setattr(Stretch, 'cut', None)
    assert pacer.flush() == text
