"""Snapshots are for the screen, the output is for the file, and `os.replace` is one step."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


class Program(BaseModel):
    explanation: str
    code: str


async def generate(agent: Agent[None, Program], question: str, file: Path) -> Program:
    shown, attempt = '', 1
    async with RunStream(agent.run_stream_events(question)) as stream:
        async for partial in stream.partial_outputs():
            if partial.attempt != attempt:
                shown, attempt = '', partial.attempt
                print('\n# That was not right. Once more:')
            code = partial.value.code or ''
            print(code[len(shown) :], end='', flush=True)
            shown = code
        program = await stream.get_output()
    new = file.with_name(f'{file.name}.new')
    new.write_text(program.code, 'utf-8')
    os.replace(new, file)
    return program
