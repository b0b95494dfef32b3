"""A story in eleven pieces, and what a screen shows of it."""

from __future__ import annotations

from pydantic_ai import Agent

from pydantic_ai_streaming.course import Exercise, Screen
from pydantic_ai_streaming.testing import ScriptedModel, reply

STORY = 'The moon was tired of the tides, and hired a crab.'


async def tell(exercise: Exercise) -> tuple[Screen, object]:
    with Screen() as screen:
        said = await exercise.call('tell', Agent(ScriptedModel(reply(STORY, cut=5), gap=0.2)), 'A story!')
    return screen, said


async def check_each_character_is_printed_once(exercise: Exercise) -> None:
    screen, _ = await tell(exercise)
    printed = screen.text.strip()
    assert printed, 'Nothing was printed.'
    assert printed == STORY, f'The story has {len(STORY)} characters, and the screen shows {len(printed)}. ' + (
        'Each chunk repeats all that came before it.' if len(printed) > len(STORY) else f'It shows {printed!r}.'
    )


async def check_the_text_grows_while_it_is_written(exercise: Exercise) -> None:
    screen, _ = await tell(exercise)
    assert len(screen.shown) >= 8, (
        f'The story came in 10 pieces over two seconds, and appeared on the screen in {len(screen.shown)}. '
        'A terminal shows a line when it is complete, unless you flush.'
    )


async def check_the_first_piece_is_not_held_back(exercise: Exercise) -> None:
    screen, _ = await tell(exercise)
    first = screen.shown[0].at
    assert first <= 0.25, (
        f'The first piece was there after 0.2 s, and on the screen after {first:.1f} s. Something waits for more.'
    )


async def check_the_whole_text_is_given_back(exercise: Exercise) -> None:
    _, said = await tell(exercise)
    assert said == STORY, f'The function was to return the story, and returns {said!r}.'
