"""Have a program written: show its code as it comes, save it when it is right, and give it back.

At every instant, `file` is to hold the old program or the whole new one, also for somebody who reads it while it is
saved. What was not whole or was not accepted leaves it as it was, with nothing beside it, and is raised. If an attempt
is rejected, a line of your own comes between its code and that of the next one.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel
from pydantic_ai import Agent


class Program(BaseModel):
    explanation: str
    code: str


async def generate(agent: Agent[None, Program], question: str, file: Path) -> Program:
    # TODO: the file has every state of the code, and a program that is rejected is the end.
    shown = ''
    async with agent.run_stream(question) as result:
        async for program in result.stream_output(debounce_by=None):
            print(program.code[len(shown) :], end='', flush=True)
            shown = program.code
            file.write_text(program.code, 'utf-8')
        return await result.get_output()
