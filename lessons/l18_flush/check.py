"""An answer in pieces, after a second of waiting: on a terminal of 80 cells, and into a pipe."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError

from pydantic_ai_streaming.course import Exercise, NotYet, Pipe, Terminal
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Text, reply

ENGLISH = 'When does the boat to Oshima leave, and from where?'
JAPANESE = '大島行きの船は何時にどこから出ますか。教えてください。'
ANSWER = 'At 22:00, from 竹芝 pier.'


def agent() -> Agent:
    first, *rest = reply(ANSWER, cut='words')
    return Agent(ScriptedModel([Text(first, wait=1), *rest], gap=0.1))


def broken(after: str = '') -> Agent:
    reset = Fail(ModelConnectionError('scripted', 'The connection was reset'), wait=1)
    return Agent(ScriptedModel([after, reset] if after else [reset], gap=0.1))


async def piped(exercise: Exercise, question: str, asked: Agent) -> Pipe:
    pipe = Pipe()
    with suppress(ModelConnectionError):
        await exercise.call('tell', asked, question, pipe)
    return pipe


async def seen(exercise: Exercise, question: str, asked: Agent) -> tuple[list[str], list[str]]:
    """What stands on a terminal after 0.5 s, and at the end."""
    terminal = Terminal()
    task = asyncio.create_task(exercise.call('tell', asked, question, terminal))
    await asyncio.sleep(0.5)
    early = terminal.lines
    with suppress(ModelConnectionError):
        await task
    terminal.flush()
    return early, terminal.lines


async def check_the_answer_is_printed(exercise: Exercise) -> None:
    pipe = await piped(exercise, ENGLISH, agent())
    pipe.flush()
    assert ANSWER in pipe.text, f'The answer is {ANSWER!r}, and what was printed is {pipe.text!r}.'


async def check_it_comes_out_of_a_pipe_as_it_is_written(exercise: Exercise) -> None:
    pipe = await piped(exercise, ENGLISH, agent())
    assert len(pipe.arrived) >= 4, (
        f'The answer came in {len(reply(ANSWER, cut="words"))} pieces, and arrived at the other end of the pipe in '
        f'{len(pipe.arrived)}, before your function was over. Into a pipe, not even the end of a line is a flush.'
    )
    assert pipe.text.endswith('\n'), f'A line end was to follow the answer, and {pipe.text!r} arrived.'


async def check_a_pipe_gets_the_answer_and_nothing_else(exercise: Exercise) -> None:
    pipe = await piped(exercise, ENGLISH, agent())
    assert pipe.text == ANSWER + '\n', (
        f'Into the pipe went {pipe.text!r}. Nobody erases in a file: a status and what takes it away are both there '
        'for ever. Ask the file whether it `isatty()`.'
    )


async def check_a_terminal_shows_the_question_while_one_waits(exercise: Exercise) -> None:
    for question in (ENGLISH, JAPANESE):
        early, _ = await seen(exercise, question, agent())
        assert early, 'After 0.5 s, the terminal is empty. It shows a line when that is complete, unless you flush.'
        assert question[:20] in early[0], f'After 0.5 s, the terminal was to show {question[:20]!r}; there is {early}.'
        assert question[:21] not in early[0], f'20 characters of the question are enough; there are {early}.'


async def check_nothing_is_left_of_the_question(exercise: Exercise) -> None:
    for question in (ENGLISH, JAPANESE):
        _, late = await seen(exercise, question, agent())
        if late != [ANSWER]:
            raise NotYet(
                f'{ANSWER!r} was to stand there, and nothing else. What one sees is {late}. '
                'How many cells has a character? A terminal can erase a row without counting any.'
            )


async def check_nothing_is_left_of_it_when_the_model_fails(exercise: Exercise) -> None:
    _, late = await seen(exercise, JAPANESE, broken())
    assert late == [], f'The connection broke before a word came, and {late} stands there still.'
    _, late = await seen(exercise, JAPANESE, broken(after='At 22'))
    assert late == ['At 22'], f'The connection broke after "At 22", and one sees {late}.'


async def check_an_error_is_for_the_caller(exercise: Exercise) -> None:
    for file in (Pipe(), Terminal()):
        try:
            await exercise.call('tell', broken(), ENGLISH, file)
        except ModelConnectionError:
            continue
        raise NotYet('The connection broke, and the caller does not learn of it.')
