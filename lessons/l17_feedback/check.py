"""A model that thinks after 3 s, uses a tool for 2 s, and after 4 s more writes; and some that do less."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError

from pydantic_ai_streaming.course import Exercise, NotYet
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Step, Text, Thinking, ToolCall

THINKS: list[Step | str] = [Thinking('They want ', wait=3), Thinking('a boat.', wait=1), ToolCall('boats', wait=1)]
SPEAKS: list[Step | str] = ['Let me ', 'see.', ToolCall('boats', wait=1)]
WRITES: list[Step | str] = [Text('At ', wait=4), Text('13:15.', wait=1)]
# After thinking, the tool runs from 5 s to 7 s, and the text comes at 11 s and 12 s.


class Watcher:
    """Somebody who looks at the status line, and may ask what it said at any time."""

    def __init__(self, *responses: list[Step | str]) -> None:
        self.agent = Agent(ScriptedModel(*responses))
        self.text = ''
        self.lines: list[tuple[float, str]] = []

        @self.agent.tool_plain
        async def boats() -> str:
            """Takes two seconds."""
            await asyncio.sleep(2)
            return '13:15'

    async def watch(self, exercise: Exercise) -> BaseException | None:
        """Have the function called; what it raised of the provider's."""
        clock = asyncio.get_running_loop().time
        began = clock()

        def show(piece: str) -> None:
            self.text += piece

        def status(line: str) -> None:
            self.lines.append((clock() - began, line))

        try:
            await exercise.call('follow', self.agent, 'When?', show, status)
        except ModelAPIError as error:
            return error
        return None

    def at(self, instant: float) -> str:
        """What the status was then."""
        return next((line for when, line in reversed(self.lines) if when <= instant), '')

    def expect(self, instant: float, line: str, why: str) -> None:
        """Raise `NotYet` if the status was another one."""
        if self.at(instant) != line:
            raise NotYet(f'{why}, so after {instant:g} s the status was to be {line!r}. It is {self.at(instant)!r}.')


async def check_the_text_is_shown(exercise: Exercise) -> None:
    for first, text in ((THINKS, 'At 13:15.'), (SPEAKS, 'Let me see.At 13:15.')):
        watcher = Watcher(first, WRITES)
        await watcher.watch(exercise)
        assert watcher.text == text, (
            f'The model wrote {text!r}, in all, and you show {watcher.text!r}. Is it followed to the end of the run, '
            'through the tool?'
        )


async def check_what_is_not_known_is_not_said(exercise: Exercise) -> None:
    watcher = Watcher(THINKS, WRITES)
    await watcher.watch(exercise)
    watcher.expect(2, 'waiting', 'Nothing had come of the model in the first 3 s')
    watcher = Watcher(WRITES)
    await watcher.watch(exercise)
    if 'thinking' in [line for _, line in watcher.lines]:
        raise NotYet('This model does not think, or does not tell, and the status says "thinking".')


async def check_thinking_is_seen(exercise: Exercise) -> None:
    watcher = Watcher(THINKS, WRITES)
    await watcher.watch(exercise)
    watcher.expect(4.5, 'thinking', 'The model told what it thinks from 3 s on')


async def check_a_tool_at_work_is_named(exercise: Exercise) -> None:
    watcher = Watcher(THINKS, WRITES)
    await watcher.watch(exercise)
    watcher.expect(6, 'boats', 'The tool worked from 5 s to 7 s')
    watcher = Watcher(SPEAKS, WRITES)
    await watcher.watch(exercise)
    watcher.expect(2, 'boats', 'After some words, the tool worked from 1 s to 3 s')


async def check_a_tool_that_has_returned_works_no_more(exercise: Exercise) -> None:
    watcher = Watcher(THINKS, WRITES)
    await watcher.watch(exercise)
    watcher.expect(9, 'waiting', 'The tool returned at 7 s, and nothing came of the model until 11 s')


async def check_writing_is_seen(exercise: Exercise) -> None:
    watcher = Watcher(THINKS, WRITES)
    await watcher.watch(exercise)
    watcher.expect(11.5, 'writing', 'The first words came at 11 s')


async def check_the_end_is_true(exercise: Exercise) -> None:
    broken = Fail(ModelConnectionError('scripted', 'The connection was reset'))
    ends: list[tuple[str, str, list[Step | str]]] = [
        ('complete', 'The answer came to its end', [*WRITES]),
        ('cut off', 'The provider hung up in the middle, without a finish reason', [WRITES[0], EndEarly()]),
        ('failed', 'The connection broke in the middle', [WRITES[0], broken]),
    ]
    for line, why, script in ends:
        watcher = Watcher(THINKS, script)
        await watcher.watch(exercise)
        watcher.expect(20, line, why)


async def check_an_error_is_for_the_caller_too(exercise: Exercise) -> None:
    error = ModelConnectionError('scripted', 'The connection was reset')
    raised = await Watcher(THINKS, [WRITES[0], Fail(error)]).watch(exercise)
    assert raised is error, f'The connection broke, and the caller gets {raised!r}. A status line is no exception.'
