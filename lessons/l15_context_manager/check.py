"""An answer of eight pieces, of which the first three are a sentence, and readers who leave it in four ways."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent

from pydantic_ai_streaming.course import Exercise, NotYet
from pydantic_ai_streaming.testing import ScriptedModel

WORDS = ['The ', 'heron ', 'stands. Then ', 'it ', 'waits. ', 'Nobody ', 'comes ', 'by.']
SENTENCE = 'The heron stands.'


class Reader:
    """Somebody who is shown the pieces, and what was still going on at the end."""

    def __init__(self, *words: str, fails_at: str = 'nothing') -> None:
        self.model = ScriptedModel([*words], gap=0.1)
        self.saved: list[str] = []
        self.open_while_saving = self.open_after = False
        self.tasks_after = 0
        self.said: object = None
        self._fails_at = fails_at

    @property
    def is_open(self) -> bool:
        """Whether a connection to the model is open."""
        return any(request.closed is None for request in self.model.requests)

    def show(self, piece: str) -> None:
        """Look at a piece."""
        if self._fails_at in piece:
            raise BrokenPipeError('The window was closed.')

    async def save(self, sentence: str) -> None:
        """Take a second to save."""
        await asyncio.sleep(0)  # what was let go of a moment ago is gone now
        await asyncio.sleep(0)
        self.open_while_saving = self.is_open
        await asyncio.sleep(1)
        if self._fails_at == 'save':
            raise OSError('The disk is full.')
        self.saved.append(sentence)

    async def read(self, exercise: Exercise) -> BaseException | None:
        """Have the function called; what it raised, which a program may well keep for its log."""
        # What a garbage collector meets with is told by a check.
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        before = asyncio.all_tasks()
        called = exercise.call('first_sentence', Agent(self.model), 'A heron?', self.show, self.save)
        task = asyncio.create_task(called)
        await asyncio.wait([task])
        if task.cancelled():
            raise NotYet(
                'The sentence was there, and while it was saved, a CancelledError came up, though nobody had cancelled '
                'anything. Your loop has left a generator with an `async with` in it. The garbage collector closes '
                'that, in a task of its own, and the run, which was entered in yours, ends with what you do there now.'
            )
        raised = task.exception()
        if raised is not None and not isinstance(raised, OSError):
            raise raised
        self.said = None if raised else task.result()
        self.open_after = self.is_open
        left = asyncio.all_tasks() - before - {task}
        self.tasks_after = len(left)
        for other in left:
            other.cancel()
        if left:
            await asyncio.wait(left)
        return raised


async def check_the_first_sentence_is_saved_and_given_back(exercise: Exercise) -> None:
    for words, sentence in ((['It ', 'waits'], 'It waits'), (WORDS, SENTENCE)):
        reader = Reader(*words)
        await reader.read(exercise)
        assert reader.saved == [sentence], (
            f'The answer is {"".join(words)!r}. {sentence!r} was to be saved once, and there is {reader.saved}.'
        )
        assert reader.said == sentence, f'{sentence!r} was to be given back, and you return {reader.said!r}.'


async def check_the_connection_is_closed_before_the_sentence_is_saved(exercise: Exercise) -> None:
    reader = Reader(*WORDS)
    await reader.read(exercise)
    assert not reader.open_while_saving, (
        'The sentence was there after 0.3 s. While it was saved, for 1 s, the connection was open, and a model writes '
        'as long as it is. A `break` leaves the loop; only the end of an `async with` closes what is in it, and if '
        'that stands in a generator, somebody has to close the generator.'
    )


async def check_the_model_writes_no_more_than_it_has_to(exercise: Exercise) -> None:
    reader = Reader(*WORDS)
    await reader.read(exercise)
    written = reader.model.requests[0].pieces
    assert written <= 4, f'The first sentence is in three pieces, and the model wrote {written}.'


async def check_it_is_closed_when_showing_fails(exercise: Exercise) -> None:
    reader = Reader(*WORDS, fails_at='heron')
    raised = await reader.read(exercise)
    assert isinstance(raised, BrokenPipeError), f'`show` failed, and the caller gets {raised!r}.'
    assert not reader.open_after, (
        '`show` failed at the second piece. The caller has the exception by now, and the connection is open still. '
        'What stands after the loop is skipped then, and a generator that is named in a traceback is not even garbage.'
    )


async def check_it_is_closed_when_saving_fails(exercise: Exercise) -> None:
    reader = Reader(*WORDS, fails_at='save')
    raised = await reader.read(exercise)
    assert isinstance(raised, OSError), f'`save` failed, and the caller gets {raised!r}.'
    assert not reader.open_after, '`save` failed. The caller has the exception, and the connection is open still.'


async def check_nothing_goes_on_afterwards(exercise: Exercise) -> None:
    for fails_at in ('nothing', 'heron'):
        reader = Reader(*WORDS, fails_at=fails_at)
        await reader.read(exercise)
        assert reader.tasks_after == 0, (
            'Your function has returned, and a task that it began goes on. What is entered by hand has to be left by '
            'hand, on every way out; `async with` does both.'
        )
