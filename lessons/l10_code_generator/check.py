"""A program of three lines, eight characters of JSON every tenth of a second; what is no Python is rejected."""

from __future__ import annotations

import ast
import asyncio
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_ai import Agent, ModelRetry

from pydantic_ai_streaming.course import Exercise, NotYet, Screen
from pydantic_ai_streaming.testing import EndEarly, Script, ScriptedModel, ToolCall

OLD = 'print("old")\n'
CODE = 'def greet(name):\n    """Said to whoever comes."""\n    return f"Good evening, {name} ⛴"\n'
WRONG = CODE.replace('def greet(name):', 'def greet(name:')


def written(code: str) -> ToolCall:
    return ToolCall('final_result', {'explanation': 'It greets.', 'code': code}, pieces=8)


@dataclass
class Generated:
    """What a call of the function did."""

    screen: Screen
    program: Any = None
    error: Exception | None = None
    saved: str = ''  # at the end
    states: set[str] = field(default_factory=set[str])  # of the file, meanwhile
    beside: list[str] = field(default_factory=list[str])  # what else is in the folder
    reader: str = ''  # what somebody reads who had opened the file before


async def generate(exercise: Exercise, *script: Script) -> Generated:
    agent = Agent(ScriptedModel(*script, gap=0.1), output_type=exercise.get('Program'))

    @agent.output_validator
    def parses(program: Any) -> Any:
        try:
            ast.parse(program.code)
        except SyntaxError as error:
            raise ModelRetry(f'This is not Python: {error}') from error
        return program

    with tempfile.TemporaryDirectory() as name:
        folder, elsewhere = Path(name) / 'folder', Path(name) / 'elsewhere.py'
        folder.mkdir()
        file = folder / 'greet.py'
        file.write_text(OLD, 'utf-8')
        os.link(file, elsewhere)
        with Screen() as screen:
            generated = Generated(screen)
            task = asyncio.create_task(exercise.call('generate', agent, 'Greet!', file))
            while not (await asyncio.wait([task], timeout=0.05))[0]:
                generated.states.add(file.read_text('utf-8') if file.exists() else 'no file')
        if (error := task.exception()) is None:
            generated.program = task.result()
        elif isinstance(error, Exception):
            generated.error = error
        generated.saved = file.read_text('utf-8') if file.exists() else 'no file'
        generated.beside = [path.name for path in folder.iterdir() if path != file]
        generated.reader = elsewhere.read_text('utf-8')
    return generated


async def check_the_code_shows_while_it_is_written_and_is_saved(exercise: Exercise) -> None:
    done = await generate(exercise, [written(CODE)])
    if done.error:
        raise done.error
    assert done.screen.text.strip() == CODE.strip(), f'The code is {CODE!r}, and the screen shows {done.screen.text!r}.'
    first, last = done.screen.shown[0].at, done.screen.shown[-1].at
    assert last - first > 0.5, f'The code took 1.2 s to be written, and appeared within {last - first:.1f} s.'
    assert done.saved == CODE, f'The program is {CODE!r}, and the file has {done.saved!r}.'
    expected = exercise.get('Program')(explanation='It greets.', code=CODE)
    assert done.program == expected, f'The function was to give back {expected!r}, and gives back {done.program!r}.'


async def check_the_file_never_has_half_a_program(exercise: Exercise) -> None:
    done = await generate(exercise, [written(CODE)])
    if half := sorted(done.states - {OLD, CODE}):
        raise NotYet(
            f'While the program was written, the file had {len(half)} other states, such as {half[0]!r}. Whoever runs '
            'it then runs something that nobody has written. What is half belongs on the screen.'
        )


async def check_a_program_that_breaks_off_leaves_the_old_one(exercise: Exercise) -> None:
    whole = written(CODE).cut()
    done = await generate(exercise, *[[ToolCall('final_result', pieces=whole[:-3]), EndEarly()]] * 3)
    assert done.error, f'The provider hung up in the middle of the code, and you give back {done.program!r}.'
    assert done.saved == OLD, f'The provider hung up in the middle, and the file has {done.saved!r}: not the old one.'
    assert not done.beside, f'The provider hung up in the middle, and {done.beside} is left beside the file.'


async def check_a_program_that_is_rejected_is_written_again(exercise: Exercise) -> None:
    done = await generate(exercise, [written(WRONG)], [written(CODE)])
    if done.error:
        raise NotYet(
            f'The first program lacks a parenthesis. The model would have mended it when asked again, but you gave up: '
            f'{type(done.error).__name__}. Who asks again is the run, if it is followed to its end.'
        )
    assert done.saved == CODE, f'The second program was right, and the file has {done.saved!r}.'
    shown = done.screen.text
    assert CODE.strip() in shown, f'The second program was right, and the screen shows {shown!r}: the two are mixed up.'
    between = shown.partition(CODE.strip())[0].replace(WRONG.strip(), '', 1)
    assert between.strip(), 'The screen shows both programs, and nothing says that the first one does not count.'
    assert between.endswith('\n'), 'The second program begins in the middle of a line.'


async def check_it_is_saved_in_one_step(exercise: Exercise) -> None:
    done = await generate(exercise, [written(CODE)])
    assert done.reader == OLD, (
        'Somebody who had the old file open when you saved reads the new text in it: it was emptied and written again, '
        'and a crash between the two leaves neither. Write another file beside it, and os.replace() the old one by it.'
    )
    assert not done.beside, f'It is saved, and {done.beside} is left beside it.'
