"""A chat in a terminal that remembers: tools, a picture of what each turn did, and a history in a SQLite file.

    python examples/terminal_chat.py                             # a scripted model, called scripted
    python examples/terminal_chat.py --model openai:gpt-5-mini   # any model of pydantic-ai
    python examples/terminal_chat.py --id boats                  # a conversation, opened again or new
    python examples/terminal_chat.py --list                      # those that there are

Ctrl-C while it answers stops the answer: what came is kept, and the next question goes on from there. Close the
window, pull the plug: the conversation opens again with what had come. `/help` says what else can be typed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator

from pydantic_ai import Agent, AgentRunError, UserError

from pydantic_ai_streaming import Chat, Deadlines, RunStream, StreamingError, Turn
from pydantic_ai_streaming.display import print_stream
from pydantic_ai_streaming.stores import SQLiteConversationStore
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall, reply

DEADLINES = Deadlines(first=60, idle=60, total=300)
HELP = """\
/again          ask the last question again
/edit QUESTION  ask something else in its place
/history        the conversation so far
/quit           leave (as the end of input does); anything else is a question"""

ANSWERS = (
    'High water is at 12:04, so **sail before noon** and be back by four. The wind turns to the west at three.\n',
    'With a deeper keel, wait for the last hour of the flood: 11:00 to 12:00. Then the bar has two metres.\n',
    'A scripted model has only so many answers. This one comes round again.\n',
)


def scripted(gap: float = 0.04) -> ScriptedModel:
    """Asks for tide and wind at once, and answers in pieces as a provider sends them; the question does not matter."""
    ask = ['Let me look. ', ToolCall('tide', {'port': 'Farland'}, pieces=6), ToolCall('wind', {'hours': 6}, pieces=6)]
    turns = (script for n, text in enumerate(ANSWERS) for script in (ask, reply(text, cut='tokens', seed=n)))
    return ScriptedModel(*turns, gap=gap, loop=True)


def make_agent(model: str | None) -> Agent[None, str]:
    agent = Agent(model or scripted(), instructions='You answer sailors, briefly. Ask for tide and wind.')

    @agent.tool_plain
    async def tide(port: str) -> str:
        """When it is high water at a port."""
        await asyncio.sleep(0.6)
        return f'high water at {port}: 12:04'

    @agent.tool_plain
    async def wind(hours: int) -> str:
        """The wind of the next hours."""
        await asyncio.sleep(0.3)
        return f'for {hours} hours: south-west 4, later west 5'

    return agent


async def answer(turn: Turn[str]) -> None:
    """Print one turn, and what happened in it. The chat keeps it, however it ends."""
    stream: RunStream[str] | None = None
    try:
        async with turn as stream:
            await print_stream(stream, stats=True)
    finally:
        if stream is not None and stream.timeline.calls:
            print(stream.timeline.text(72))


def show(chat: Chat[None, str]) -> None:
    """The conversation so far."""
    for exchange in chat.exchanges:
        print(f'> {exchange.prompt}')
        print(exchange.text.strip() + (' … (interrupted)' if exchange.interrupted else ''))
    if chat.recovered:
        print('· the last answer was not saved: its program has ended, or still gives it. This is what had come of it.')


def turn_for(chat: Chat[None, str], line: str) -> Turn[str] | None:
    """What a line asks for, if it asks the model for something."""
    command, _, rest = line.partition(' ')
    if command == '/again':
        return chat.regenerate()
    if command == '/edit' and rest:
        return chat.edit(rest)
    if command == '/history':
        show(chat)
    elif line.startswith('/'):
        print(HELP)
    elif line:
        return chat.send(line)
    return None


def questions() -> Iterator[str]:
    """Lines that somebody types, or that come through a pipe."""
    is_typed = sys.stdin.isatty()
    while True:
        try:
            line = input('> ' if is_typed else '').strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if line == '/quit':
            return
        if not is_typed:
            print(f'> {line}', flush=True)
        yield line


def talk(runner: asyncio.Runner, chat: Chat[None, str]) -> None:
    for line in questions():
        turn = turn_for(chat, line)
        if turn is None:
            continue
        try:
            runner.run(answer(turn))
        except KeyboardInterrupt:
            print('· stopped; what came is kept')
        except (StreamingError, AgentRunError, UserError) as error:
            print(f'{type(error).__name__}: {error}', file=sys.stderr)


async def list_conversations(store: SQLiteConversationStore) -> None:
    for record in await store.list_conversations(limit=20):
        print(f'{record.updated_at:%Y-%m-%d %H:%M}  {record.usage.requests:3} requests  {record.conversation_id}')


def main() -> None:
    parser = argparse.ArgumentParser(description='A chat that remembers.')
    parser.add_argument('--model', help='a model of pydantic-ai, such as openai:gpt-5-mini; scripted by default')
    parser.add_argument('--file', default='chats.db', help='where the conversations are kept (default: %(default)s)')
    parser.add_argument('--id', default='sailing', help='which conversation (default: %(default)s)')
    parser.add_argument('--list', action='store_true', help='list the conversations, the newest first')
    arguments = parser.parse_args()
    # pydantic-ai greets whoever runs an agent from a source tree, which would fall into the answers.
    os.environ.setdefault('PYDANTIC_AI_NO_BANNER', '1')
    store = SQLiteConversationStore(arguments.file)
    with asyncio.Runner() as runner:
        try:
            if arguments.list:
                runner.run(list_conversations(store))
                return
            chat = Chat(make_agent(arguments.model), store, arguments.id, deadlines=DEADLINES)
            runner.run(chat.load())
            print(f'model: {arguments.model or "scripted"} · conversation: {arguments.id} · /help')
            show(chat)
            talk(runner, chat)
        except (StreamingError, UserError, ImportError) as error:
            raise SystemExit(f'{type(error).__name__}: {error}') from None
        finally:
            runner.run(store.close())


if __name__ == '__main__':
    main()
