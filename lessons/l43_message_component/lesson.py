"""Four answers in a page, before their first word, while they are written, and after their end. What does one see?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from html import escape

from pydantic_ai import Agent, AgentRunError
from pydantic_ai.exceptions import ModelConnectionError
from pydantic_ai.messages import ModelResponse

from pydantic_ai_streaming import RunStream, StreamingError
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import EndEarly, Fail, Step

QUESTION = 'Can I sail over the bar? In five words.'
WORDS = ['Not ', 'before ', 'half ', 'tide', '.']
RESET = Fail(ModelConnectionError('scripted', 'The connection was reset'), wait=0.1)
CASES: dict[str, Sequence[Step | str]] = {
    'complete': WORDS,
    'stopped': WORDS,
    'cut off': [*WORDS[:3], EndEarly()],
    'failed': [RESET],
}
Draw = Callable[[str], None]


# %% As it is often written: an empty message, and a flag that says whether it is streaming
def picture(content: str, is_streaming: bool) -> str:
    return f'{content}▍' if is_streaming else content


async def naive(agent: Agent, draw: Draw, stop: asyncio.Event) -> list[str]:
    content = ''
    draw(picture(content, True))
    try:
        async with agent.run_stream(QUESTION) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                content += piece
                draw(picture(content, not stop.is_set()))
    except Exception:
        pass  # it is in the log
    draw(picture(content, False))
    return [content]


# %% With this library: a picture of the stream, which knows its state
ENDS = {'stopped': 'you stopped it here', 'truncated': 'it was cut off: ask again', 'failed': 'it failed: ask again'}


def component(stream: RunStream[str]) -> str:
    text = escape(stream.text_so_far)
    if stream.finish is None:
        return f'{text}▍' if text else '<i>has not begun</i>'
    return text if stream.finish == 'complete' else f'{text}<i>{ENDS.get(stream.finish, "it did not end well")}</i>'


async def right(agent: Agent, draw: Draw, stop: asyncio.Event) -> list[str]:
    stream = RunStream(agent.run_stream_events(QUESTION))
    try:
        async with stream:
            draw(component(stream))
            async for _ in stream.text():
                draw(component(stream))
                if stop.is_set():
                    break
    except (StreamingError, AgentRunError):
        pass  # the picture says so
    draw(component(stream))
    return [message.text or '' for message in stream.messages if isinstance(message, ModelResponse)]


# %% What is drawn first, with the second word, and last; and what the next question is sent with
async def main() -> None:
    for way in (naive, right):
        for case, script in CASES.items():
            drawn: list[str] = []
            stop = asyncio.Event()
            if case == 'stopped':
                asyncio.get_running_loop().call_later(0.15, stop.set)
            kept = await way(Agent(lesson_model(script, gap=0.1)), drawn.append, stop)
            print(f'{way.__name__} {case:8}  {" / ".join([drawn[0], *drawn[2:3], drawn[-1]])}; keeps {kept}')


if __name__ == '__main__':
    asyncio.run(main())
