"""A trip in pieces of five characters, a tenth of a second apart, whose last field is required and comes last."""

from __future__ import annotations

from pydantic_ai import Agent

from pydantic_ai_streaming import StreamTruncated
from pydantic_ai_streaming.course import Exercise, NotYet, Screen
from pydantic_ai_streaming.testing import EndEarly, ScriptedModel, Step, ToolCall

HEAD = '{"to": "Farland", "nights": 14, '
TRIP = HEAD + '"plan": "We sail at noon. Then we sleep in the lighthouse.", "price": 250}'


async def show(exercise: Exercise, *script: Step) -> tuple[Screen, object]:
    agent = Agent(ScriptedModel(list(script), gap=0.1), output_type=exercise.get('Trip'))
    with Screen() as screen:
        trip = await exercise.call('show', agent, 'A trip!')
    return screen, trip


async def check_the_name_shows_while_it_is_written(exercise: Exercise) -> None:
    screen, _ = await show(exercise, ToolCall('final_result', TRIP, pieces=5))
    first = screen.shown[0].at if screen.shown else float('inf')
    assert first < 0.5, (
        f'The name began to arrive after 0.3 s, and the screen was empty for {first:.1f} s. '
        'An instance that has to be valid cannot be there before its last required field has begun.'
    )
    assert screen.shown[0].text.strip() != 'Farland', 'The name came in three pieces, and appeared in one.'


async def check_no_number_is_shown_before_it_is_whole(exercise: Exercise) -> None:
    pieces = ['{"to": "Farland", "nights": 1', '4, "plan": "We sail.", "price": 2', '50}']
    screen, _ = await show(exercise, ToolCall('final_result', pieces=pieces))
    assert screen.text.strip() == 'Farland (14 nights)', (
        f'"nights": 14 came as "1" and "4", and the screen shows {screen.text.strip()!r}. It was to show '
        "'Farland (14 nights)': ask for the state of a field before you believe it."
    )


async def check_the_nights_do_not_wait_for_the_plan(exercise: Exercise) -> None:
    screen, _ = await show(exercise, ToolCall('final_result', TRIP, pieces=5))
    assert screen.text.strip() == 'Farland (14 nights)', f'The screen shows {screen.text.strip()!r}.'
    (at,) = [shown.at for shown in screen.shown if 'nights' in shown.text]
    known = (len(HEAD) // 5 + 2) * 0.1
    assert at < known + 0.05, f'That there are 14 nights was sure after {known:.1f} s, and is shown after {at:.1f} s.'


async def check_the_trip_is_given_back(exercise: Exercise) -> None:
    _, trip = await show(exercise, ToolCall('final_result', TRIP, pieces=5))
    expected = exercise.get('Trip').model_validate_json(TRIP)
    assert trip == expected, f'The function was to return {expected!r}, and returns {trip!r}.'


async def check_half_a_trip_is_not_given_back(exercise: Exercise) -> None:
    half = ToolCall('final_result', pieces=[HEAD, '"plan": "We sail'])
    try:
        _, trip = await show(exercise, half, EndEarly())
    except StreamTruncated:
        return
    raise NotYet(f'The provider hung up in the middle of the plan, and you give back {trip!r} as if it were the trip.')
