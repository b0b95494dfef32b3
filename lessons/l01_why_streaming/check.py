"""Twenty sentences of four words, a word every tenth of a second: eight seconds in all."""

from __future__ import annotations

from pydantic_ai import Agent

from pydantic_ai_streaming.course import Exercise, Screen
from pydantic_ai_streaming.testing import ScriptedModel

FIRST = 'Take the ferry northwards.'
REST = ' It is a boat.'
PIECES = ['Take', ' the', ' ferry', ' northwards.', *[' It', ' is', ' a', ' boat.'] * 19]


async def ask(exercise: Exercise) -> tuple[Screen, ScriptedModel, object]:
    model = ScriptedModel(PIECES, gap=0.1)
    with Screen() as screen:
        said = await exercise.call('first_sentence', Agent(model), 'How do I get there?')
    return screen, model, said


async def check_the_first_sentence_is_shown(exercise: Exercise) -> None:
    screen, _, said = await ask(exercise)
    assert screen.text.strip() == FIRST, f'The screen was to show {FIRST!r}, and shows {screen.text!r}.'
    assert said == FIRST, f'You printed {FIRST!r}, and give back {said!r}.'


async def check_the_first_word_is_shown_at_once(exercise: Exercise) -> None:
    screen, _, _ = await ask(exercise)
    first = screen.shown[0]
    assert first.at < 0.25, (
        f'The first word arrived after 0.1 s, and the screen was empty for {first.at:.1f} s. '
        'Show each piece when it comes; `agent.run` waits for all of them, and a print without flush=True is not seen.'
    )
    assert len(screen.shown) >= 4, f'The sentence came word by word, and appeared in {len(screen.shown)} pieces.'


async def check_the_model_stops_when_nobody_reads_on(exercise: Exercise) -> None:
    _, model, _ = await ask(exercise)
    (request,) = model.requests
    assert request.pieces <= 6, (
        f'The first sentence has 4 words, and the model wrote {request.pieces} until it was stopped. '
        'Leave the loop, and then the context, when you have what you need.'
    )


async def check_the_end_of_a_sentence_may_come_in_the_middle_of_a_piece(exercise: Exercise) -> None:
    with Screen() as screen:
        await exercise.call('first_sentence', Agent(ScriptedModel(['Take the', ' ferry. It', ' is a boat.'])), 'How?')
    assert screen.text.strip() == 'Take the ferry.', (
        f"The second piece was ' ferry. It', of which the last word is of the next sentence. You show {screen.text!r}."
    )
