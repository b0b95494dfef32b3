"""A list of three items: whole, hung up on, and cut off by a connection that breaks, after a number and in one."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError

from pydantic_ai_streaming.course import Exercise, NotYet
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Step, ToolCall

LIST = '{"response": [{"name": "flour", "grams": 250}, {"name": "water", "grams": 150}, {"name": "salt", "grams": 5}]}'
IN_A_NUMBER = LIST[: LIST.index('0}, {"name": "salt"')]
AFTER_AN_ITEM = LIST[: LIST.index(', {"name": "salt"')]
ENDS: dict[str, list[Step]] = {
    'the connection broke': [Fail(ModelConnectionError('scripted', 'The connection was reset'))],
    'the provider hung up': [EndEarly()],
}


def a_list(document: str, *end: Step) -> list[Step | str]:
    return [ToolCall('final_result', document, pieces=6), *end]


class Kitchen:
    """A model with a script, a memory, and who asks."""

    def __init__(self, *responses: list[Step | str]) -> None:
        self.model = ScriptedModel(*responses, gap=0.1, loop=True)
        self.kept: dict[str, Any] = {}

    async def ask(self, exercise: Exercise) -> tuple[list[tuple[str, int]], object]:
        """Have the list made; its items as pairs, and whether it is called whole."""
        agent = Agent(self.model, output_type=list[exercise.get('Item')])

        @agent.tool_plain
        def weigh() -> str:
            """Fails, by a mistake of whoever wrote it."""
            raise ZeroDivisionError('the scales are empty')

        said = await exercise.call('shopping', agent, 'Bread?', self.kept)
        try:
            items, whole = said
        except (TypeError, ValueError):
            raise NotYet(f'The items and whether they are all were to be given back; you return {said!r}.') from None
        return [(item.name, item.grams) for item in items], whole


async def check_a_whole_list_is_whole(exercise: Exercise) -> None:
    said = await Kitchen(a_list(LIST)).ask(exercise)
    assert said == ([('flour', 250), ('water', 150), ('salt', 5)], True), (
        f'The list came to its end with flour, water and salt, and you give back {said}.'
    )


async def check_half_a_number_is_no_number(exercise: Exercise) -> None:
    for what, end in ENDS.items():
        items, _ = await Kitchen(a_list(IN_A_NUMBER, *end)).ask(exercise)
        assert ('water', 15) not in items, (
            f'{what.capitalize()} after "water", "grams": 15, of 150. Your list says 15 g of water. A snapshot of '
            'stream_output() has what came, as if it were all.'
        )
        assert items == [('flour', 250)], f'The flour had come whole when {what}, and you give back {items}.'


async def check_what_came_whole_is_kept(exercise: Exercise) -> None:
    for what, end in ENDS.items():
        items, _ = await Kitchen(a_list(AFTER_AN_ITEM, *end)).ask(exercise)
        assert items == [('flour', 250), ('water', 150)], (
            f'Flour and water had come whole, with their braces closed, when {what}; you give back {items}.'
        )


async def check_half_a_list_is_called_half(exercise: Exercise) -> None:
    for what, end in ENDS.items():
        _, whole = await Kitchen(a_list(AFTER_AN_ITEM, *end)).ask(exercise)
        assert whole is False, f'There was more to come when {what}, and you call the list whole.'


async def check_half_a_list_is_not_remembered(exercise: Exercise) -> None:
    for what, end in ENDS.items():
        kitchen = Kitchen(a_list(IN_A_NUMBER, *end), a_list(LIST))
        await kitchen.ask(exercise)
        items, whole = await kitchen.ask(exercise)
        assert len(items) == 3, (
            f'The first time {what}. Asked again, the model would have said all of it, and you give back {items}: '
            'what is remembered as an answer is served as one for ever.'
        )
        assert whole is True, 'The second answer is whole.'


async def check_a_whole_list_is_that_of_the_last_attempt(exercise: Exercise) -> None:
    wrong = LIST.replace('150', '"much"').replace('250', '200')
    kitchen = Kitchen(a_list(wrong), a_list(LIST))
    for _ in range(2):
        items, whole = await kitchen.ask(exercise)
        assert (items, whole) == ([('flour', 250), ('water', 150), ('salt', 5)], True), (
            'The first attempt had 200 g of flour and "much" water, which is not valid, so the model was asked again, '
            f'and has 250 g in the second. You give back {items}. What `items()` has shown may be of an attempt '
            'that was rejected; the output of the run is not.'
        )


async def check_a_whole_list_is_remembered(exercise: Exercise) -> None:
    kitchen = Kitchen(a_list(LIST), a_list(LIST))
    first, second = await kitchen.ask(exercise), await kitchen.ask(exercise)
    assert second == first, f'The same question, and the answers are {first} and {second}.'
    assert len(kitchen.model.requests) == 1, 'The list was whole, and the model was asked for it again.'


async def check_an_error_of_a_tool_reaches_the_caller(exercise: Exercise) -> None:
    try:
        said = await Kitchen([ToolCall('weigh')]).ask(exercise)
    except ZeroDivisionError:
        return
    raise NotYet(
        f'A tool divided by zero, and you give back {said}. That is no interruption, it is a bug: catch what a '
        'provider can do to you, and no more.'
    )
