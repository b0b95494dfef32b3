"""Three tasks, each in two pieces a second apart; and a list of which one element is wrong."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent
from pydantic_ai.exceptions import UnexpectedModelBehavior

from pydantic_ai_streaming.course import Exercise, NotYet, Screen
from pydantic_ai_streaming.testing import ScriptedModel, Step, ToolCall

PIECES = (
    '{"response": [{"minutes": 20, "title": "Book the',
    ' ferry"},',
    ' {"minutes": 5, "title": "Buy',
    ' bread"},',
    ' {"minutes": 15, "title": "Pack',
    ' the rope"}]}',
)
LINES = ['- 20 min: Book the ferry', '- 5 min: Buy bread', '- 15 min: Pack the rope']
TASK = '{"minutes": %s, "title": "%s"}'


async def plan(exercise: Exercise, *responses: list[Step | str]) -> tuple[Screen, Any]:
    agent = Agent(ScriptedModel(*responses, gap=1), output_type=list[exercise.get('Task')])
    with Screen() as screen:
        tasks = await exercise.call('plan', agent, 'What is to do?')
    return screen, tasks


async def check_each_task_is_printed_whole_and_once(exercise: Exercise) -> None:
    screen, _ = await plan(exercise, [ToolCall('final_result', pieces=PIECES)])
    lines = screen.text.splitlines()
    assert lines == LINES, (
        f'It was to print {LINES}, and printed {lines}. '
        'That an element is in the list does not mean that it is whole: text counts from its first letter.'
    )


async def check_a_task_does_not_wait_for_the_next(exercise: Exercise) -> None:
    screen, _ = await plan(exercise, [ToolCall('final_result', pieces=PIECES)])
    for line, shown, whole in zip(LINES, screen.shown, (3, 5, 7), strict=False):
        assert shown.text.strip() == line, f'{line!r} was to appear by itself, and appeared as {shown.text!r}.'
        assert shown.at < whole + 0.1, (
            f'{line!r} was whole after {whole} s, with its closing brace, and shown after {shown.at:.0f} s.'
        )


async def check_the_list_is_given_back(exercise: Exercise) -> None:
    _, tasks = await plan(exercise, [ToolCall('final_result', pieces=PIECES)])
    printed = [f'- {task.minutes} min: {task.title}' for task in tasks or ()]
    assert printed == LINES, f'The function was to return the list of the three tasks, and returns {tasks!r}.'


async def check_a_task_that_is_wrong_is_left_out_and_asked_for_again(exercise: Exercise) -> None:
    bread, rope = TASK % (5, 'Buy bread'), TASK % (15, 'Pack the rope')
    wrong = f'{{"response": [{bread}, {TASK % (chr(34) + "soon" + chr(34), "Leave")}]}}'
    better = f'{{"response": [{bread}, {rope}]}}'
    try:
        screen, tasks = await plan(
            exercise, [ToolCall('final_result', wrong, pieces=9)], [ToolCall('final_result', better, pieces=9)]
        )
    except UnexpectedModelBehavior as error:
        raise NotYet(
            'The second task was to take "soon" minutes. Your run ended with that; one of agent.run_stream_events goes '
            'on, and asks the model again.'
        ) from error
    lines = screen.text.splitlines()
    assert lines == LINES[1:], (
        f'The second task was to take "soon" minutes, and in the next attempt is another one. You print {lines}; '
        f'it was to be {LINES[1:]}.'
    )
    number = len(tasks or ())
    assert number == 2, f'The list of the second attempt has two tasks, and you give back {tasks!r}.'


async def check_the_list_is_that_of_the_last_attempt(exercise: Exercise) -> None:
    wrong = f'{{"response": [{TASK % (5, "Buy bread")}, {TASK % (chr(34) + "soon" + chr(34), "Leave")}]}}'
    better = f'{{"response": [{TASK % (15, "Pack the rope")}]}}'
    _, tasks = await plan(exercise, [ToolCall('final_result', wrong)], [ToolCall('final_result', better)])
    titles = [task.title for task in tasks or ()]
    assert titles == ['Pack the rope'], (
        'The first attempt had "Buy bread" and a task that is wrong, and the model left out both in the second. You '
        f'give back {titles}. What was printed stands; the list is what the run has for its output.'
    )
