"""The server of the example: an agent behind `stream_router`, whose conversations are kept, and two pages for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field
from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model
from pydantic_ai.ui.vercel_ai import VercelAIAdapter

from pydantic_ai_streaming import Chat, Deadlines, without_notes
from pydantic_ai_streaming.capabilities import PartialOutputs, ShownEvent, ToolTimeline
from pydantic_ai_streaming.logs import MemoryLog, StreamLog
from pydantic_ai_streaming.serve import AISDK, BROWSER_CLIENT, Asked, Frames, Source, StreamRunner, stream_router
from pydantic_ai_streaming.stores import SQLiteConversationStore
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall, reply

FOLDER = Path(__file__).parent
BUILT = FOLDER / 'page' / 'dist'
DEADLINES = Deadlines(first=60, idle=60, total=300)

STORY = (
    'Farland has two harbours, and the boat calls at the old one first. Get off there: the road to the lighthouse '
    'begins behind the fish hall, it is flat, and bicycles are for rent next to it. Bring a coat, since the wind comes '
    'without a warning. I look up the boats before I promise anything.'
)
TRIP = {
    'title': 'A day in Farland',
    'boat': '13:15',
    'price': 42.5,
    'stops': ['the old harbour', 'the fish hall', 'the lighthouse', 'the beach behind it'],
    'advice': 'Buy the ticket on the pier, and sit on the left side when the wind comes from the west.',
}


class Trip(BaseModel):
    """What the agent answers with."""

    title: str
    boat: str = Field(description='when the boat leaves')
    price: float = Field(gt=0)
    stops: list[str]
    advice: str


@dataclass(kw_only=True)
class Looking(ShownEvent, name='looking'):
    """How far the timetable has been read: the page changes it in place, by its id."""

    page: int
    pages: int


@dataclass
class Counts:
    """What has happened on the server, for whoever wants to see that nothing happens twice."""

    runs: int = 0
    tool_runs: int = 0


def scripted(gap: float) -> ScriptedModel:
    """Says something, looks at the timetable, and answers with a trip; the same, however often it is asked."""
    first = reply(STORY, cut='tokens', seed=1)
    return ScriptedModel(
        [*first, ToolCall('timetable', {'to': 'Farland'}, pieces=4)],
        [ToolCall('final_result', TRIP, pieces=60)],
        gap=gap,
        loop=True,
    )


def make_agent(model: Model | str, counts: Counts, *, gap: float) -> Agent[Any, Trip]:
    """The agent, with what the page shows mounted."""
    agent = Agent(
        model,
        output_type=Trip,
        instructions='You plan day trips. Say what you know of the place, look at the timetable, then answer.',
        capabilities=[PartialOutputs(every=0.05), ToolTimeline()],
    )

    @agent.tool
    async def timetable(ctx: RunContext[Any], to: str) -> str:
        """When boats leave for a place."""
        counts.tool_runs += 1
        for page in range(1, 4):
            await asyncio.sleep(5 * gap)
            await ctx.emit(Looking(id=f'looking-{ctx.tool_call_id}', page=page, pages=3))
        return f'Boats to {to} at 09:30, 13:15 and 17:40; the last one takes no bicycles.'

    return agent


def make_app(
    model: Model | str | None = None,
    *,
    log: StreamLog | None = None,
    chats: str | Path = ':memory:',
    gap: float = 0.04,
) -> FastAPI:
    """The application.

    Args:
        model: A model of pydantic-ai; scripted by default.
        log: Where runs are written; in memory by default.
        chats: The file of the conversations.
        gap: Seconds between two pieces of the scripted model.
    """
    counts = Counts()
    agent = make_agent(model or scripted(gap), counts, gap=gap)
    store = SQLiteConversationStore(chats)
    runner = StreamRunner(log or MemoryLog(), formats=[Frames(), AISDK(version=7)], grace=0)

    def start(asked: Asked) -> Source:
        counts.runs += 1
        return Chat(agent, store, asked.chat_id, deadlines=DEADLINES).send(asked.prompt)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with store, runner:
            yield

    app = FastAPI(title='A chat that a browser can lose', lifespan=lifespan)

    @app.get('/chats/{chat_id}')
    async def messages(chat_id: str) -> list[dict[str, Any]]:
        """What has been said in a chat, the question included that is being answered."""
        return dumped(chat_id, await said(store, chat_id))

    @app.get('/counts')
    async def counted() -> Counts:
        return counts

    @app.get('/plain')
    async def plain() -> FileResponse:
        return FileResponse(FOLDER / 'plain' / 'index.html')

    @app.get('/stream_client.js')
    async def client() -> FileResponse:
        return FileResponse(BROWSER_CLIENT, media_type='text/javascript')

    app.mount('/runs', stream_router(runner, agent, start=start, keep_alive=5))
    app.mount('/plain', StaticFiles(directory=FOLDER / 'plain'))
    if BUILT.is_dir():
        app.mount('/', StaticFiles(directory=BUILT, html=True))
    return app


async def said(store: SQLiteConversationStore, chat_id: str) -> list[ModelMessage]:
    """The messages of a chat. Of a turn that goes on, it is the question: the answer comes as a stream."""
    conversation = await store.load(chat_id)
    messages = list(conversation.messages) if conversation else []
    turn = await store.read_turn(chat_id)
    if turn is not None and turn.revision == (conversation.revision if conversation else None):
        messages += turn.messages[:1] if turn.left_in else turn.messages
    return without_notes(messages)


def dumped(chat_id: str, messages: list[ModelMessage]) -> list[dict[str, Any]]:
    """Messages as the AI SDK has them, with ids that are the same each time.

    All that the model says in a turn is one message, as it is when it comes as a stream.
    """
    name: Callable[[Any, str, int], str] = lambda _, role, number: f'{chat_id}-{number}-{role}'  # noqa: E731
    found: list[dict[str, Any]] = []
    for one in VercelAIAdapter.dump_messages(messages, generate_message_id=name, sdk_version=7):
        message = one.model_dump(mode='json', by_alias=True, exclude_none=True)
        if found and found[-1]['role'] == message['role'] == 'assistant':
            found[-1]['parts'] += [{'type': 'step-start'}, *message['parts']]
        else:
            found.append(message)
    return found
