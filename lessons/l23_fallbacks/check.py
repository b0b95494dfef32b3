"""Two models, of which the first fails in each of the ways that there are."""

from __future__ import annotations

import asyncio

from pydantic_ai import ModelConnectionError, ModelHTTPError

from pydantic_ai_streaming.course import Exercise, NotYet, Screen
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Stall, Step, ToolCall

WHOLE = 'The tide is at its highest at six.'
START: list[Step | str] = ['The tide ', 'is at its ']
REST: list[Step | str] = ['highest ', 'at six.']
REFUSED = Fail(ModelHTTPError(429, 'scripted'))
CUT = Fail(ModelConnectionError('scripted', 'The connection was reset'))


class Asked:
    """A question to two models, with a tool, and what came of it.

    Args:
        first: The responses of the first model.
        second: The one of the second.
    """

    def __init__(self, first: list[list[Step | str]], second: list[Step | str]) -> None:
        self.first = ScriptedModel(*first, ['The first once more.'], gap=0.1)
        self.second = ScriptedModel(second, ['One request too many.'], gap=0.1)
        self.looked: list[str] = []
        self.said: object = None
        self.raised: Exception | None = None

    async def by(self, exercise: Exercise) -> Asked:
        """Have it answered."""

        def tables() -> str:
            """Look into the tables of the tide."""
            self.looked.append('looked')
            return 'six'

        clock = asyncio.get_running_loop().time
        began = clock()
        with Screen() as self.screen:
            try:
                async with asyncio.timeout(300):
                    self.said = await exercise.call('ask', self.first, self.second, [tables], 'When is the tide?')
            except Exception as error:
                self.raised = error
        self.took = clock() - began
        if self.took > 299:
            raise NotYet(
                f'The first model fell silent after {self.screen.text!r}. After five minutes, you still wait for it, '
                'and not for the second. No error comes of a silence, unless you count its seconds.'
            )
        return self

    def answered(self, what: str) -> None:
        """See to it that all of the answer is there, once."""
        assert self.raised is None, (
            f'{what}, and another model stands by. You asked it {len(self.second.requests)} times, and raise '
            f'{self.raised!r}.'
        )
        shown = ' '.join(self.screen.text.split())
        assert shown == WHOLE, f'{what}. The screen is to show {WHOLE!r}, and shows {shown!r}.'
        assert self.said == WHOLE, f'{what}. The answer is {WHOLE!r}, and you give back {self.said!r}.'


async def check_the_second_model_is_not_asked_without_need(exercise: Exercise) -> None:
    asked = await Asked([[*START, *REST]], ['No need.']).by(exercise)
    asked.answered('Nothing went wrong')
    assert not asked.second.requests, 'The first model answered, and you asked the second one too.'
    first = asked.screen.shown[0].at
    assert first < 0.2, f'The first words came after 0.1 s, and are on the screen after {first:.1f} s.'


async def check_a_model_that_refuses_is_replaced(exercise: Exercise) -> None:
    (await Asked([[REFUSED]], [*START, *REST]).by(exercise)).answered('The first model had no capacity (429)')


async def check_a_model_that_breaks_off_is_replaced(exercise: Exercise) -> None:
    (await Asked([[*START, CUT]], REST).by(exercise)).answered('The first model was cut off in the middle')


async def check_a_model_that_hangs_up_is_replaced(exercise: Exercise) -> None:
    asked = await Asked([[*START, EndEarly()]], REST).by(exercise)
    asked.answered('The provider of the first model hung up in the middle, without an error')


async def check_a_model_that_falls_silent_is_replaced(exercise: Exercise) -> None:
    for start, rest in ((START, REST), ([], [*START, *REST])):
        asked = await Asked([[*start, Stall()]], rest).by(exercise)
        asked.answered(f'The first model fell silent after {"".join(map(str, start)) or "nothing"!r}')
        assert asked.took < 15, f'The first model fell silent, and the second was asked after {asked.took:.0f} s.'


async def check_no_tool_runs_twice(exercise: Exercise) -> None:
    asked = await Asked([[ToolCall('tables')], [*START, CUT]], REST).by(exercise)
    asked.answered('The first model was cut off after a tool')
    assert len(asked.looked) == 1, f'The tool was needed once, and ran {len(asked.looked)} times.'


async def check_two_that_fail_are_a_failure(exercise: Exercise) -> None:
    for first, second in ((REFUSED, REFUSED), (CUT, REFUSED)):
        asked = await Asked([[*START, first] if first is CUT else [first]], [second]).by(exercise)
        assert asked.raised is not None, (
            f'Both models failed, and you give back {asked.said!r} as if it were an answer.'
        )
