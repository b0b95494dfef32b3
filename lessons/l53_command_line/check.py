"""A program whose stdout is a file or a pipe, and that meets what programs meet: Ctrl-C, a cut, a reader gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError

from pydantic_ai_streaming.course import Exercise, NotYet, Outputs
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Step

WORDS = ['one ', 'two ', 'three ', 'four ', 'five ', 'six ', 'seven ', 'eight ', 'nine ', 'ten']
ANSWER = ''.join(WORDS)


class Called:
    """The program, called from a shell."""

    def __init__(
        self, script: Sequence[Step | str] = WORDS, *, terminal: bool = False, reads: int | None = None
    ) -> None:
        self.model = ScriptedModel(script, gap=0.1)
        self.outputs = Outputs(terminal=terminal, reads=reads)
        self.took = 0.0
        self.code: object = None

    async def run(self, exercise: Exercise, *, interrupt: float | None = None) -> Called:
        """Run it to its end."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        with self.outputs:
            task = asyncio.create_task(self._program(exercise))
            if interrupt is not None:
                loop.call_later(interrupt, task.cancel)
            await asyncio.wait([task])
        self.took = loop.time() - began
        if task.cancelled():
            raise NotYet(
                'Ctrl-C left your function as a CancelledError. asyncio.run makes a KeyboardInterrupt of that, and '
                'Python a traceback. The code is 130.'
            )
        if isinstance(error := task.exception(), BrokenPipeError):
            raise NotYet('Whoever read stdout went away, as `head` does, and a BrokenPipeError left your function.')
        if error is not None:
            raise NotYet(f'A {type(error).__name__} left your function, and Python made a traceback of it: {error}')
        self.code = task.result()
        return self

    async def _program(self, exercise: Exercise) -> object:
        try:
            return await exercise.call('ask', Agent(self.model), 'Count!')
        except SystemExit as error:  # in a task, it would end the loop
            return error.code

    @property
    def out(self) -> str:
        """What left by stdout."""
        return self.outputs.out.text

    @property
    def err(self) -> str:
        """What left by stderr."""
        return self.outputs.err.text


async def check_the_file_has_the_answer_and_nothing_else(exercise: Exercise) -> None:
    called = await Called().run(exercise)
    escapes = called.out.count('\x1b')
    assert not escapes, f'stdout is a file, and there are {escapes} escape sequences in it: {called.out!r}.'
    assert called.out.strip() == ANSWER, (
        f'The answer is {ANSWER!r}, and the file has {called.out!r}. What is said to people goes to stderr.'
    )
    assert called.out.endswith('\n'), 'The last line of the file has no end: print a newline after the answer.'
    assert '\x1b' not in called.err, f'stderr is no terminal here either, and has escape sequences: {called.err!r}.'


async def check_a_whole_answer_is_a_success(exercise: Exercise) -> None:
    called = await Called().run(exercise)
    assert called.code == 0, f'The answer was whole, and the exit code is {called.code!r}.'


async def check_a_pipe_gets_each_piece_as_it_comes(exercise: Exercise) -> None:
    called = await Called().run(exercise)
    first = called.outputs.out.shown[0].at
    assert first < 0.15, (
        f'The first word came after 0.1 s, and left the program after {first:.1f} s. Python gathers 8 KB for a pipe, '
        'unless you flush.'
    )


async def check_a_cut_is_no_success(exercise: Exercise) -> None:
    called = await Called([*WORDS[:3], EndEarly()]).run(exercise)
    assert called.code == 1, (
        f'The provider hung up after three words, and the exit code is {called.code!r}. `answer > file && use file` '
        'goes on with a third of an answer.'
    )
    assert called.out.strip() == 'one two three', f'Three words came, and the file has {called.out!r}.'
    assert called.err.strip(), 'The answer was cut off, and stderr does not say so.'


async def check_a_failure_is_told_on_stderr(exercise: Exercise) -> None:
    error = ModelConnectionError('scripted', 'The connection was reset')
    called = await Called([*WORDS[:3], Fail(error)]).run(exercise)
    assert called.code == 1, f'The connection broke, and the exit code is {called.code!r}.'
    assert 'The connection was reset' in called.err, f'Why it broke is not on stderr, which has {called.err!r}.'
    assert called.out.strip() == 'one two three', f'Three words came, and the file has {called.out!r}.'


async def check_ctrl_c_stops_it_at_once(exercise: Exercise) -> None:
    called = await Called().run(exercise, interrupt=0.35)
    assert called.code == 130, f'After Ctrl-C the exit code is {called.code!r}. Shells and scripts know 130.'
    assert called.took < 0.5, f'Ctrl-C was pressed at 0.35 s, and the program ended at {called.took:.1f} s.'
    assert called.out.strip() == 'one two three', f'Three words came before Ctrl-C, and the file has {called.out!r}.'


async def check_a_reader_that_goes_away_ends_it(exercise: Exercise) -> None:
    called = await Called(reads=8).run(exercise)
    assert called.code == 1, f'Whoever read went away after two words, and the exit code is {called.code!r}.'
    written = called.model.requests[0].pieces
    assert written <= 5, f'Whoever read went away after two words, and the model wrote {written}.'


async def check_people_see_it_grow_on_a_terminal(exercise: Exercise) -> None:
    called = await Called(terminal=True).run(exercise)
    assert ANSWER in called.out, f'The answer is {ANSWER!r}, and the terminal shows {called.out!r}.'
    assert len(called.outputs.out.shown) >= len(WORDS), 'On a terminal, the words do not appear one by one.'
