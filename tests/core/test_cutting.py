"""Cuts: at every place, in every unit, and with work that stays linear."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from pydantic_ai_streaming.core import cutting
from pydantic_ai_streaming.core.cutting import UNITS, Cutter, Unit
from tests.core.cuts import cuts

FAMILY = '👩\u200d👩\u200d👧\u200d👦'
WHOLE = {
    'joined emoji': FAMILY,
    'skin tone': '👍🏽',
    'rainbow flag': '🏳️\u200d🌈',
    'flag': '🇩🇪',
    'keycap': '1\ufe0f\u20e3',
    'letter with marks': 'e\u0301\u0323',
    'mark after a blank': ' \u0301',
    'mark after a delimiter': '**\u0301',
    'line end of two characters': '\r\n',
    'Hangul jamo': '\u1112\u1161\u11ab',
    'conjunct': 'क्ष',
    'kana with a voiced mark': 'か\u3099',
    'colour': '\x1b[1;38;5;208m',
    'hyperlink': '\x1b]8;;https://example.com/a?b=c\x1b\\',
    'title ended by BEL': '\x1b]0;title\x07',
    'bold': '**',
    'bold and italic': '***',
    'struck out': '~~',
    'code in two ticks': '``',
    'fence': '```python title="a.py"\n',
    'fence of tildes': '~~~\n',
    'link': '](',
    'image': '![',
    'heading': '\n## ',
    'heading after a carriage return': '\r\n# ',
    'escape': '\\*',
    'rule': '-----',
}

PARTS = [
    *WHOLE.values(),
    *' \n\t.,:;!?\'"()[]#*_`~|>-=\\\x1b\r\u200d\u0301\u200c\u0600\ufe0f🏽\u094d',
    *('word', 'Wörter', "don't", '3.14', 'snake_case', '流式', 'ありが', 'สวัสดี', 'नमस्ते', '각', '\u1100', '\u0d4e'),
    *('🇩', '👩', '。', 'end. ', 'Next', 'A' * 40, '\x1b[', '\x1b]8;;', '\n## Title\n', 'ℹ', '\uff9e'),
]
texts = st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=30).map(''.join)
units = st.sampled_from(UNITS)


def pieces(text: str, by: Unit, sizes: Iterable[int]) -> list[str]:
    """The units of a text that arrives in pieces of these sizes."""
    cutter = Cutter(by)
    found: list[str] = []
    place = 0
    for size in sizes:
        found += cutter.feed(text[place : place + size])
        place += size
    return [*found, *cutter.feed(text[place:]), *cutter.flush()]


def clusters(text: str) -> set[int]:
    return cuts(regex.findall(r'\X', text))


@pytest.mark.parametrize('by', UNITS)
@pytest.mark.parametrize('whole', WHOLE.values(), ids=WHOLE)
def test_nothing_that_belongs_together_is_cut_wherever_the_text_was_split(whole: str, by: Unit) -> None:
    text = f'a{whole}b'
    start, end = 1, 1 + len(whole)
    if by in ('line', 'sentence') and whole[-1] != '\n':
        text += '\nc'
    for first in range(len(text) + 1):
        for second in range(len(text) - first + 1):
            found = pieces(text, by, [first, second])
            assert ''.join(found) == text
            assert not cuts(found) & set(range(start + 1, end)), (found, first, second)


@given(texts, units, st.lists(st.integers(1, 9), max_size=40))
@example('🇩' * 5, 'grapheme', [1, 2, 1])
def test_the_units_are_the_same_however_the_text_was_split(text: str, by: Unit, sizes: list[int]) -> None:
    assert pieces(text, by, sizes) == pieces(text, by, [])


@given(texts, units)
@example('a**\u0301b\n## c\u0600*', 'word')
def test_no_unit_ends_inside_a_grapheme_cluster(text: str, by: Unit) -> None:
    found = pieces(text, by, [1] * len(text))
    assert ''.join(found) == text
    assert '' not in found
    assert cuts(found) <= clusters(text)


@given(st.lists(texts, max_size=8), units, st.lists(st.sampled_from(['release', 'release_words', 'none']), max_size=8))
def test_whatever_is_given_up_waiting_for_every_character_comes_out_once_and_in_order(
    parts: list[str], by: Unit, steps: list[str]
) -> None:
    cutter = Cutter(by)
    fed = out = ''
    for part, step in zip(parts, [*steps, *['none'] * len(parts)], strict=False):
        fed += part
        out += ''.join(cutter.feed(part))
        if step == 'release':
            out += ''.join(cutter.release())
        elif step == 'release_words':
            out += ''.join(cutter.release_words())
        assert fed.startswith(out)
        assert cutter.held == len(fed) - len(out)
    assert out + ''.join(cutter.flush()) == fed
    assert cutter.held == 0


@pytest.mark.parametrize(
    ('text', 'shown', 'held'),
    [
        ('half a wo', ['wo'], 0),
        ('e\u0301', ['e\u0301'], 0),
        ('好的。', ['。'], 0),
        ('ครับ', [], 1),
        ('दुनिय', ['दुनि'], 1),
        ('ถึ', [], 2),
        ('مرحب', ['مرح'], 1),
        ('ok ✅', [], 1),
        ('ok 👍🏽', [], 2),
        ('🏳\ufe0f', [], 2),
        (FAMILY + '\u200d', [], len(FAMILY) + 1),
        ('x 🇩', [], 1),
        ('क्', [], 2),
        ('done **', [], 2),
        ('done\n', [], 1),
        ('done\n##', [], 3),
        ('x\x1b[31', [], 4),
        ('x\x1b]8;;http', [], 9),
        ('```pyth', [], 7),
        ('a [link]', [], 1),
        ('say \\', [], 1),
        ("it'", ["it'"], 0),
    ],
)
def test_after_a_pause_only_what_is_likely_to_go_on_stays_held(text: str, shown: list[str], held: int) -> None:
    cutter = Cutter('word')
    cutter.feed(text)
    assert cutter.release() == shown
    assert cutter.held == held
    assert cutter.release() == []


@pytest.mark.parametrize('by', ['grapheme', 'word'])
@pytest.mark.parametrize('mark', '`*~_#=$|>+-')
def test_a_run_of_any_mark_is_held_and_then_shown_whole(mark: str, by: Unit) -> None:
    cutter = Cutter(by)
    assert cutter.feed('.' + mark) == ['.']
    assert cutter.feed(mark) == []
    assert cutter.feed('!x') == [mark * 2, '!']


def test_words_keep_their_apostrophes_and_numbers_their_points() -> None:
    assert pieces("don't pay 1,234.50 at example.com. Now", 'word', []) == [
        "don't", ' ', 'pay', ' ', '1,234.50', ' ', 'at', ' ', 'example.com', '.', ' ', 'Now',
    ]  # fmt: skip


def test_scripts_without_spaces_do_not_wait_for_one() -> None:
    assert Cutter('word').feed('流式输出 Python') == ['流', '式', '输', '出', ' ']


def test_a_list_mark_and_its_blank_come_together() -> None:
    assert pieces('- one\n> two', 'word', []) == ['- ', 'one', '\n', '> ', 'two']


def test_a_line_ends_with_its_line_end_but_a_heading_starts_with_the_one_before() -> None:
    assert pieces('one\r\ntwo\n\n## Head\nthree\n# Next\n', 'line', [5, 3]) == [
        'one\r\n', 'two\n', '\n## Head\n', 'three', '\n# Next\n',
    ]  # fmt: skip


def test_a_sentence_ends_where_the_next_begins() -> None:
    text = 'It is 3.5 m, e.g. here. "Is it?" Yes… **So.** Then\nNo. 1 is。次は「はい。」と。 End'
    assert pieces(text, 'sentence', [7, 9]) == [
        'It is 3.5 m, e.g. here. ',
        '"Is it?" ',
        'Yes… ',
        '**So.** ',
        'Then\n',
        'No. ',
        '1 is。',
        '次は「はい。」',
        'と。 ',
        'End',
    ]


def test_a_long_word_is_not_waited_for_and_not_cut_inside_a_cluster() -> None:
    cutter = Cutter('word')
    text = 'e\u0301' * 200
    out: list[str] = []
    for character in text:
        out += cutter.feed(character)
        assert cutter.held <= cutting.LONGEST_WORD
    assert set(out) == {'e\u0301'}
    assert cutter.feed(' then a word') == ['e\u0301', ' ', 'then', ' ', 'a', ' ']


@pytest.mark.parametrize('by', UNITS)
@pytest.mark.parametrize(
    'endless',
    [
        'a',
        '\u0301',
        '🇩',
        '`',
        '*',
        '\x1b',
        '\x1b]8;;',
        '\x1b[',
        '\n',
        ' ',
        'a.',
        FAMILY + '\u200d',
        '``` x',
        '\u094d\u0915',
    ],
)
def test_what_never_ends_is_held_within_bounds(endless: str, by: Unit) -> None:
    bounds = {'grapheme': cutting.LONGEST_SEQUENCE, 'word': cutting.LONGEST_SEQUENCE}
    cutter = Cutter(by)
    for character in endless * 2500:
        cutter.feed(character)
        assert cutter.held <= bounds.get(by, cutting.LONGEST_UNIT + cutting.LONGEST_SEQUENCE)
    cutter.feed(endless * 5000)
    assert cutter.held <= bounds.get(by, cutting.LONGEST_UNIT + cutting.LONGEST_SEQUENCE)


class CountingPattern:
    """A pattern that counts the characters it is asked to look at."""

    def __init__(self, pattern: regex.Pattern[str]) -> None:
        self.pattern = pattern
        self.characters = 0

    def finditer(self, text: str) -> Iterable[regex.Match[str]]:
        self.characters += len(text)
        return self.pattern.finditer(text)


@pytest.mark.parametrize('by', UNITS)
@pytest.mark.parametrize('part', ['word ', 'a', '\u0301', '**', '流', 'end. Next\n'])
def test_what_is_decided_is_not_looked_at_again(part: str, by: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []
    for size in (2_000, 20_000):
        counting = {name: CountingPattern(getattr(cutting, name)) for name in ('_WORDS', '_GRAPHEMES')}
        with monkeypatch.context() as patch:
            for name, pattern in counting.items():
                patch.setattr(cutting, name, pattern)
            text = (part * size)[:size]
            pieces(text, by, [1] * size)
        looked.append(sum(pattern.characters for pattern in counting.values()) / size)
    assert looked[1] < looked[0] * 1.1 + 1
    assert looked[1] <= cutting.LONGEST_CLUSTER


def test_a_megabyte_of_flags_takes_no_quadratic_time() -> None:
    """`\\X` alone looks back over the whole run at each flag: 200,000 take more than a minute."""
    assert len(Cutter('word').feed('🇩' * 200_000)) == 99_999


def test_random_code_points_keep_their_clusters() -> None:
    """Code points from everywhere, rather than those that somebody thought of."""
    source = random.Random(29)
    interesting = [
        chr(i) for i in range(0x20000) if regex.match(r'(?V1)[\p{M}\p{Cf}\p{GCB=Prepend}\p{ExtPict}]', chr(i))
    ]
    for _ in range(300):
        text = ''.join(
            source.choice(interesting) if source.random() < 0.5 else chr(source.randrange(0x20, 0xD800))
            for _ in range(40)
        )
        for by in UNITS:
            assert cuts(pieces(text, by, [source.randrange(1, 9) for _ in range(9)])) <= clusters(text)


def test_an_unknown_unit_is_named_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match="by='letter' is no unit of text: use one of 'grapheme', 'word', 'line'"):
        Cutter('letter')  # pyright: ignore[reportArgumentType]  # the mistake that is tested
