"""Short answers in pieces of several sizes, and a long one of 800 pieces, with the memory measured."""

from __future__ import annotations

import asyncio
import tracemalloc

from pydantic_ai import Agent

from pydantic_ai_streaming.course import Exercise, Shown
from pydantic_ai_streaming.testing import ScriptedModel, reply

ANSWER = 'The lighthouse\nkeeper counts    ships.\n\nTonight, one counts back; he puts out the lamp. '
PIECES = 800
LONG = [f'number {number:03}, ' for number in range(PIECES)]
MOST = 1_000_000  # bytes, of which a run itself takes some 150,000


async def pass_on(exercise: Exercise, *pieces: str, gap: float = 0.1) -> tuple[tuple[int, str], list[Shown]]:
    """What is given back, and what was sent, and when."""
    clock = asyncio.get_running_loop().time
    began, sent = clock(), list[Shown]()

    def send(piece: str) -> None:
        sent.append(Shown(clock() - began, piece))

    said = await exercise.call('pass_on', Agent(ScriptedModel([*pieces], gap=gap)), 'A story!', send)
    return said, sent


async def check_the_pieces_are_passed_on_as_they_come(exercise: Exercise) -> None:
    _, sent = await pass_on(exercise, *reply(ANSWER, cut=7))
    text = ''.join(shown.text for shown in sent)
    assert text == ANSWER, f'The answer is {ANSWER!r}, and what was sent makes {text!r}.'
    assert sent[0].at < 0.15, f'The first piece came after 0.1 s, and was sent after {sent[0].at:.1f} s.'
    assert len(sent) > 5, f'The answer came in {len(reply(ANSWER, cut=7))} pieces, and was sent in {len(sent)}.'


async def check_memory_does_not_grow_with_the_square_of_the_answer(exercise: Exercise) -> None:
    await pass_on(exercise, 'What is loaded once does not count.')
    tracemalloc.start()
    try:
        await pass_on(exercise, *LONG, gap=0)
        _, highest = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    size = sum(map(len, LONG))
    assert highest < MOST, (
        f'The answer has {size:,} characters in {PIECES} pieces, and {highest:,} bytes were in memory. Each chunk of '
        'stream_text() has all the text so far, so a list of chunks holds the first word 800 times.'
    )


async def check_words_are_counted_as_they_are_and_not_as_they_were_cut(exercise: Exercise) -> None:
    right = len(ANSWER.split())
    for size in (100, 7, 3, 1):
        (words, _), _ = await pass_on(exercise, *reply(ANSWER, cut=size))
        assert words == right, (
            f'In pieces of {size} characters, you count {words} words of {right}. Providers cut in the middle of '
            'words, and after a piece nobody knows yet whether its last word is whole.'
        )


async def check_the_end_is_given_back(exercise: Exercise) -> None:
    for text in (ANSWER, 'Short.'):
        for size in (100, 3):
            (_, end), _ = await pass_on(exercise, *reply(text, cut=size))
            assert end == text[-40:], f'The last 40 characters are {text[-40:]!r}, and you give back {end!r}.'
