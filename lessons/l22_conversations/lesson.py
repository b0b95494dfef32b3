"""A conversation goes on and on. What is a model sent of it, what is kept, and what if the process dies?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic_ai import Agent, RunContext
from pydantic_ai.capabilities import Hooks
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model, ModelRequestContext

from pydantic_ai_streaming import Chat
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.stores import SQLiteConversationStore
from pydantic_ai_streaming.testing import ScriptedModel, Stall, ToolCall

QUESTIONS = [f'What grows on island {number}? Look it up.' for number in range(1, 6)]
CALL, ANSWER = ToolCall('look_up', {'island': 'this one'}), ['Heather ', 'and thyme.']


async def look_up(island: str) -> str:
    """What is written about an island."""
    return f'On {island} there grow heather, thyme and sea holly. ' * 8


# %% As it is often written: all of it, or the last few messages, in a variable
async def by_hand(model: Model, last: int) -> int:
    agent, history = Agent(model, tools=[look_up]), list[ModelMessage]()
    for question in QUESTIONS:
        async with agent.run_stream(question, message_history=history[-last:]) as result:
            await result.get_output()
            history = result.all_messages()
    return len(history)


# %% Whole exchanges to the model, and everything to a store
trimming = Hooks[Any]()  # of pydantic-ai: what is done to a request on its way to the model


@trimming.on.before_model_request
async def recent(ctx: RunContext[Any], request: ModelRequestContext) -> ModelRequestContext:
    messages = request.messages
    prompts = [at for at, m in enumerate(messages) if any(part.part_kind == 'user-prompt' for part in m.parts)]
    request.messages = messages[prompts[-3:][0] :]  # from a prompt on, whatever tools there are in between
    return request


async def right(model: Model, file: Path) -> int:
    agent = Agent(model, tools=[look_up], capabilities=[trimming])
    async with SQLiteConversationStore(file) as store, Chat(agent, store, 'islands') as chat:
        for question in QUESTIONS:
            async with chat.send(question) as stream:
                await stream.get_output()
    async with SQLiteConversationStore(file) as store, Chat(agent, store, 'islands') as chat:  # another day
        return len(chat.conversation.messages)


# %% In the middle of a turn: what is left if the process is killed now
async def killed(file: Path) -> None:
    async with SQLiteConversationStore(file) as here, SQLiteConversationStore(file) as elsewhere:
        agent = Agent(lesson_model(['Not ', 'before ', 'noon, ', Stall()], gap=0.05))
        async with Chat(agent, here, 'islands', journal_every=0.1).send('Is it warm there?') as stream:
            await asyncio.sleep(0.8)
            async with Chat(agent, elsewhere, 'islands') as chat:  # in another process, say
                print(f'killed  {chat.exchanges[-1].text!r} is kept, and {stream.text_so_far!r} had come')


# %% What was sent, and what is kept
def report(name: str, model: Model, kept: int) -> None:
    requests = [request.messages for request in model.requests] if isinstance(model, ScriptedModel) else []
    sent = sum(len(str(getattr(part, 'content', ''))) for messages in requests for m in messages for part in m.parts)
    cut = sum(messages[0].kind == 'response' for messages in requests)
    what = f'{sent} characters sent, {cut} of {len(requests)} without a beginning' if requests else 'sent as asked'
    print(f'{name:8}{what}, {kept} messages kept')


async def main() -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / 'chats.db'
        for name, last in (('all', 1000), ('last 6', 6), ('right', 0)):
            model = lesson_model(CALL, ANSWER, gap=0.01)
            report(name, model, await (by_hand(model, last) if last else right(model, file)))
        await killed(file)


if __name__ == '__main__':
    asyncio.run(main())
