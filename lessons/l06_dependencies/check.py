"""A shelf that remembers when it was opened, closed and asked; a run that is whole, and one whose connection breaks."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from pydantic_ai import Agent, RunContext
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError

from pydantic_ai_streaming.course import Exercise, NotYet, Screen
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Step, ToolCall

LOOK: list[Step | str] = ['I look. ', ToolCall('find')]
TOLD: list[Step | str] = ['It ', 'stands ', 'still.']


class Shelf:
    def __init__(self) -> None:
        self.told: list[str] = []

    async def __aenter__(self) -> Self:
        self.told += ['opened']
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.told += ['closed']

    @property
    def tale(self) -> str:
        """What became of it."""
        return 'is open still' if self.told == ['opened'] else f'was {" and ".join(self.told) or "never opened"}'


def agent_of(*responses: list[Step | str]) -> Agent[Shelf]:
    agent = Agent(ScriptedModel(*responses, gap=0.1), deps_type=Shelf)

    @agent.tool
    async def find(ctx: RunContext[Shelf]) -> str:
        if ctx.deps.told != ['opened']:
            raise NotYet(
                f'The tool asked the shelf, which by then was {" and ".join(ctx.deps.told) or "not opened"}. A run '
                'works while it is read, and not when `run_stream_events` is called: who closes the shelf, and when?'
            )
        return 'it stands still'

    return agent


async def check_the_shelf_is_open_when_the_tool_asks_it(exercise: Exercise) -> None:
    shelf = Shelf()
    with Screen():
        said = await exercise.call('answer', agent_of(LOOK, TOLD), shelf, 'A heron?')
    assert said == 'It stands still.', f'The function was to return the answer, and returns {said!r}.'


async def check_the_answer_is_printed_as_it_comes(exercise: Exercise) -> None:
    with Screen() as screen:
        await exercise.call('answer', agent_of(LOOK, TOLD), Shelf(), 'A heron?')
    assert 'It stands still.' in screen.text, f'The screen shows {screen.text!r}.'
    assert len(screen.shown) >= 4, f'The text came in four pieces, and appeared in {len(screen.shown)}.'


async def check_the_shelf_is_closed_once_the_run_is_over(exercise: Exercise) -> None:
    shelf = Shelf()
    with Screen():
        await exercise.call('answer', agent_of(LOOK, TOLD), shelf, 'A heron?')
    assert shelf.told == ['opened', 'closed'], f'The run is over, and the shelf {shelf.tale}.'


async def check_the_shelf_is_closed_when_the_connection_breaks(exercise: Exercise) -> None:
    shelf = Shelf()
    broken = Fail(ModelConnectionError('scripted', 'The connection was reset'))
    with Screen(), suppress(ModelAPIError):
        await exercise.call('answer', agent_of(LOOK, ['It ', broken]), shelf, 'A heron?')
    assert shelf.told == ['opened', 'closed'], (
        f'The connection broke in the middle of the answer, and the shelf {shelf.tale}.'
    )


async def check_the_run_is_over_before_the_shelf_is_closed(exercise: Exercise) -> None:
    shelf = Shelf()
    agent = Agent(ScriptedModel(LOOK, TOLD, gap=0.1), deps_type=Shelf)
    at_the_end: list[str] = []

    @agent.tool
    async def find(ctx: RunContext[Shelf]) -> str:
        try:
            await asyncio.sleep(2)
        finally:
            at_the_end.extend(ctx.deps.told)
        return 'it stands still'

    with Screen(), suppress(TimeoutError):
        async with asyncio.timeout(1):
            await exercise.call('answer', agent, shelf, 'A heron?')
    assert at_the_end == ['opened'], (
        'The function was cancelled while the tool was at work, and the shelf was closed before the tool had ended. '
        'What is opened first is closed last: in which order are the two in your `async with`?'
    )
    assert shelf.told == ['opened', 'closed'], f'The function was cancelled, and the shelf {shelf.tale}.'
