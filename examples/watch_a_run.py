"""Watch a run in a terminal: paced text, a tool, deadlines, and a history that goes on after an interruption.

    python examples/watch_a_run.py                     # a scripted model, called scripted
    python examples/watch_a_run.py openai:gpt-5-mini   # any model of pydantic-ai

Ctrl-C in the middle: what came is kept, and the next question goes on from there.
"""

from __future__ import annotations

import asyncio
import os
import sys

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import Deadlines, RunStream, StreamingError
from pydantic_ai_streaming.display import print_stream
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall, reply

DEADLINES = Deadlines(first=60, idle=60, total=300)

SCRIPT = ScriptedModel(
    ['Let me ask the tide table. ', ToolCall('tide', {'port': 'Farland'}, pieces=4)],
    reply('High water is at 12:04, so **sail before noon** and be back by four.\n', cut='tokens', seed=1),
    reply('With a deeper keel, wait for the last hour of the flood: 11:00 to 12:00.\n', cut='tokens', seed=2),
    gap=0.05,
)


def make_agent(model: str | None) -> Agent[None, str]:
    agent = Agent(model or SCRIPT, instructions='You answer sailors, briefly. Ask the tide table.')

    @agent.tool_plain
    async def tide(port: str) -> str:
        """When it is high water at a port."""
        await asyncio.sleep(0.5)
        return f'high water at {port}: 12:04'

    return agent


async def ask(agent: Agent[None, str], question: str, history: list[ModelMessage]) -> list[ModelMessage]:
    """Print the answer as it streams, and return a history for the next question, whatever happens."""
    print(f'\n> {question}\n')
    async with RunStream(agent.run_stream_events(question, message_history=history), deadlines=DEADLINES) as stream:
        try:
            await print_stream(stream, stats=True)
        except StreamingError as error:
            print(error)
    return stream.messages


async def main(model: str | None) -> None:
    agent = make_agent(model)
    print(f'model: {model or "scripted"}')
    history = await ask(agent, 'When can I sail from Farland?', [])
    await ask(agent, 'And with a deeper keel?', history)


if __name__ == '__main__':
    # pydantic-ai greets whoever runs an agent from a source tree, which would fall into the answer.
    os.environ.setdefault('PYDANTIC_AI_NO_BANNER', '1')
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
