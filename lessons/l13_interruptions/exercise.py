"""One turn of a chat that may be interrupted: `history` is to have the turn in it, however it ends.

Print the reply as it comes. When `stop` is set, print no more, and return when the next piece comes or sooner. If the
task is cancelled (Ctrl-C) or the model fails, the caller is to learn of it as ever.
"""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage


async def turn(agent: Agent, question: str, history: list[ModelMessage], stop: asyncio.Event) -> None:
    # TODO: stopped, it goes on in secret; cancelled, it forgets what was printed; failed, it says so to nobody.
    try:
        async with agent.run_stream(question, message_history=history) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                print(piece, end='', flush=True)
                if stop.is_set():
                    break
            await result.get_output()
            history[:] = result.all_messages()
    except Exception as error:
        print(f'\nFailed: {error}')
