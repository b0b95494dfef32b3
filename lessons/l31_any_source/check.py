"""A client that sends batches and signs of life, falls silent, is slow, or breaks; and knows whether it is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise

from pydantic_ai_streaming.course import Exercise, NotYet, Screen
from pydantic_ai_streaming.testing import reply

STORY = (
    'The moon was tired of the tides, and hired a crab to look after them. The crab took its time, and so did the sea. '
    'Ships waited in the harbours for a week. Then the moon came back, and paid the crab in silver. It still has it.'
)


class Client:
    """A stream of updates, each after so many seconds; an exception in place of a text is raised."""

    def __init__(self, exercise: Exercise, *script: tuple[float, str | Exception | None]) -> None:
        self._new = exercise.get('Update')
        self._script = script
        self.closed = False

    async def updates(self) -> AsyncGenerator[object]:
        """The stream."""
        try:
            for wait, text in self._script:
                await asyncio.sleep(wait)
                if isinstance(text, Exception):
                    raise text
                yield self._new(text)
        finally:
            self.closed = True


async def tell(exercise: Exercise, *script: tuple[float, str | Exception | None]) -> tuple[Screen, object, Client]:
    client = Client(exercise, *script)
    source = client.updates()  # held until the check is over: nobody else closes it
    with Screen() as screen:
        text = await exercise.call('tell', source)
    return screen, text, client


BATCHES = [(0.1, ''), *((0.35, batch) for batch in reply(STORY, cut=50)), (0.1, None)]


async def check_all_of_the_text_is_shown_and_given_back(exercise: Exercise) -> None:
    screen, text, _ = await tell(exercise, *BATCHES)
    assert screen.text.strip() == STORY, (
        f'The story has {len(STORY)} characters, and the screen shows {len(screen.text.strip())}: {screen.text!r}.'
    )
    assert text == STORY, f'The function was to return the story, and returns {text!r}.'


async def check_signs_of_life_are_no_text(exercise: Exercise) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    _, text, client = await tell(exercise, (0.1, 'Once '), (0.1, 'upon '), *[(2.0, '')] * 20, *[(2.0, None)] * 20)
    took = clock() - began
    assert took < 11, (
        f'After "Once upon " came no text any more, only updates without one, every 2 s. They kept you waiting for '
        f'{took:.0f} s. Ten seconds without text are enough, whatever else there is.'
    )
    assert took > 9.9, f'"Once upon " was there after 0.2 s, and you gave up at {took:.1f} s, not at 10.2 s.'
    assert text == 'Once upon ', f'"Once upon " had come before the silence, and you give back {text!r}.'
    assert client.closed, 'You have given the stream up, and it is still open: the client goes on, and is paid for it.'


async def check_a_stream_without_a_word_is_given_up_too(exercise: Exercise) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    _, text, _ = await tell(exercise, (600, 'Once'))
    took = clock() - began
    assert took < 11, f'The first update took ten minutes, and you waited for {took:.0f} s.'
    assert text == '', f'Nothing had come, and you give back {text!r}.'


async def check_a_slow_stream_is_not_silent(exercise: Exercise) -> None:
    _, text, _ = await tell(exercise, *[(6.0, f'{number} ') for number in range(8)])
    assert text == '0 1 2 3 4 5 6 7 ', f'A piece came every 6 s, eight of them, and you give back {text!r}.'


async def check_batches_do_not_jump(exercise: Exercise) -> None:
    screen, _, _ = await tell(exercise, *BATCHES)
    pause = max((later.at - earlier.at for earlier, later in pairwise(screen.shown)), default=9.0)
    largest = max(len(shown.text) for shown in screen.shown)
    assert pause < 0.2, (
        f'The batches came every 0.35 s, and so they appear: the longest pause is {pause:.2f} s. '
        'There is a function that fills the time between them.'
    )
    assert largest <= 25, f'Up to {largest} characters appear at once; a reader takes in a word or two.'
    last = screen.shown[-1].at
    assert last < 2.3, f'The last batch came after 1.9 s, and is on the screen after {last:.1f} s.'


async def check_an_error_of_the_client_is_not_hidden(exercise: Exercise) -> None:
    try:
        _, text, _ = await tell(exercise, (0.1, 'Once '), (0.1, ConnectionError('reset')))
    except ConnectionError:
        return
    raise NotYet(f'The connection broke after "Once ", and you give back {text!r} as if that were all.')
