"""Models that answer as providers do: after thinking, after a comment, with tools of both kinds, or all at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydantic_ai import Agent
from pydantic_ai.messages import NativeToolCallPart, NativeToolReturnPart

from pydantic_ai_streaming.course import Exercise, NotYet
from pydantic_ai_streaming.testing import Part, ScriptedModel, Step, Text, Thinking, ToolCall

ANSWER: list[Step | str] = ['At ', 'six.']
SEARCH: list[Step | str] = [
    Part(NativeToolCallPart('web_search', {'query': 'tide'}, tool_call_id='search')),
    Part(NativeToolReturnPart('web_search', '6:00', tool_call_id='search')),
]


@dataclass
class Asked:
    """What was given back, and what was shown, when."""

    answer: object
    shown: list[tuple[float, str, str]]

    def all(self, kind: str) -> str:
        """What was shown of a kind, joined."""
        return ''.join(what for _, shown, what in self.shown if shown == kind)

    def at(self, kind: str) -> float:
        """When the first of a kind was shown."""
        return min((at for at, shown, _ in self.shown if shown == kind), default=99.0)


async def ask(exercise: Exercise, *responses: list[Step | str], can_stream: bool = True) -> Asked:
    agent = Agent(ScriptedModel(*responses, gap=0.1, can_stream=can_stream))
    shown: list[tuple[float, str, str]] = []
    clock = asyncio.get_running_loop().time
    began = clock()

    @agent.tool_plain
    async def tides(bay: str = '') -> str:
        """Takes a second."""
        await asyncio.sleep(1)
        return '6:00'

    def show(kind: str, what: str) -> None:
        assert what, f'show({kind!r}, {what!r}): providers send empty pieces too, and there is nothing in them to show.'
        shown.append((clock() - began, kind, what))

    try:
        answer = await exercise.call('ask', agent, 'When is high tide?', show)
    except NotImplementedError as error:
        raise NotYet(f'This model cannot stream, and your function raises what it says: {error}.') from None
    return Asked(answer, shown)


async def check_an_answer_is_shown_and_given_back(exercise: Exercise) -> None:
    asked = await ask(exercise, ANSWER)
    assert asked.answer == 'At six.', f'The answer is "At six.", and you give back {asked.answer!r}.'
    assert asked.all('text') == 'At six.', f'The answer is "At six.", and as text is shown {asked.all("text")!r}.'


async def check_thinking_is_a_sign(exercise: Exercise) -> None:
    asked = await ask(exercise, [*[Thinking('Hm. ')] * 10, Thinking(signature='...'), *ANSWER])
    assert asked.all('thinking') == 'Hm. ' * 10, (
        f'The model thought "Hm. " for a second, ten times; shown of it is {asked.all("thinking")!r}.'
    )
    assert asked.at('thinking') < 0.15, (
        f'The first "Hm. " came after 0.1 s, and is shown after {asked.at("thinking"):.1f} s. '
        '`run_stream` is not entered before the model has ended thinking.'
    )
    assert asked.answer == 'At six.', f'The answer is "At six.", and you give back {asked.answer!r}.'


async def check_thoughts_without_a_text_are_not_shown(exercise: Exercise) -> None:
    asked = await ask(exercise, [Thinking(signature='...'), Text(''), *ANSWER, Text('')])
    assert asked.all('thinking') == '', f'Thoughts came without a text, and {asked.all("thinking")!r} is shown of them.'
    assert asked.answer == 'At six.', f'The answer is "At six.", and you give back {asked.answer!r}.'


async def check_a_comment_is_no_answer(exercise: Exercise) -> None:
    asked = await ask(exercise, ['Let me look.', ToolCall('tides', {'bay': 'north'}, pieces=4)], ANSWER)
    assert asked.answer == 'At six.', (
        f'The model said "Let me look.", called a tool, and answered "At six."; you give back {asked.answer!r}.'
    )
    assert asked.all('text') == 'Let me look.At six.', f'All it said was to be shown; {asked.all("text")!r} is.'


async def check_each_call_of_a_tool_is_shown_once(exercise: Exercise) -> None:
    for how in (4, None, 'mapping'):
        asked = await ask(exercise, [ToolCall('tides', {'bay': 'north'}, pieces=how)], ANSWER)
        came = 'in pieces' if how == 4 else 'all at once, as a mapping' if how else 'all at once, as text'
        assert asked.all('tool') == 'tides', (
            f'The tool was called once, and its arguments came {came}. Of tools, {asked.all("tool")!r} is shown.'
        )
        assert asked.at('tool') < 0.15, (
            f'The name of the tool was known after 0.1 s, and is shown after {asked.at("tool"):.1f} s; its arguments '
            f'came {came}.'
        )


async def check_each_call_is_a_call(exercise: Exercise) -> None:
    asked = await ask(exercise, [ToolCall('tides', {'bay': 'north'}), ToolCall('tides', {'bay': 'south'})], ANSWER)
    times = [what for _, kind, what in asked.shown if kind == 'tool'].count('tides')
    assert times == 2, f'The tool was called twice in one response, and is shown {times} times.'


async def check_a_tool_of_the_provider_is_a_tool(exercise: Exercise) -> None:
    asked = await ask(exercise, ['I look. ', *SEARCH, *ANSWER])
    assert asked.answer == 'At six.', (
        f'The model said "I look. ", searched the web, and answered "At six.", all in one response. You give back '
        f'{asked.answer!r}.'
    )
    assert asked.all('tool') == 'web_search', f'It has searched the web, and of tools, {asked.all("tool")!r} is shown.'


async def check_a_model_that_cannot_stream_answers_too(exercise: Exercise) -> None:
    asked = await ask(exercise, ANSWER, can_stream=False)
    assert asked.answer == 'At six.', f'The answer is "At six.", and you give back {asked.answer!r}.'
    assert asked.all('text') == 'At six.', f'The answer is "At six.", and as text is shown {asked.all("text")!r}.'
