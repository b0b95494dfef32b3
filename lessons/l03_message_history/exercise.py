"""One turn of a chat: print the reply as it comes, and give back the history for the next turn.

The reader has seen enough when `enough` characters were printed; then the reply is stopped. The connection may break
too. Whatever happens, the next turn is to know the question, and as much of the reply as was printed.
"""

from __future__ import annotations

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage


async def turn(agent: Agent, question: str, history: list[ModelMessage], enough: int) -> list[ModelMessage]:
    # TODO: a reply that is stopped is forgotten, and when the connection breaks, so is everything.
    shown = 0
    async with agent.run_stream(question, message_history=history) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            print(piece, end='', flush=True)
            shown += len(piece)
            if shown >= enough:
                break
        return result.all_messages()
