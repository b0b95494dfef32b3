"""What a text repeats of the one that it goes on from is taken out, wherever it is cut, and nothing else is."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydantic_ai_streaming.core.overlap import MIN_OVERLAP, Overlap

SAID = 'The quick brown fox jumps '


def shown(said: str, pieces: list[str]) -> str:
    """What is shown of the pieces; checks at each that what is hidden is the rest."""
    overlap, out, come = Overlap(said), '', ''
    for piece in pieces:
        come += piece
        out += overlap.feed(piece)
        assert out == come[overlap.hidden :]
        assert overlap.hidden <= len(said)
    return out + overlap.close()


def longest_repetition(said: str, text: str) -> int:
    for length in range(min(len(said), len(text)), 0, -1):
        if said.endswith(text[:length]) and (length >= MIN_OVERLAP or length == len(said)):
            return length
    return 0


def cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize(
    ('text', 'rest'),
    [
        ('over the dog', 'over the dog'),
        ('brown fox jumps over', 'over'),
        (SAID + 'over', 'over'),
        (SAID, ''),
        ('The slow one', 'The slow one'),
        # As long as what is repeated is short, it may be chance.
        (' over', ' over'),
        ('jumps over', 'jumps over'),
        ('The quick brown', 'The quick brown'),
    ],
)
def test_what_is_repeated_is_taken_out_at_every_cut(text: str, rest: str) -> None:
    for at in range(len(text) + 1):
        assert shown(SAID, [text[:at], text[at:]]) == rest
    assert shown(SAID, list(text)) == rest


def test_digits_that_happen_to_be_the_same_are_kept() -> None:
    assert shown('The answer is 10', ['0,000']) == '0,000'


def test_text_that_cannot_be_a_repetition_is_shown_at_once() -> None:
    overlap = Overlap(SAID)
    assert overlap.feed('over ') == 'over '
    assert overlap.decided


letters = st.text(alphabet='ab ', max_size=40)


@given(letters, letters, st.lists(st.integers(0, 80), max_size=8), st.integers(0, 40))
def test_at_every_split_the_longest_repetition_is_what_is_missing(
    said: str, more: str, places: list[int], begin: int
) -> None:
    text = said[begin:] + more
    assert shown(said, cut(text, places)) == text[longest_repetition(said, text) :]
