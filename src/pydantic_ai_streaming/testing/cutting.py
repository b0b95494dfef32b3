"""Ways to cut an input in pieces: every way for machines, and one that looks like a model's for scripts."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from typing import Literal, TypeVar

__all__ = ['cuts', 'every_cut', 'reply']

Input = TypeVar('Input', str, bytes)


def every_cut(whole: Input, pieces: int = 2) -> Iterator[list[Input]]:
    """Every way to cut an input in so many pieces, in order, those with empty pieces included.

    A machine that is fed in pieces must come to the same result in each of them. Text is cut between code points, so
    also inside a grapheme cluster; for cuts inside a code point, cut the encoded bytes.

    Args:
        whole: Text or bytes.
        pieces: How many pieces, 1 or more. An input of n code points or bytes has n + 1 ways in two pieces and
            (n + 1)(n + 2) / 2 in three.

    Raises:
        ValueError: `pieces` is less than 1.

    Example:
        ```python
        from pydantic_ai_streaming.testing import every_cut

        assert list(every_cut('ab')) == [['', 'ab'], ['a', 'b'], ['ab', '']]
        assert len(list(every_cut(b'ab', pieces=3))) == 6
        ```
    """
    if pieces < 1:
        raise ValueError(f'pieces is {pieces}; an input is cut in 1 piece or more')
    for at in combinations_with_replacement(range(len(whole) + 1), pieces - 1):
        yield [whole[start:end] for start, end in zip((0, *at), (*at, len(whole)), strict=True)]


def cuts(whole: Input, sizes: Sequence[int] = (1, 2, 3, 5, 7)) -> Iterator[list[Input]]:
    """The input in pieces of one size, for each of the sizes; the last piece may be shorter.

    Args:
        whole: Text or bytes.
        sizes: Code points or bytes for each piece, 1 or more.

    Raises:
        ValueError: A size is less than 1.

    Example:
        ```python
        from pydantic_ai_streaming.testing import cuts

        assert list(cuts('abcd', sizes=(1, 3))) == [['a', 'b', 'c', 'd'], ['abc', 'd']]
        ```
    """
    for size in sizes:
        if size < 1:
            raise ValueError(f'a size is {size}; a piece has 1 code point or byte, or more')
        yield [whole[start : start + size] for start in range(0, len(whole), size)]


def reply(text: str, *, cut: Literal['tokens', 'words'] | int = 'tokens', seed: int = 0) -> list[str]:
    """Cut a text for a script.

    Args:
        text: What the model says.
        cut: `'tokens'`: words with the space before them, long ones in two or more pieces, about as a tokenizer cuts
            English; `'words'`: words with the space before them; a number: so many characters at a time.
        seed: Chooses where long words are cut; the same seed, the same pieces.

    Returns:
        Pieces that make up the text when joined.

    Example:
        ```python
        from pydantic_ai_streaming.testing import ScriptedModel, reply

        model = ScriptedModel(reply('A long answer about incomprehensibility.'), gap=0.02)
        assert reply('one two', cut='words') == ['one', ' two']
        ```
    """
    if isinstance(cut, int):
        return next(cuts(text, (cut,)))
    words = re.findall(r'\s?\w+|\s?[^\w\s]+|\s+', text)
    if cut == 'words':
        return words
    chance = random.Random(seed)
    return [piece for word in words for piece in _tokens(word, chance)]


def _tokens(word: str, chance: random.Random) -> Iterator[str]:
    while len(word) > 7:
        length = chance.randint(3, 6)
        yield word[:length]
        word = word[length:]
    yield word
