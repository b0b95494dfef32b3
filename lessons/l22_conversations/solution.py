"""A `Chat` keeps what is said, and a hook cuts what is sent."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent, RunContext
from pydantic_ai.capabilities import Hooks
from pydantic_ai.conversation_store import ConversationStore
from pydantic_ai.models import ModelRequestContext

from pydantic_ai_streaming import Chat

hooks = Hooks[Any]()


@hooks.on.before_model_request
async def recent(ctx: RunContext[Any], request: ModelRequestContext) -> ModelRequestContext:
    messages = request.messages
    prompts = [at for at, m in enumerate(messages) if any(part.part_kind == 'user-prompt' for part in m.parts)]
    request.messages = messages[prompts[-3:][0] :]
    return request


async def turn(agent: Agent, store: ConversationStore, prompt: str) -> str:
    async with Chat(agent, store, 'chat').send(prompt, capabilities=[hooks]) as stream:
        async for piece in stream.text():
            print(piece, end='', flush=True)
        return await stream.get_output()
