"""Watch a run in a terminal: paced text, a tool, deadlines, and a history that goes on after an interruption.

    python examples/watch_a_run.py                             # a scripted model, called scripted
    python examples/watch_a_run.py --model openai:gpt-5-mini   # any model of pydantic-ai

Ctrl-C in the middle: what came is kept, and the next question goes on from there.
"""

from __future__ import annotations

import argparse
import asyncio
import os

from pydantic_ai import Agent, AgentRunError, UserError
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import Deadlines, RunStream, StreamingError
from pydantic_ai_streaming.display import print_stream
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall, reply

DEADLINES = Deadlines(first=60, idle=60, total=300)
QUESTIONS = ('When can I sail from Farland?', 'And with a deeper keel?')

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


async def ask(agent: Agent[None, str], question: str, history: list[ModelMessage]) -> None:
    """Print the answer as it streams; the history is ready for the next question, whatever happens."""
    print(f'\n> {question}\n')
    stream = RunStream(agent.run_stream_events(question, message_history=history), deadlines=DEADLINES)
    try:
        async with stream:
            await print_stream(stream, stats=True)
    finally:
        history[:] = stream.messages


def main() -> None:
    parser = argparse.ArgumentParser(description='Watch a run in a terminal.')
    parser.add_argument('--model', help='a model of pydantic-ai, such as openai:gpt-5-mini; scripted by default')
    arguments = parser.parse_args()
    # pydantic-ai greets whoever runs an agent from a source tree, which would fall into the answer.
    os.environ.setdefault('PYDANTIC_AI_NO_BANNER', '1')
    history: list[ModelMessage] = []
    with asyncio.Runner() as runner:
        try:
            agent = make_agent(arguments.model)
            print(f'model: {arguments.model or "scripted"}', flush=True)
            for question in QUESTIONS:
                try:
                    runner.run(ask(agent, question, history))
                except KeyboardInterrupt:
                    print('stopped; what came is kept')
        except (StreamingError, AgentRunError, UserError, ImportError) as error:
            raise SystemExit(f'{type(error).__name__}: {error}') from None


if __name__ == '__main__':
    main()
