"""One answer, seven ends. Which of them is the end of the answer?"""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError, ModelHTTPError, ModelOverloadedError

from pydantic_ai_streaming import RunStream, StreamTruncated
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import EndEarly, Fail, Finish, Step, reply

QUESTION = 'Is the ice safe to walk on? In one sentence.'
ANSWER = 'It is safe to walk on, once it is as thick as a hand is long.'
words = reply(ANSWER, cut='words')
half = words[:6]  # 'It is safe to walk on'
ENDS: dict[str, list[Step | str]] = {
    'whole': [*words],
    'hung up': [*half, EndEarly()],
    'too long': [*half, Finish('length')],
    'filtered': [*half, Finish('content_filter')],
    'reset': [*half, Fail(ModelConnectionError('scripted', 'the connection was reset'))],
    'overloaded': [*half, Fail(ModelOverloadedError('scripted', 'try again later'))],
    'refused': [Fail(ModelHTTPError(429, 'scripted', 'too many requests'))],
}


# %% As it is often written: an end without an exception is a success, and a note tells of the others
async def naive(agent: Agent) -> str:
    text = ''
    try:
        async with agent.run_stream(QUESTION) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                text += piece
    except Exception:
        if text:
            return text + ' [cut off by an error]'
        raise
    return text


# %% With this library: each end by its name, and the text as it came
async def right(agent: Agent) -> tuple[str, str]:
    stream = RunStream(agent.run_stream_events(QUESTION))
    try:
        async with stream:
            await stream.get_output()
    except StreamTruncated:
        how = 'cut off'
    except ModelAPIError as error:
        how = type(error).__name__
    else:
        how = str(stream.result and stream.result.response.finish_reason)
    return how, stream.text_so_far


# %% The seven
async def main() -> None:
    for end, script in ENDS.items():
        agent = Agent(lesson_model(script, gap=0.02))
        try:
            text = await naive(agent)
        except ModelAPIError as error:
            text = f'{type(error).__name__}'
        how, kept = await right(agent)
        print(f'{end:11}naive: {text}\n{"":11}right: {how}, {len(kept)} characters')


if __name__ == '__main__':
    asyncio.run(main())
