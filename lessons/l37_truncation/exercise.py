"""Ask a question, and give back how the answer ended and its text, exactly as it came.

It ended 'complete'; 'too long', if the model was not allowed to write on, or 'filtered'; 'cut off', if the stream just
ended; 'broken', by an error of the provider or the connection after some text; or 'refused', by one before any. Any
other error is a mistake in this program, and is raised.
"""

from __future__ import annotations

from pydantic_ai import Agent


async def answer(agent: Agent, question: str) -> tuple[str, str]:
    # TODO: five of the ends are taken for others, and the text says what no model has written.
    text = ''
    try:
        async with agent.run_stream(question) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                text += piece
    except Exception:
        return 'broken', text + '\n[cut off by an error]'
    return 'complete', text
