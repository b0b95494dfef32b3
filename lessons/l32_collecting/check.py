"""Answers in one response and in two, that are whole, too long, cut off, or broken."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError
from pydantic_ai.messages import ModelRequest, ModelResponse

from pydantic_ai_streaming.course import Exercise
from pydantic_ai_streaming.testing import EndEarly, Fail, Finish, ScriptedModel, Step, ToolCall, Usage

LOOK: list[Step | str] = ['Let me ', 'look.', ToolCall('boats'), Usage(output_tokens=24)]
ANSWER: list[Step | str] = ['At ', 'noon.', Usage(output_tokens=12)]


async def collect(exercise: Exercise, *responses: list[Step | str]) -> Any:
    agent = Agent(ScriptedModel(*responses, gap=0.1))

    @agent.tool_plain
    def boats() -> str:
        """Knows of boats."""
        return '12:00'

    collected = await exercise.call('collect', agent, 'When does it sail?')
    missing = [name for name in ('answer', 'said', 'tokens', 'reason', 'history') if not hasattr(collected, name)]
    assert not missing, f'`collect` was to give back a Collected, and gives back {collected!r}.'
    return collected


def texts(collected: Any) -> str:
    return ' + '.join(message.text or '' for message in collected.history if isinstance(message, ModelResponse))


async def check_no_piece_is_missing(exercise: Exercise) -> None:
    collected = await collect(exercise, ANSWER)
    assert collected.said == 'At noon.', (
        f'The model said "At noon.", in two pieces, and you have {collected.said!r}. '
        'The first piece of a text comes with the event that begins it.'
    )
    assert collected.answer == 'At noon.', f'The answer is "At noon.", and you have {collected.answer!r}.'


async def check_what_is_said_before_a_tool_is_no_part_of_the_answer(exercise: Exercise) -> None:
    collected = await collect(exercise, LOOK, ANSWER)
    assert collected.answer == 'At noon.', (
        f'The model said "Let me look.", called a tool, and answered "At noon."; your answer is {collected.answer!r}. '
        'All that is said is not the output.'
    )
    for said in ('Let me look.', 'At noon.'):
        assert said in collected.said, f'It said {said!r} too, and you have {collected.said!r}.'


async def check_tokens_of_all_responses_count(exercise: Exercise) -> None:
    collected = await collect(exercise, LOOK, ANSWER)
    assert collected.tokens == 36, (
        f'The provider has told of 24 output tokens for the first response and 12 for the second, and you have '
        f'{collected.tokens}.'
    )


async def check_the_reason_and_the_history(exercise: Exercise) -> None:
    collected = await collect(exercise, LOOK, ['At ', Finish('length')])
    assert collected.reason == 'length', f'The last response was too long, and your reason is {collected.reason!r}.'
    for said in ('Let me look.', 'At '):
        assert said in texts(collected), f'The model said {said!r}, and your history has {texts(collected)!r}.'


async def check_a_broken_connection_takes_nothing_back(exercise: Exercise) -> None:
    broken: list[Step | str] = [*LOOK[:2], Fail(ModelConnectionError('scripted', 'reset'))]
    collected = await collect(exercise, broken)
    assert collected.answer is None, f'The connection broke, and your answer is {collected.answer!r}.'
    assert collected.said == 'Let me look.', f'"Let me look." had come when it broke, and you have {collected.said!r}.'
    assert collected.reason is None, f'No response came to its end, and your reason is {collected.reason!r}.'
    told = texts(collected)
    assert 'Let me look.' in told, f'"Let me look." had come when it broke, and your history has {told!r}.'


async def check_what_came_before_the_break_is_kept(exercise: Exercise) -> None:
    broken: list[Step | str] = ['At ', Fail(ModelConnectionError('scripted', 'reset'))]
    collected = await collect(exercise, LOOK, broken)
    assert collected.tokens == 24, (
        f'The first response was whole, of 24 output tokens, and the second broke; you have {collected.tokens}.'
    )
    for said in ('Let me look.', 'At '):
        assert said in texts(collected), (
            f'{said!r} had come when the connection broke, and your history has {texts(collected)!r}.'
        )
    parts = [part for message in collected.history if isinstance(message, ModelRequest) for part in message.parts]
    assert any(part.part_kind == 'tool-return' for part in parts), 'The tool had returned; your history has no return.'


async def check_half_an_answer_is_none(exercise: Exercise) -> None:
    collected = await collect(exercise, LOOK, ['At ', EndEarly()])
    assert collected.answer is None, (
        f'The provider hung up after "At ", without a finish reason, and your answer is {collected.answer!r}.'
    )
    assert collected.said.endswith('At '), f'"At " had come before it hung up, and you have {collected.said!r}.'
    assert collected.reason is None, f'There was no finish reason, and you have {collected.reason!r}.'
