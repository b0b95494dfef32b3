"""One question to five models at once. The third breaks off. What becomes of the others?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError

from pydantic_ai_streaming import RunStream, merge
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import Fail, Step, reply

QUESTION = 'Tea or coffee? Answer in one sentence.'
ANSWERS = {
    'ada': 'Tea, because one has to wait for it.',
    'ben': 'Coffee, because one does not.',
    'cleo': 'Cocoa, if I may, and a biscuit.',
    'dan': 'Tea, if the water is hot enough.',
    'eve': 'Neither; I am a lamp.',
}
Show = Callable[[str, str], None]


def new_agents() -> dict[str, Agent]:
    scripts: dict[str, list[Step | str]] = {name: [*reply(answer, cut='words')] for name, answer in ANSWERS.items()}
    scripts['cleo'][3:] = [Fail(ModelConnectionError('scripted', 'reset'), wait=0.05)]
    return {name: Agent(lesson_model(script, gap=0.1)) for name, script in scripts.items()}


# %% As it is often written
async def naive(agents: dict[str, Agent], show: Show) -> dict[str, str]:
    async def one(name: str, agent: Agent) -> str:
        async with agent.run_stream(QUESTION) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                show(name, piece)
            return await result.get_output()

    answers = await asyncio.gather(*(one(name, agent) for name, agent in agents.items()))
    return dict(zip(agents, answers, strict=True))


# %% With pydantic-ai alone: two at a time, and each keeps its error to itself
async def alone(agents: dict[str, Agent], show: Show) -> dict[str, str]:
    places = asyncio.Semaphore(2)

    async def one(name: str, agent: Agent) -> str:
        async with places, agent.run_stream(QUESTION) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                show(name, piece)
            return await result.get_output()

    tasks = [one(name, agent) for name, agent in agents.items()]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    return {name: answer for name, answer in zip(agents, answers, strict=True) if isinstance(answer, str)}


# %% With this library
async def right(agents: dict[str, Agent], show: Show) -> dict[str, str]:
    streams = {name: RunStream(agent.run_stream_events(QUESTION)) for name, agent in agents.items()}
    async with merge(streams, at_once=2, on_error='isolate') as runs:
        async for name, piece in runs.text():
            show(name, piece)
    for name, error in runs.errors.items():
        print(f'right  {name}: {type(error).__name__} after {runs.streams[name].text_so_far!r}')
    return runs.outputs


# %% What each of them has in the end
async def main() -> None:
    for way in (naive, alone, right):
        shown: list[str] = []

        def show(name: str, piece: str, shown: list[str] = shown) -> None:
            shown.append(name)

        try:
            answers = await way(new_agents(), show)
            print(f'{way.__name__:6} {len(answers)} answers: {", ".join(answers)}')
        except ModelAPIError as error:
            print(f'{way.__name__:6} {type(error).__name__}, no answers', end='; ')
            before = len(shown)
            await asyncio.sleep(1)
            print(f'and {len(shown) - before} pieces more within a second')


if __name__ == '__main__':
    asyncio.run(main())
