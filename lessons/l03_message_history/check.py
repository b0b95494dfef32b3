"""A turn that comes to its end, one that is stopped, one whose connection breaks; and the turn after each."""

from __future__ import annotations

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError
from pydantic_ai.messages import ModelMessage, ModelResponse, UserPromptPart

from pydantic_ai_streaming.course import Exercise, NotYet, Screen
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Step

REPLY = ['Mix ', 'flour ', 'and ', 'water.']


def said(messages: list[ModelMessage]) -> list[str]:
    """The questions and replies of a history, without what a library adds to close it."""
    texts: list[str] = []
    for message in messages:
        if isinstance(message, ModelResponse):
            texts += [message.text or '']
        else:
            texts += [str(part.content) for part in message.parts if isinstance(part, UserPromptPart)]
    return texts


async def asked_next(exercise: Exercise, first: list[Step | str], enough: int) -> list[str]:
    """What the model is told in the second turn."""
    model = ScriptedModel(first, ['Then wait.'], gap=0.1)
    agent = Agent(model)
    with Screen():
        try:
            history = await exercise.call('turn', agent, 'Bread?', [], enough)
        except ModelAPIError as error:
            raise NotYet(
                f'The connection broke after "{"".join(p for p in first if isinstance(p, str))}", and the error '
                f'({type(error).__name__}) left your function: the chat ends here, and nothing of it is kept.'
            ) from error
        if not isinstance(history, list):
            raise NotYet(f'The function was to return the history, and returns {history!r}.')
        await exercise.call('turn', agent, 'And then?', history, 1000)
    return said(model.requests[1].messages)


async def check_the_reply_is_printed_as_it_comes(exercise: Exercise) -> None:
    with Screen() as screen:
        await exercise.call('turn', Agent(ScriptedModel(REPLY, gap=0.1)), 'Bread?', [], 1000)
    assert ''.join(REPLY) in screen.text, f'The reply is {"".join(REPLY)!r}, and the screen shows {screen.text!r}.'
    assert len(screen.shown) >= len(REPLY), f'Four pieces came, and {len(screen.shown)} appeared.'


async def check_a_whole_reply_is_remembered(exercise: Exercise) -> None:
    told = await asked_next(exercise, [*REPLY], 1000)
    assert told == ['Bread?', 'Mix flour and water.', 'And then?'], f'In the second turn, the model is told {told}.'


async def check_a_reply_that_was_stopped_is_remembered_as_far_as_it_came(exercise: Exercise) -> None:
    told = await asked_next(exercise, [*REPLY], 8)
    assert any('Mix flour ' in text for text in told[1:-1]), (
        f'The reader saw "Mix flour " and asked on, and the model is told {told}. It does not know what it said.'
    )
    assert 'Bread?' in told, f'The first question is forgotten: in the second turn, the model is told {told}.'


async def check_a_reply_whose_connection_broke_is_remembered_too(exercise: Exercise) -> None:
    broken = Fail(ModelConnectionError('scripted', 'The connection was reset'))
    told = await asked_next(exercise, ['Mix ', 'flour ', broken], 1000)
    assert any('Mix flour ' in text for text in told[1:-1]), (
        f'"Mix flour " was printed before the connection broke, and in the next turn the model is told {told}.'
    )
