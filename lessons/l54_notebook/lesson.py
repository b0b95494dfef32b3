"""In a cell of a notebook, an event loop runs already. What can be called there, and who stands still meanwhile?"""

from __future__ import annotations

import asyncio
import contextlib
import io

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream, run_stream_sync
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.display import show
from pydantic_ai_streaming.testing import reply

QUESTION = 'What is a lighthouse for? In three sentences.'
ANSWER = 'By night, it says **where** the rocks are. By day, it says so too. The rocks say nothing.'
PIECES = reply(ANSWER, cut='tokens', seed=1)


def new_agent() -> Agent:
    # One for each way: the connections of a model's client belong to one event loop.
    return Agent(lesson_model(PIECES, gap=0.02))


# %% Without await: pydantic-ai's own call, in a loop that runs
async def naive() -> str:
    try:
        result = new_agent().run_stream_sync(QUESTION)
        return ''.join(result.stream_text(delta=True))
    except RuntimeError:
        return 'RuntimeError, before the first word'


# %% Without await: a stream in a thread of its own
async def without() -> str:
    with run_stream_sync(new_agent().run_stream_events(QUESTION)) as stream:
        for _ in stream.text():
            pass
    return f'{stream.finish}, {len(stream.output)} characters'


# %% With await, as a cell can
async def right() -> str:
    async with RunStream(new_agent().run_stream_events(QUESTION)) as stream:
        async for _ in stream.text():
            pass
    return f'{stream.finish}, {len(stream.output)} characters'


# %% What one shows in a cell, as it is often written: cleared and written anew for each piece
async def rewritten() -> str:
    so_far, outputs, characters = '', 0, 0
    async with RunStream(new_agent().run_stream_events(QUESTION)) as stream:
        async for piece in stream.text():
            so_far += piece  # clear_output(wait=True); display(Markdown(so_far))
            outputs, characters = outputs + 1, characters + len(so_far)
    return f'{outputs} outputs, {characters} characters sent for {len(so_far)}'


# %% In one output of the cell, which grows in its place. (A script prints the text: here, that is left out.)
async def shown() -> str:
    async with RunStream(new_agent().run_stream_events(QUESTION)) as stream:
        with contextlib.redirect_stdout(io.StringIO()):
            await show(stream)
    return f'{stream.finish}, {len(stream.output)} characters'


# %% What came of each, and whether another task of the notebook, which wants a turn every 20 ms, got any meanwhile
async def main() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.02)
            turns += 1

    task = asyncio.create_task(other())
    print(f'naive     {await naive()}')
    for way in (without, right, rewritten, shown):
        before, said = turns, await way()
        print(f'{way.__name__:9} {said}; others {"went on" if turns - before > 5 else "stood still"}')
    task.cancel()


if __name__ == '__main__':
    asyncio.run(main())
