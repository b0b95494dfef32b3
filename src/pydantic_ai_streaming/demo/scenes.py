"""The scenes of the demo, each a run or two."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.usage import UsageLimits

from ..core.deadlines import Deadlines
from ..errors import StreamTimeout
from ..run.stream import RunStream
from .script import IDLE, TIMETABLE, TOOL_TAKES, bursty_reply, stalling_replies, tool_replies
from .stage import Stage

__all__ = ['live', 'scripted']

PAUSE = 1.0
"""Seconds between two scenes."""

LIVE_DEADLINES = Deadlines(first=60, idle=30, total=180)
LIVE_LIMITS = UsageLimits(request_limit=4, tool_calls_limit=4, output_tokens_limit=3000)
LIVE_PROMPT = (
    'Ask for the ferries to Farland on Saturday with the tool, after one sentence that says so. Then advise '
    'somebody with a bicycle in about 120 words of Markdown: a bold line, a short list, one emoji, '
    'one sentence in Japanese.'
)


async def scripted(stage: Stage) -> None:
    """Play the three scenes, and print the figures of their runs."""
    await paced_beside_raw(stage)
    await asyncio.sleep(PAUSE)
    await tool_at_work(stage)
    await asyncio.sleep(PAUSE)
    await stall_caught(stage)
    await asyncio.sleep(PAUSE / 2)
    stage.heading('print(stream.stats), for each run')
    stage.print_figures()


async def paced_beside_raw(stage: Stage) -> None:
    """Scene 1: one reply, as it arrives and paced."""
    stage.heading('1. One stream, two views: as it arrives, and paced')
    agent = Agent(bursty_reply(stage.smoothing, width=stage.compare_width))
    start = asyncio.get_running_loop().time()
    async with RunStream(agent.run_stream_events('Why does text stutter?')) as stream:
        await stage.compare(stream, start=start)
    stage.add_figures('1', stream)


async def tool_at_work(stage: Stage) -> None:
    """Scene 2: a tool that takes longer than the model may be silent."""
    stage.heading('2. A tool at work: seen, and not taken for a stall')
    stage.say(f'Deadlines(idle={IDLE.idle:g}): so long may the model be silent. The tool takes {TOOL_TAKES:g} s.')
    stage.say()
    agent = with_ferries(tool_replies(width=stage.width))
    async with RunStream(agent.run_stream_events('How do I get to Farland?'), deadlines=IDLE) as stream:
        await stage.show(stream)
    stage.add_figures('2', stream)


async def stall_caught(stage: Stage) -> None:
    """Scene 3: a provider that goes silent; what came is kept, and the next run goes on from it."""
    stage.heading('3. A stall, caught: what came is kept, and the next run goes on')
    stage.say('The provider stops in the middle of a sentence and keeps the connection open.')
    stage.say()
    agent = Agent(stalling_replies(width=stage.width))
    history: Sequence[ModelMessage] = ()
    async with RunStream(agent.run_stream_events('What keeps a stream alive?'), deadlines=IDLE) as stream:
        try:
            await stage.show(stream)
        except StreamTimeout as error:
            history = error.messages
            explain(stage, error)
    stage.add_figures('3, stalled', stream)
    run = agent.run_stream_events('Go on.', message_history=history)
    async with RunStream(run, deadlines=IDLE) as stream:
        await stage.show(stream)
    stage.add_figures('3, resumed', stream)


def explain(stage: Stage, error: StreamTimeout) -> None:
    """What a deadline leaves in the hands of the program."""
    stage.say()
    stage.say(f'StreamTimeout: {error}', 'red')
    stage.say(f'error.phase     {error.phase!r}\nerror.text      {_end_of(error.text)}')
    stage.say(f'error.messages  {", ".join(map(_named, error.messages))}')
    stage.say()
    stage.say("agent.run_stream_events('Go on.', message_history=error.messages)")
    stage.say()


async def live(stage: Stage, model: Model, prompt: str | None) -> None:
    """One run with a real model: a tool, deadlines, and limits on what it may use."""
    stage.heading(f'{model.model_name}: as it arrives, and paced')
    stage.say('Deadlines(first=60, idle=30, total=180), and at most 4 requests and 3,000 tokens of output.')
    stage.say()
    agent = with_ferries(model)
    run = agent.run_stream_events(prompt or LIVE_PROMPT, usage_limits=LIVE_LIMITS)
    start = asyncio.get_running_loop().time()
    async with RunStream(run, deadlines=LIVE_DEADLINES) as stream:
        await stage.compare(stream, start=start)
    stage.say()
    stage.say(f'print(stream.stats)  {stream.stats}')


def with_ferries(model: Model) -> Agent[None, str]:
    """An agent with a tool that takes its time."""
    agent = Agent(model)

    @agent.tool_plain
    async def ferries(to: str, day: str) -> str:
        """Look up the ferries to an island on a day."""
        await asyncio.sleep(TOOL_TAKES)
        return TIMETABLE

    return agent


def _end_of(text: str) -> str:
    return f'…{text[-24:]!r}, {len(text)} characters'


def _named(message: ModelMessage) -> str:
    if isinstance(message, ModelResponse):
        return f'response ({message.state})'
    return 'request (says so)' if message.metadata else 'request'
