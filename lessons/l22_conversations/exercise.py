"""One turn of a conversation that a store keeps under the id 'chat': show the reply as it comes, and give it back.

The model is sent the last three exchanges at most, the new prompt among them, and each of them whole. The store keeps
all of the conversation: also of a turn that is cancelled or fails, and of one whose process dies, but for the last half
second.
"""

from __future__ import annotations

from pydantic_ai import Agent
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationStore


async def turn(agent: Agent, store: ConversationStore, prompt: str) -> str:
    # TODO: what it does not send, it does not keep either.
    conversation = await store.load('chat') or Conversation(conversation_id='chat')
    async with agent.run_stream(prompt, message_history=conversation.messages[-4:]) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            print(piece, end='', flush=True)
        conversation.messages = result.all_messages()
        await store.save(conversation)
        return await result.get_output()
