"""The same story in batches of 50 characters, and in quick words; and what a screen shows of it, when."""

from __future__ import annotations

from itertools import pairwise

from pydantic_ai import Agent

from pydantic_ai_streaming.course import Exercise, Screen
from pydantic_ai_streaming.testing import ScriptedModel, Step, reply

STORY = (
    'The moon was tired of the tides, and hired a crab to look after them. The crab took its time, and so did the sea. '
    'Ships waited in the harbours for a week. Then the moon came back, and paid the crab in silver. It still has it.'
)
BATCHES = reply(STORY, cut=50)
WORDS = reply(STORY, cut='words')


async def tell(exercise: Exercise, script: list[Step | str], gap: float) -> tuple[Screen, object]:
    with Screen() as screen:
        said = await exercise.call('tell', Agent(ScriptedModel(script, gap=gap)), 'A story!')
    return screen, said


async def check_all_of_the_text_is_printed_and_given_back(exercise: Exercise) -> None:
    screen, said = await tell(exercise, [*BATCHES], 0.35)
    assert screen.text.strip() == STORY, (
        f'The story has {len(STORY)} characters, and the screen shows {len(screen.text)}: {screen.text!r}.'
    )
    assert said == STORY, f'The function was to return the story, and returns {said!r}.'


async def check_it_begins_when_something_is_there(exercise: Exercise) -> None:
    screen, _ = await tell(exercise, [*BATCHES], 0.35)
    first = screen.shown[0].at
    assert first < 0.45, (
        f'The first 50 characters came after 0.35 s, and the screen was empty for {first:.2f} s. '
        'A buffer that waits for more pieces has the reader wait for them.'
    )


async def check_batches_do_not_jump(exercise: Exercise) -> None:
    screen, _ = await tell(exercise, [*BATCHES], 0.35)
    pause = max((later.at - earlier.at for earlier, later in pairwise(screen.shown)), default=9.0)
    largest = max(len(shown.text) for shown in screen.shown)
    assert pause < 0.2, (
        f'The batches came every 0.35 s, and so they appear: the longest pause is {pause:.2f} s. '
        'What has come is to fill the time until more comes.'
    )
    assert largest <= 25, f'Up to {largest} characters appear at once; a reader takes in a word or two.'


async def check_it_is_over_when_the_answer_is(exercise: Exercise) -> None:
    screen, _ = await tell(exercise, [*WORDS], 0.02)
    came, last = 0.02 * len(WORDS), screen.shown[-1].at
    assert last < came + 0.3, (
        f'The answer came in {len(WORDS)} words within {came:.1f} s, and the last is on the screen after {last:.1f} s. '
        'A fixed pause for each piece adds up; the pace is to follow the arrival.'
    )


async def check_no_word_is_torn(exercise: Exercise) -> None:
    screen, _ = await tell(exercise, [*BATCHES], 0.35)
    parts = [shown.text for shown in screen.shown]
    torn = next(((a, b) for a, b in pairwise(parts) if a[-1:].isalpha() and b[:1].isalpha()), None)
    assert torn is None, (
        f'A batch ends wherever it ends, often within a word. {torn[0]!r} appeared, and then {torn[1]!r}.'
        if torn
        else ''
    )
