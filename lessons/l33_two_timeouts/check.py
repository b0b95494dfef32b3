"""Event streams that end, fall silent with pings and without, come slowly, or are read slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from pydantic_ai_streaming.course import Exercise, NotYet


@dataclass
class Told:
    """What the function gave back, after how many seconds, and what was shown until then."""

    how: str
    text: str
    took: float
    shown: str
    closed: bool


async def read(exercise: Exercise, *script: tuple[float, str], reading: float = 0) -> Told:
    closed: list[bool] = []
    shown: list[str] = []

    async def lines() -> AsyncGenerator[str]:
        try:
            for wait, line in script:
                await asyncio.sleep(wait)
                yield line
        finally:
            closed.append(True)

    async def show(piece: str) -> None:
        shown.append(piece)
        await asyncio.sleep(reading)

    clock = asyncio.get_running_loop().time
    began = clock()
    source = lines()  # held until the check is over: nobody else closes it
    # A task of its own: where a clock stops the reader, nothing comes of it but a cancellation.
    task = asyncio.create_task(exercise.call('read', source, show))
    await asyncio.wait([task])
    took = clock() - began
    if task.cancelled():
        raise NotYet(f'After {took:.0f} s, a CancelledError left your function, though nobody had cancelled it.')
    how, text = task.result()
    return Told(how, text, took, ''.join(shown), bool(closed))


BEGIN = [(0.1, 'data: The '), (0.0, ''), (0.1, 'data: tide '), (0.0, '')]


async def check_a_whole_answer_is_complete(exercise: Exercise) -> None:
    told = await read(exercise, *BEGIN, (0.1, 'data: is out.'), (0.0, ''), (0.1, ': bye'), (0.0, ''))
    assert told.shown == 'The tide is out.', f'The answer is "The tide is out.", and {told.shown!r} is shown.'
    assert (told.how, told.text) == ('complete', 'The tide is out.'), f'You give back {(told.how, told.text)!r}.'


async def check_a_connection_without_a_byte_is_silent(exercise: Exercise) -> None:
    told = await read(exercise, *BEGIN, (600, 'data: is out.'))
    assert told.how == 'silent', (
        f'After "The tide ", nothing came any more. You waited {told.took:.0f} s and call that {told.how!r}. '
        'Who compares times when a line comes, compares none when no line comes.'
    )
    assert 9.9 < told.took < 11, f'The silence began at 0.2 s, and was given up at {told.took:.1f} s, not at 10.2 s.'
    assert told.text == 'The tide ', f'"The tide " had come before the silence, and you give back {told.text!r}.'


async def check_a_ping_is_no_piece(exercise: Exercise) -> None:
    told = await read(exercise, *BEGIN, *[(5.0, ': ping'), (0.0, '')] * 12)
    assert (told.how, told.took < 11) == ('silent', True), (
        f'After "The tide ", only pings came, one every 5 s. You read them for {told.took:.0f} s, and call that '
        f'{told.how!r}. They show that the connection is alive, and nothing of the model.'
    )


async def check_empty_data_is_no_piece(exercise: Exercise) -> None:
    told = await read(exercise, *BEGIN, *[(5.0, 'data: '), (0.0, '')] * 12)
    assert (told.how, told.took < 11) == ('silent', True), (
        f'After "The tide ", only lines "data: " without text came. You read them for {told.took:.0f} s, and call that '
        f'{told.how!r}.'
    )


async def check_a_model_that_never_begins_is_silent(exercise: Exercise) -> None:
    told = await read(exercise, (600, 'data: The tide'))
    assert (told.how, told.text) == ('silent', ''), f'Not a word came, and you give back {(told.how, told.text)!r}.'
    assert told.took < 11, f'Not a word came, and you waited for {told.took:.0f} s.'


async def check_a_slow_reader_is_no_silence(exercise: Exercise) -> None:
    told = await read(exercise, *BEGIN, (0.1, 'data: is out.'), (0.0, ''), reading=15)
    assert (told.how, told.text) == ('complete', 'The tide is out.'), (
        f'The answer was there after 0.3 s, and `show` took 15 s for each of its three pieces. You give back '
        f'{(told.how, told.text)!r}.'
    )


async def check_a_long_answer_is_no_silence(exercise: Exercise) -> None:
    told = await read(exercise, *[(8.0, f'data: {number} ') for number in range(12)])
    assert told.how == 'complete', (
        f'A piece came every 8 s for 96 s, and you gave it up after {told.took:.0f} s, as {told.how!r}.'
    )


async def check_two_minutes_are_enough(exercise: Exercise) -> None:
    told = await read(exercise, *[(8.0, f'data: {number} ') for number in range(40)])
    assert told.how == 'total', f'It would have gone on for 320 s, and you call it {told.how!r}.'
    assert 119.9 < told.took < 121, f'It was to be given up after 120 s, and was after {told.took:.0f} s.'
    assert told.text.startswith('0 1 2 '), f'Two minutes of text had come, and you give back {told.text!r}.'


async def check_the_connection_is_closed(exercise: Exercise) -> None:
    for what, line in (('silence', (600.0, 'data: is out.')), ('pings', (5.0, ': ping'))):
        told = await read(exercise, *BEGIN, *[line] * 30)
        assert told.closed, f'You gave the stream up for its {what}, and `lines` is still open: so is the connection.'
