"""A tool has booked a berth, and the answer is cut off in its middle. Who asks again, and what happens twice?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pydantic_ai import Agent, ModelConnectionError, ModelHTTPError
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import Recovery, Retraction, RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import Fail, Script, ScriptedModel, ToolCall, reply

QUESTION = 'Book a berth on the ferry to Farland with the tool. Tell me its number, and in a sentence what to bring.'
Show = Callable[[str], None]
CALL = ToolCall('book', {'to': 'Farland'})
AGAIN = reply('Berth 12 is yours. Bring a coat, as the deck is cold.', cut='words')
CUT = [*AGAIN[:6], Fail(ModelConnectionError('scripted', 'The connection was reset'))]
REST = AGAIN[2:]  # a model that is to go on often begins with its last words
NEXT = reply('Berth 13 is yours. Bring a coat, as the deck is cold.', cut='words')
REFUSED = Fail(ModelHTTPError(401, 'scripted'))
booked: list[str] = []


async def book(to: str) -> str:
    """Book a berth, which cannot be undone."""
    booked.append(to)
    return f'Berth {11 + len(booked)} to {to}'


# %% As it is often written: the run once more, up to three times
async def naive(agent: Agent, show: Show) -> None:
    for attempt in range(3):
        try:
            async with agent.run_stream(QUESTION) as result:
                async for piece in result.stream_text(delta=True, debounce_by=None):
                    show(piece)
            return
        except Exception:
            if attempt == 2:
                raise


# %% With pydantic-ai alone: from the history of the run that failed, without its last response
async def alone(agent: Agent, show: Show) -> None:
    prompt: str | None = QUESTION
    history: list[ModelMessage] = []
    for attempt in range(2):
        async with agent.run_stream_events(prompt, message_history=history) as events:
            try:
                async for event in events:
                    if event.event_kind == 'part_start' and event.part.part_kind == 'text':
                        show(event.part.content)
                    elif event.event_kind == 'part_delta' and event.delta.part_delta_kind == 'text':
                        show(event.delta.content_delta)
                return
            except ModelConnectionError:
                if attempt == 1:
                    raise
                prompt, history = None, [m for m in events.all_messages() if m.state == 'complete']


# %% With this library: the response once more, or what is missing of it
async def right(agent: Agent, show: Show, recovery: Recovery) -> None:
    async with RunStream(agent.run_stream_events(QUESTION), recovery=recovery) as stream:
        async for piece in stream.text():
            show(' [that does not count] ' if isinstance(piece, Retraction) else piece)


# %% What is done, and what is on the screen: after an answer that is cut, and with a key that is refused
async def main() -> None:
    ways: list[tuple[str, Callable[[Agent, Show], Awaitable[None]], list[Script]]] = [
        ('naive', naive, [CALL, CUT, CALL, NEXT]),
        ('alone', alone, [CALL, CUT, AGAIN]),
        ('restart', lambda agent, show: right(agent, show, Recovery(by='restart')), [CALL, CUT, AGAIN]),
        ('continue', lambda agent, show: right(agent, show, Recovery(by='continue')), [CALL, CUT, REST]),
    ]
    for name, way, script in [*ways, *((name, way, [REFUSED]) for name, way, _ in ways)]:
        booked.clear()
        model, screen = lesson_model(*script, gap=0.02), list[str]()
        with suppress(ModelHTTPError):
            await way(Agent(model, tools=[book]), screen.append)
        requests = len(model.requests) if isinstance(model, ScriptedModel) else 'some'
        print(f'{name:9}requests {requests}, booked {len(booked)}: {"".join(screen) or "refused"}')


if __name__ == '__main__':
    asyncio.run(main())
