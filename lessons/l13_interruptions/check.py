"""A reply of ten words, a word every tenth of a second, interrupted after 0.35 s: three words are on the screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, UserPromptPart

from pydantic_ai_streaming.course import Exercise, Screen
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Step

WORDS = ['one ', 'two ', 'three ', 'four ', 'five ', 'six ', 'seven ', 'eight ', 'nine ', 'ten']
Interrupt = Callable[[asyncio.Event, 'asyncio.Task[None]'], object]


class Turn:
    """A turn that was interrupted, and what is left of it."""

    def __init__(self, *script: Step | str) -> None:
        self.model = ScriptedModel([*script], ['Where was I?'], gap=0.1)
        self.agent = Agent(self.model)
        self.history: list[ModelMessage] = []
        self.took = 0.0

    async def play(
        self, exercise: Exercise, interrupt: Interrupt | None = None, prompt: str = 'Count!'
    ) -> asyncio.Task[None]:
        """Have the turn played, and interrupted."""
        loop = asyncio.get_running_loop()
        began, stop = loop.time(), asyncio.Event()
        with Screen() as self.screen:
            task = asyncio.create_task(exercise.call('turn', self.agent, prompt, self.history, stop))
            if interrupt:
                loop.call_later(0.35, interrupt, stop, task)
            await asyncio.wait([task])
        self.took = loop.time() - began
        return task

    @property
    def replies(self) -> list[str]:
        """What the history has of the model."""
        return [message.text or '' for message in self.history if isinstance(message, ModelResponse)]

    @property
    def prompts(self) -> list[str]:
        """What the history has of the user."""
        parts = [part for message in self.history if isinstance(message, ModelRequest) for part in message.parts]
        return [str(part.content) for part in parts if isinstance(part, UserPromptPart)]


def failure(task: asyncio.Task[None]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


async def check_a_whole_reply_is_printed_and_remembered(exercise: Exercise) -> None:
    turn = Turn(*WORDS)
    task = await turn.play(exercise)
    if error := failure(task):
        raise error
    assert turn.screen.text == ''.join(WORDS), (
        f'Nobody interrupted the reply, and the screen shows {turn.screen.text!r}.'
    )
    assert turn.history, (
        "The whole reply came, and the history has nothing: the caller's list is to be filled (`history[:] = ...`); "
        '`history = ...` only binds a name.'
    )
    assert turn.replies == [''.join(WORDS)], f'The whole reply came, and the history has {turn.replies}.'


async def check_a_second_turn_repeats_nothing_of_the_first(exercise: Exercise) -> None:
    turn = Turn(*WORDS)
    for prompt in ('Count!', 'Go on.'):
        if error := failure(await turn.play(exercise, prompt=prompt)):
            raise error
    prompts, replies = ['Count!', 'Go on.'], [''.join(WORDS), 'Where was I?']
    assert (turn.prompts, turn.replies) == (prompts, replies), (
        f'After two turns, the history is to have the prompts {prompts} and the replies {replies}, each once. It has '
        f'{turn.prompts} and {turn.replies}. `stream.messages` begins with those that the run was given; '
        '`stream.new_messages` has those that it added.'
    )


async def check_stop_stops_the_model(exercise: Exercise) -> None:
    turn = Turn(*WORDS)
    await turn.play(exercise, lambda stop, _: stop.set())
    assert turn.took < 0.5, (
        f'Stop was pressed after 0.35 s, and the function returned after {turn.took:.1f} s: something in it reads the '
        'reply to its end. Leave the loop, then the context, and wait for no output.'
    )
    written = turn.model.requests[0].pieces
    assert written <= 5, f'Stop was pressed after three words, and the model wrote {written}.'
    assert ''.join(turn.replies).startswith('one two three '), (
        f'"one two three " was on the screen when stop was pressed, and the history has {turn.replies}.'
    )
    assert turn.screen.text == 'one two three ', (
        f'Stop was pressed at "three ", and the screen shows {turn.screen.text!r}. '
        'A loop sees the event when the next piece is there: look before you print that.'
    )


async def check_what_was_printed_before_ctrl_c_is_remembered(exercise: Exercise) -> None:
    turn = Turn(*WORDS)
    await turn.play(exercise, lambda _, task: task.cancel())
    assert turn.replies == ['one two three '], (
        f'"one two three " was on the screen when the task was cancelled, and the history has {turn.replies}. '
        'A cancellation skips what stands after the loop: what is to happen on every way out belongs into a `finally`.'
    )


async def check_a_cancelled_turn_is_cancelled(exercise: Exercise) -> None:
    turn = Turn(*WORDS)
    task = await turn.play(exercise, lambda _, task: task.cancel())
    assert task.cancelled(), (
        'The task was cancelled, and your function returned as if nothing had been. Who cancels waits for a '
        'CancelledError: asyncio.run to exit at Ctrl-C, asyncio.timeout to tell that time is over.'
    )
    assert turn.took < 0.5, f'It was cancelled after 0.35 s, and took {turn.took:.1f} s.'


async def check_a_failure_is_told_and_what_came_before_it_is_kept(exercise: Exercise) -> None:
    turn = Turn('one ', 'two ', Fail(ModelConnectionError('scripted', 'The connection was reset')))
    task = await turn.play(exercise)
    assert isinstance(failure(task), ModelConnectionError), (
        f'The connection broke, and the caller gets {failure(task)!r}. A printed message is no exception.'
    )
    assert turn.replies == ['one two '], (
        f'"one two " had come when the connection broke; the history has {turn.replies}.'
    )


async def check_the_next_run_goes_on(exercise: Exercise) -> None:
    turn = Turn(*WORDS)
    await turn.play(exercise, lambda _, task: task.cancel())
    await turn.agent.run('Go on.', message_history=turn.history)
    told = [message.text for message in turn.model.requests[1].messages if isinstance(message, ModelResponse)]
    assert told == ['one two three '], f'The next run is to know of "one two three ", and the model is told {told}.'
