"""A model that breaks off before, in and after its words, once or for good; and one that refuses the key."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent, ModelConnectionError, ModelHTTPError

from pydantic_ai_streaming.course import Exercise, NotYet, Screen
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Stall, Step, ToolCall

CUT = Fail(ModelConnectionError('scripted', 'The connection was reset'))
WHOLE = 'The boat leaves at nine, from the old harbour.'
START: list[Step | str] = ['The boat ', 'leaves at ', 'nine, ']
REST: list[Step | str] = ['from the ', 'old harbour.']
LOOK = 'I book it. '


class Asked:
    """A question to a model that breaks off, with a tool that must run once, and what came of it."""

    def __init__(self, *responses: list[Step | str]) -> None:
        # What it says when it is asked too often shows that.
        self.model = ScriptedModel(*responses, *[[f'{n} too many. '] for n in (1, 2, 3, 4)], gap=0.1)
        self.booked: list[str] = []
        self.said: object = None
        self.raised: Exception | None = None
        self.took = 0.0

    async def by(self, exercise: Exercise) -> Asked:
        """Have it answered."""
        agent = Agent(self.model)

        @agent.tool_plain
        def book(to: str) -> str:
            """Book."""
            self.booked.append(to)
            return 'booked'

        clock = asyncio.get_running_loop().time
        began = clock()
        with Screen() as self.screen:
            try:
                async with asyncio.timeout(300):
                    self.said = await exercise.call('ask', agent, 'When does the boat leave?')
            except TimeoutError as error:
                if clock() - began > 299:
                    raise NotYet('After five minutes of silence, your function still waits for the model.') from None
                self.raised = error
            except Exception as error:
                self.raised = error
        self.took = clock() - began
        return self

    @property
    def shown(self) -> str:
        """What is on the screen, without breaks of lines."""
        return ' '.join(self.screen.text.split())

    def answered(self, what: str, before: str = '') -> None:
        """See to it that all of the answer is there, once, on the screen after what was said before it."""
        assert self.raised is None, f'{what}, and asking again would have helped: you raise {self.raised!r}.'
        seen = before + WHOLE
        assert self.shown == seen, f'{what}. The screen is to show {seen!r}, and shows {self.shown!r}.'
        assert self.said == WHOLE, f'{what}. The answer is {WHOLE!r}, and you give back {self.said!r}.'


async def check_a_whole_answer_is_shown_and_given_back(exercise: Exercise) -> None:
    asked = await Asked([*START, *REST]).by(exercise)
    asked.answered('Nothing went wrong')
    first = asked.screen.shown[0].at
    assert first < 0.2, f'"The boat " came after 0.1 s, and is on the screen after {first:.1f} s: who flushes?'


async def check_a_tool_does_not_run_again(exercise: Exercise) -> None:
    asked = await Asked([LOOK, ToolCall('book', {'to': 'Farland'})], [*START, CUT], REST).by(exercise)
    assert len(asked.model.requests) > 2, f'The answer was cut off after a tool, and you gave up: {asked.raised!r}.'
    parts = [part.part_kind for request in asked.model.requests[2:] for m in request.messages for part in m.parts]
    assert 'tool-return' in parts, (
        'The model had something booked, and was cut off while it said so. You ask it again from the very beginning, '
        'where nothing is booked yet, so it will book again. It is the last response that is missing, not the run.'
    )
    assert len(asked.booked) == 1, f'The tool ran {len(asked.booked)} times, and each time something was booked.'
    asked.answered('The answer was cut off after a tool', before=LOOK)


async def check_an_answer_that_is_cut_off_goes_on(exercise: Exercise) -> None:
    (await Asked([*START, CUT], REST).by(exercise)).answered('The answer was cut off after "nine, "')


async def check_an_answer_that_never_began_is_asked_for_again(exercise: Exercise) -> None:
    (await Asked([CUT], [*START, *REST]).by(exercise)).answered('The connection broke before a word had come')


async def check_an_answer_that_falls_silent_goes_on(exercise: Exercise) -> None:
    asked = await Asked([*START, Stall()], REST).by(exercise)
    asked.answered('The model fell silent after "nine, "')
    assert asked.took < 15, f'It fell silent at 0.3 s, and went on at {asked.took:.0f} s, where 10 s are enough.'


async def check_an_answer_without_an_end_goes_on(exercise: Exercise) -> None:
    asked = await Asked([*START, EndEarly()], REST).by(exercise)
    asked.answered('The provider hung up after "nine, ", without an error')


async def check_it_is_asked_for_twice_and_no_more(exercise: Exercise) -> None:
    asked = await Asked([*START, CUT], ['from the ', CUT], REST).by(exercise)
    times = len(asked.model.requests)
    assert times == 2, f'It broke off twice, and was to be given up then. You made {times} requests.'
    assert asked.raised is not None, f'It broke off twice, and you give back {asked.said!r} as if it were the answer.'
    said = 'The boat leaves at nine, from the'
    assert asked.shown == said, f'Until it broke, {said!r} had come, and you showed {asked.shown!r}.'


async def check_what_is_refused_is_not_asked_for_again(exercise: Exercise) -> None:
    asked = await Asked([Fail(ModelHTTPError(401, 'scripted'))], [*START, *REST]).by(exercise)
    times = len(asked.model.requests)
    assert times == 1, (
        f'The key was refused with a 401, and you asked {times} times. It will not be right the next time.'
    )
    assert isinstance(asked.raised, ModelHTTPError), f'The key was refused, and you raise {asked.raised!r}.'
