"""A model that says something, has a tool work for two seconds, and then answers; or that needs no tool, or two."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent, ModelRetry

from pydantic_ai_streaming.course import Exercise, Screen
from pydantic_ai_streaming.testing import ScriptedModel, Step, ToolCall

CHECKING: list[Step | str] = ['Let me ', 'check. ', ToolCall('boats', {'to': 'Farland'})]
ANSWER = 'At 13:15, in the sun.'


class Asked:
    """A question, put to a model with two tools, and what came of it."""

    def __init__(self, *responses: list[Step | str]) -> None:
        self.model = ScriptedModel(*responses, gap=0.1)
        self.said: object = None

    async def ask(self, exercise: Exercise) -> Asked:
        """Have it answered."""
        agent = Agent(self.model)

        @agent.tool_plain
        async def boats(to: str) -> str:
            """Takes two seconds, and knows one island."""
            await asyncio.sleep(2)
            if to != 'Farland':
                raise ModelRetry('There is no such island.')
            return f'13:15 to {to}'

        @agent.tool_plain
        async def weather() -> str:
            """Takes a second."""
            await asyncio.sleep(1)
            return 'sunny'

        with Screen() as self.screen:
            self.said = await exercise.call('ask', agent, 'When does the boat leave?')
        return self

    def seen(self, line: str) -> list[float]:
        """When a line began to be visible."""
        return [shown.at for shown in self.screen.shown if line in shown.text]


async def check_an_answer_without_tools_is_shown_and_given_back(exercise: Exercise) -> None:
    asked = await Asked(['At ', '13:15.']).ask(exercise)
    assert asked.said == 'At 13:15.', f'The answer is "At 13:15.", and you give back {asked.said!r}.'
    assert 'At 13:15.' in asked.screen.text, f'The answer is "At 13:15.", and the screen shows {asked.screen.text!r}.'


async def check_what_is_said_before_a_tool_is_not_the_answer(exercise: Exercise) -> None:
    asked = await Asked(CHECKING, [ANSWER]).ask(exercise)
    requests = len(asked.model.requests)
    assert requests == 2, (
        f'The model said "Let me check. ", called a tool, and was never asked again: {requests} request, though a tool '
        f'ran. You give back {asked.said!r}. `run_stream` takes the first text for the answer, and the run ends there.'
    )
    assert asked.said == ANSWER, f'The answer is {ANSWER!r}, and you give back {asked.said!r}.'
    assert ANSWER in asked.screen.text, f'The answer is {ANSWER!r}, and the screen shows {asked.screen.text!r}.'
    assert 'Let me check. ' in asked.screen.text, f'"Let me check. " was said too; there is {asked.screen.text!r}.'


async def check_a_tool_is_seen_while_it_works(exercise: Exercise) -> None:
    asked = await Asked(CHECKING, [ANSWER]).ask(exercise)
    begun = asked.seen('→ boats')
    assert begun, f'The tool worked for 2 s, and the screen never said "→ boats": {asked.screen.text!r}.'
    assert len(begun) == 1, f'The tool began once, and the screen says "→ boats" {len(begun)} times.'
    assert begun[0] < 0.5, f'The tool began at 0.3 s, and "→ boats" is on the screen at {begun[0]:.1f} s.'
    returned = asked.seen('← boats: 13:15 to Farland')
    assert returned, f'The tool returned "13:15 to Farland", and the screen shows {asked.screen.text!r}.'
    assert 2.2 < returned[0] < 2.4, (
        f'The tool returned at 2.3 s, and "← boats" is on the screen at {returned[0]:.1f} s.'
    )


async def check_the_text_grows_while_it_is_written(exercise: Exercise) -> None:
    asked = await Asked(['Let ', 'me ', 'see.']).ask(exercise)
    assert asked.seen('Let'), f'The model said "Let me see.", and the screen shows {asked.screen.text!r}.'
    assert asked.seen('Let')[0] < 0.2, f'"Let" came at 0.1 s, and is on the screen at {asked.seen("Let")[0]:.1f} s.'


async def check_two_tools_at_once_are_both_seen(exercise: Exercise) -> None:
    asked = await Asked([*CHECKING, ToolCall('weather')], [ANSWER]).ask(exercise)
    for name, at in (('weather', 1.4), ('boats', 2.4)):
        returned = asked.seen(f'← {name}: ')
        assert len(returned) == 1, f'"← {name}: " is to be seen once, and is {len(returned)} times.'
        assert abs(returned[0] - at) < 0.15, f'{name} returned at {at} s, and is seen to at {returned[0]:.1f} s.'


async def check_a_tool_that_is_called_again_has_returned_once(exercise: Exercise) -> None:
    wrong: list[Step | str] = [ToolCall('boats', {'to': 'Atlantis'})]
    asked = await Asked(wrong, CHECKING, [ANSWER]).ask(exercise)
    assert asked.said == ANSWER, f'After a call that was wrong, and one that was right, you give back {asked.said!r}.'
    began, returned = len(asked.seen('→ boats')), len(asked.seen('← boats'))
    assert (began, returned) == (2, 1), (
        f'Atlantis is no island, so the model was told to call again. The tool ran twice and returned once; the screen '
        f'says "→" {began} and "←" {returned} times.'
    )
