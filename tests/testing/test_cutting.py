"""Every cut is there once, and its pieces make up the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydantic_ai_streaming.testing import cuts, every_cut, reply


def test_two_pieces_with_empty_ends() -> None:
    assert list(every_cut('abc')) == [['', 'abc'], ['a', 'bc'], ['ab', 'c'], ['abc', '']]
    assert list(every_cut('')) == [['', '']]
    assert list(every_cut(b'ab', pieces=1)) == [[b'ab']]


def test_bytes_are_cut_inside_a_code_point() -> None:
    assert [b'\xc3', b'\xa9'] in list(every_cut('é'.encode()))


@given(st.binary(max_size=8), st.integers(1, 4))
def test_no_cut_is_missing_or_twice(whole: bytes, pieces: int) -> None:
    found = [tuple(cut) for cut in every_cut(whole, pieces)]
    ways = 1
    for step in range(1, pieces):
        ways = ways * (len(whole) + step) // step
    assert len(found) == ways
    assert all(len(cut) == pieces and b''.join(cut) == whole for cut in found)


def test_fixed_sizes_leave_a_shorter_last_piece() -> None:
    assert list(cuts('abcde', sizes=(2, 9))) == [['ab', 'cd', 'e'], ['abcde']]
    assert list(cuts(b'', sizes=(1,))) == [[]]


def test_impossible_cuts_say_so() -> None:
    with pytest.raises(ValueError, match='in 1 piece or more'):
        list(every_cut('a', pieces=0))
    with pytest.raises(ValueError, match='a size is 0'):
        list(cuts('a', sizes=(0,)))


@given(st.text(), st.integers())
def test_a_reply_loses_nothing(text: str, seed: int) -> None:
    for cut in ('tokens', 'words', 3):
        pieces = reply(text, cut=cut, seed=seed)
        assert ''.join(pieces) == text
        assert all(pieces)
    assert reply(text, seed=seed) == reply(text, seed=seed)


def test_a_reply_looks_like_tokens() -> None:
    text = 'Streaming is, incomprehensibly, easy.\n\nReally!'
    assert reply(text, cut='words') == [
        'Streaming', ' is', ',', ' incomprehensibly', ',', ' easy', '.', '\n\n', 'Really', '!',
    ]  # fmt: skip
    assert max(len(piece) for piece in reply(text)) <= 7
    assert reply(text, seed=1) != reply(text, seed=2)
