"""A reader stops an answer, or presses Ctrl-C. When is it over, and what does the next run know of it?"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import reply

QUESTION = 'How do I repot a fern? In six short steps.'
STEPS = 'Water it first. Turn the pot over. Shake the roots. Cut the dead ones. Set it deeper. Wait a month.'
agent = Agent(lesson_model(reply(STEPS, cut='words'), gap=0.1))
PATIENCE = 0.75  # seconds after which the reader has had enough


# %% As it is often written
async def naive(history: list[ModelMessage], stop: asyncio.Event) -> None:
    async with agent.run_stream(QUESTION, message_history=history) as result:
        try:
            async for _ in result.stream_text(delta=True, debounce_by=None):
                if stop.is_set():
                    break
        except asyncio.CancelledError:
            raise  # said "cancelled by user", and everything that came is gone
        await result.get_output()  # "the final result, even if there was a problem"
        history[:] = result.all_messages()


# %% With pydantic-ai alone: events, and the history when the context is left
async def alone(history: list[ModelMessage], stop: asyncio.Event) -> None:
    events = None
    try:
        async with agent.run_stream_events(QUESTION, message_history=history) as events:
            async for _ in events:
                if stop.is_set():
                    break
    finally:
        if events is not None:
            history[:] = events.all_messages()


# %% With this library
async def right(history: list[ModelMessage], stop: asyncio.Event) -> None:
    stream = RunStream(agent.run_stream_events(QUESTION, message_history=history))
    try:
        async with stream:
            async for _ in stream.text():
                if stop.is_set():
                    break
    finally:
        history[:] = stream.messages


# %% A stop button sets an event; Ctrl-C cancels the task, as asyncio.run does
async def main() -> None:
    loop = asyncio.get_running_loop()
    for way in (naive, alone, right):
        for by in ('stop', 'Ctrl-C'):
            history: list[ModelMessage] = []
            stop = asyncio.Event()
            began = loop.time()
            task = asyncio.create_task(way(history, stop))
            loop.call_later(PATIENCE, stop.set if by == 'stop' else task.cancel)
            with suppress(asyncio.CancelledError):
                await task
            replies = [message.text for message in history if isinstance(message, ModelResponse)]
            print(f'{way.__name__:6}{by:7} over after {loop.time() - began:.1f} s, {len(history)} messages: {replies}')


if __name__ == '__main__':
    asyncio.run(main())
