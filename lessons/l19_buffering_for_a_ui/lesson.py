"""A page that a text or a form is sent to. How often, how much, and does it show what has come?"""

from __future__ import annotations

import asyncio

from pydantic import BaseModel
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream, Smoothing
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import Text, ToolCall, reply

QUESTION = 'Plan two days on an island for me. Begin with "One moment, please."'


class Trip(BaseModel):
    plan: str
    nights: int


BEGIN, PLAN = 'One moment, please.', ' We sail at noon and sleep in the lighthouse, which has a stove and one bed.' * 2
SAID = [*reply(BEGIN, cut=4), Text(PLAN[:4], wait=0.4), *reply(PLAN[4:], cut=4)]
FORM = ToolCall('final_result', {'plan': BEGIN + PLAN, 'nights': 2}, pieces=4)
text = Agent(lesson_model(SAID, gap=0.01))
form = Agent(lesson_model(FORM, gap=0.01), output_type=Trip)
sent: list[tuple[float, str]] = []


def send(what: str) -> None:
    sent.append((asyncio.get_running_loop().time(), what))


# %% Text in batches of ten characters, as it is often written
async def naive_text() -> None:
    buffer = ''
    async with text.run_stream(QUESTION) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            buffer += piece
            if len(buffer) >= 10:
                send(buffer)
                buffer = ''
    send(buffer)


# %% So many updates a second at most
async def right_text() -> None:
    async with RunStream(text.run_stream_events(QUESTION)) as stream:
        async for piece in stream.text(smoothing=Smoothing(fps=15, max_lag=0)):
            send(piece)


# %% A form, sent whenever something of it has changed
async def naive_form() -> None:
    async with RunStream(form.run_stream_events(QUESTION)) as stream:
        async for partial in stream.partial_outputs():
            send(partial.value.model_dump_json())


# %% The newest there is, so many times a second
async def right_form() -> None:
    latest: list[Trip] = []
    async with RunStream(form.run_stream_events(QUESTION)) as stream:

        async def read() -> None:
            async for partial in stream.partial_outputs():
                latest[:] = [partial.value]

        reading = asyncio.create_task(read())
        while not reading.done():
            await asyncio.sleep(1 / 15)
            if latest:
                send(latest.pop().model_dump_json())
        await reading  # raises what the view has raised


# %% The four of them
async def main() -> None:
    for way in (naive_text, right_text, naive_form, right_form):
        sent.clear()
        began = asyncio.get_running_loop().time()
        await way()
        took, size = sent[-1][0] - began, sum(len(what) for _, what in sent)
        print(f'{way.__name__}  updates {len(sent) / took:.0f}/s, characters {size / took:.0f}/s')
        if 'text' in way.__name__:
            print('  in the pause:', repr(''.join(what for at, what in sent if at < began + 0.4)))


if __name__ == '__main__':
    asyncio.run(main())
