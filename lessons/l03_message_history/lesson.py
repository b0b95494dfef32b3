"""A chat of two questions. The first answer is stopped in the middle; does the second question know of it?"""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import reply

QUESTIONS = ('How is bread made? In five steps.', 'And then?')
STEPS = 'Mix flour and water. Let it rest. Fold it. Let it rise. Bake it for forty minutes.'
agent = Agent(lesson_model(reply(STEPS, cut='words'), gap=0.05))
ENOUGH = 30  # characters after which the reader has seen enough


def replies(history: list[ModelMessage]) -> str:
    """What the next question finds of the model's answers."""
    texts = [repr(message.text) for message in history if isinstance(message, ModelResponse)]
    return ' + '.join(texts) or 'none'


# %% As it is often written
async def naive(question: str, history: list[ModelMessage]) -> list[ModelMessage]:
    shown = ''
    async with agent.run_stream(question, message_history=history) as result:
        async for piece in result.stream_text(delta=True):
            shown += piece
            if len(shown) >= ENOUGH:
                break
        return result.all_messages()


# %% With pydantic-ai alone: events, and the history after the context
async def alone(question: str, history: list[ModelMessage]) -> list[ModelMessage]:
    shown = ''
    async with agent.run_stream_events(question, message_history=history) as events:
        async for event in events:
            if event.event_kind == 'part_start' and event.part.part_kind == 'text':
                shown += event.part.content  # the first piece is here, and in no delta
            elif event.event_kind == 'part_delta' and event.delta.part_delta_kind == 'text':
                shown += event.delta.content_delta
            if len(shown) >= ENOUGH:
                break
    return events.all_messages()


# %% With this library
async def right(question: str, history: list[ModelMessage]) -> list[ModelMessage]:
    shown = ''
    async with RunStream(agent.run_stream_events(question, message_history=history)) as stream:
        async for piece in stream.text():
            shown += piece
            if len(shown) >= ENOUGH:
                break
    return stream.messages


# %% What each of them remembers
async def main() -> None:
    for turn in (naive, alone, right):
        history: list[ModelMessage] = []
        for question in QUESTIONS:
            history = await turn(question, history)
            print(f'{turn.__name__:6} messages: {len(history)}, replies: {replies(history)}')


if __name__ == '__main__':
    asyncio.run(main())
