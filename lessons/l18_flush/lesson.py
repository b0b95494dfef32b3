"""Three ways to print an answer with a status line before it, on a terminal and into a pipe. What arrives, and when?"""

from __future__ import annotations

import asyncio
from typing import TextIO

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import Pipe, Terminal, lesson_model
from pydantic_ai_streaming.display import print_stream
from pydantic_ai_streaming.testing import ToolCall, reply

QUESTION = 'When does the next boat leave from 東京 for 大島? Use your tool, and answer in one sentence.'
ANSWER = reply('The next boat leaves at 22:00 and takes the whole night.', cut='words')
STATUS = '… 東京 から 大島'
agent = Agent(lesson_model(ToolCall('boats', {'to': '大島'}), ANSWER, gap=0.03))


@agent.tool_plain
async def boats(to: str) -> str:
    await asyncio.sleep(0.1)
    return '22:00'


# %% As it is often written: as many steps back as the status has characters
async def naive(file: TextIO) -> None:
    print(STATUS, end='', file=file)
    shown = False
    async with agent.run_stream(QUESTION) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            if not shown:
                print('\b \b' * len(STATUS), end='', file=file)
                shown = True
            print(piece, end='', file=file)
    print(file=file)


# %% By hand: flushed, and the row erased by the terminal, if it is one
async def by_hand(file: TextIO) -> None:
    clear = '\r\x1b[K' if file.isatty() else ''
    if clear:
        print(STATUS, end='', flush=True, file=file)
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        async for piece in stream.text():
            print(clear + piece, end='', flush=True, file=file)
            clear = ''
    print(file=file, flush=True)


# %% With this library
async def right(file: TextIO) -> None:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        await print_stream(stream, smoothing=None, file=file)


# %% On a terminal, and into a pipe
async def main() -> None:
    for way in (naive, by_hand, right):
        terminal = Terminal()
        await way(terminal)
        pipe = Pipe()
        await way(pipe)
        pipe.flush()  # as at the end of a program
        control = sum(not character.isprintable() and character != '\n' for character in pipe.text)
        print(f'{way.__name__}, on a terminal:', *terminal.lines, sep='\n  ')
        first, times = pipe.arrived[0].at, len(pipe.arrived)
        print(f'  into a pipe: first after {first:.1f} s, in {times} writes, {control} control characters\n')


if __name__ == '__main__':
    asyncio.run(main())
