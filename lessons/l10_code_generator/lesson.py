"""A program goes to a file as it is written. What is in there when the stream is cut off, or the program is wrong?"""

from __future__ import annotations

import ast
import asyncio
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.exceptions import AgentRunError

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import EndEarly, Script, ToolCall

QUESTION = 'A Python function that says whether a year is a leap year, and what it does in one sentence.'
OLD = 'def leap(year):\n    return year % 4 == 0\n'
CODE = 'def leap(year):\n    by_100 = year % 100 == 0\n    return year % (400 if by_100 else 4) == 0\n'

PROGRAM = {'explanation': 'A century is a leap year only every fourth time.', 'code': CODE}
whole = ToolCall('final_result', PROGRAM, pieces=8)
half = ToolCall('final_result', pieces=whole.cut()[:19])
wrong = ToolCall('final_result', {**PROGRAM, 'code': CODE.replace('else 4)', 'else 4')}, pieces=8)
SCRIPTS: dict[str, list[Script]] = {'whole': [whole], 'cut off': [[half, EndEarly()]], 'wrong': [wrong, whole]}
seen: list[str] = []  # what was asked whether it is Python


class Program(BaseModel):
    explanation: str
    code: str


def parses(program: Program) -> Program:
    seen.append(program.code)
    try:
        ast.parse(program.code)
    except SyntaxError as error:
        raise ModelRetry(f'This is not Python: {error}') from error
    return program


# %% As it is often written, once stream_text() is out of the way: each snapshot goes to the file
async def naive(agent: Agent[None, Program], file: Path) -> None:
    async with agent.run_stream(QUESTION) as result:
        async for program in result.stream_output(debounce_by=None):
            file.write_text(program.code)


# %% With this library: it shows while it is written, and is saved when it is right
async def right(agent: Agent[None, Program], file: Path) -> None:
    shown, attempt = '', 1
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        async for partial in stream.partial_outputs():
            if partial.attempt != attempt:
                shown, attempt = '', partial.attempt
                print('\n# no, once more:')
            code = partial.value.code or ''
            print(code[len(shown) :], end='', flush=True)
            shown = code
        program = await stream.get_output()
    new = file.with_suffix('.new')
    new.write_text(program.code)
    os.replace(new, file)


# %% A model that writes it well, one that is cut off, and one that forgets a parenthesis at first
async def main() -> None:
    for way in (naive, right):
        for case, script in SCRIPTS.items():
            agent = Agent(lesson_model(*script, gap=0.02), output_type=Program)
            agent.output_validator(parses)
            seen.clear()
            print(f'{way.__name__}, {case}:')
            with tempfile.TemporaryDirectory() as folder:
                (file := Path(folder) / 'leap.py').write_text(OLD)
                how = 'an error'
                with suppress(AgentRunError):
                    await way(agent, file)
                    how = 'no error'
                code = file.read_text()
            what = {OLD: 'the old program', CODE: 'the new program'}.get(code, repr(code[-12:]))
            print(f'\n-> {how}, parsed {len(seen)} times; the file has {what}\n')


if __name__ == '__main__':
    asyncio.run(main())
