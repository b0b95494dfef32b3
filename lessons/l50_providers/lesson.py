"""One question to five providers, each with its own way to answer. When is there a sign, and what is the answer?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic_ai import Agent
from pydantic_ai.messages import NativeToolCallPart, NativeToolReturnPart
from pydantic_ai.models import Model

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import Part, ScriptedModel, Thinking, ToolCall

QUESTION = 'When is high tide? Answer in one sentence.'
WORDS = ('High tide', ' is', ' at six.')
Show = Callable[[str], None]


def tides() -> str:
    """When high tide is."""
    return '6:00'


# %% Five ways to answer; the first is the model that `--live` names, if it is given
def models() -> dict[str, Model]:
    thoughts = [Thinking(' The moon is new.') for _ in range(16)]
    search = [
        Part(NativeToolCallPart('web_search', {'query': 'high tide'}, tool_call_id='search')),
        Part(NativeToolReturnPart('web_search', '6:00', tool_call_id='search')),
    ]
    return {
        'writes': lesson_model(WORDS, gap=0.05),
        'thinks first': ScriptedModel([*thoughts, Thinking(signature='...'), *WORDS], gap=0.05),
        'comments': ScriptedModel(['Let me', ' look.', ToolCall('tides')], WORDS, gap=0.05),
        'searches': ScriptedModel(['I look it up. ', *search, *WORDS], gap=0.05),
        'cannot stream': ScriptedModel(WORDS, gap=0.05, can_stream=False),
    }


# %% As it is often written
async def naive(agent: Agent, show: Show) -> str:
    answer = ''
    async with agent.run_stream(QUESTION) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            show(piece)
            answer += piece
    return answer


# %% With this library: what it thinks is a sign too, and what it says need not be the answer
async def right(agent: Agent, show: Show) -> str:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:

        async def thinking() -> None:
            async for piece in stream.thinking():
                show(piece)

        async def text() -> None:
            async for piece in stream.text():
                show(piece)

        await asyncio.gather(thinking(), text())
        return await stream.get_output()


# %% The five of them
async def main() -> None:
    clock = asyncio.get_running_loop().time
    for way in (naive, right):
        print(f'{way.__name__}:')
        for name, model in models().items():
            seen: list[float] = []
            began = clock()
            try:
                answer = await way(Agent(model, tools=[tides]), lambda _, seen=seen: seen.append(clock()))
                print(f'  {name:14} a sign after {seen[0] - began:.2f} s: {answer}')
            except NotImplementedError as error:
                print(f'  {name:14} {type(error).__name__}')


if __name__ == '__main__':
    asyncio.run(main())
