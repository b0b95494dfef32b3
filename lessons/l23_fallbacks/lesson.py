"""A model refuses, breaks off, or falls silent, and another one stands by. When does it come in?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from pydantic_ai import Agent, AgentRunError, ModelAPIError, ModelConnectionError, ModelHTTPError
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel

from pydantic_ai_streaming import Deadlines, Recovery, RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import EndEarly, Fail, Script, Stall, reply

QUESTION = 'When is the tide at its highest, if it was at six in the morning? In one short sentence.'
PATIENCE = 15 if 'LESSONS_LIVE' in os.environ else 0.3  # seconds of silence
Show = Callable[[str], None]
ANSWER = reply('It is highest again at about half past six.', cut='words')
BEGUN, REST = ANSWER[:5], ANSWER[2:]  # the other one begins with the last words of the first
FAILURES: dict[str, Script] = {
    'refuses': [Fail(ModelHTTPError(429, 'scripted'))],
    'breaks': [*BEGUN, Fail(ModelConnectionError('scripted', 'The connection was reset'))],
    'hangs up': [*BEGUN, EndEarly()],
    'is silent': [*BEGUN, Stall()],
}


# %% As it is often written: the run once more, with the other model
async def naive(first: Model, second: Model, show: Show) -> None:
    for model in (first, second):
        try:
            async with Agent(model).run_stream(QUESTION) as result:
                async for piece in result.stream_text(delta=True, debounce_by=None):
                    show(piece)
            return
        except ModelAPIError:
            pass  # the next one


# %% With pydantic-ai alone
async def alone(first: Model, second: Model, show: Show) -> None:
    async with Agent(FallbackModel(first, second)).run_stream(QUESTION) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            show(piece)


# %% Before the first event, and after it
async def right(first: Model, second: Model, show: Show) -> None:
    run = Agent(FallbackModel(first, second)).run_stream_events(QUESTION)
    deadlines, recovery = Deadlines(first=60, idle=PATIENCE), Recovery(fallback=[second])
    async with RunStream(run, deadlines=deadlines, recovery=recovery) as stream:
        async for piece in stream.text():
            show(piece)


# %% What is on the screen
async def show_all(way: Callable[[Model, Model, Show], Awaitable[None]], name: str) -> str:
    screen: list[str] = []
    second = REST if way is right and name != 'refuses' else ANSWER
    try:
        async with asyncio.timeout(4 * PATIENCE):
            await way(lesson_model(FAILURES[name], gap=0.02), lesson_model(second, gap=0.02), screen.append)
    except (AgentRunError, TimeoutError) as error:
        screen.append(f' -> {type(error).__name__}')
    return f'{way.__name__:6}{name:10}{"".join(screen)}'


async def main() -> None:
    for way in (naive, alone, right):
        print(*await asyncio.gather(*(show_all(way, name) for name in FAILURES)), sep='\n')


if __name__ == '__main__':
    asyncio.run(main())
