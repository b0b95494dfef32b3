"""Draw an answer as HTML whenever there is something new of it, and give back the history for the next run.

- As long as nothing has come: a placeholder, such as `<i>...</i>`, without a cursor.
- While it is written: its text so far, and the cursor `▍` as the last character.
- When it is whole: its text, and nothing else.
- Stopped (`stop` is set, which you notice with the next piece), cut off or failed: what came, then a remark in `<i>`.

Nothing of that but the text is the model's: neither placeholder nor cursor nor remark is for the history. And the text
is text, not HTML. No error leaves the function; a cancellation is none, and does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart

Draw = Callable[[str], None]


async def show(agent: Agent, question: str, draw: Draw, stop: asyncio.Event) -> list[ModelMessage]:
    # TODO: one flag for six states. And what is in the page is what the model will be told.
    content, is_streaming = '', True
    draw('▍')
    try:
        async with agent.run_stream(question) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                content += piece
                is_streaming = is_streaming and not stop.is_set()
                draw(content + ('▍' if is_streaming else ''))
    except Exception as error:
        print(error)
    draw(content)
    return [ModelRequest.user_text_prompt(question), ModelResponse(parts=[TextPart(content)])]
