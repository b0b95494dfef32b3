"""`serve_websocket` listens while it tells, and a `Chat` remembers."""

from __future__ import annotations

from pydantic_ai import Agent
from starlette.websockets import WebSocket

from pydantic_ai_streaming import Chat
from pydantic_ai_streaming.serve import serve_websocket


async def talk(websocket: WebSocket, agent: Agent) -> None:
    chat = Chat(agent)
    await serve_websocket(websocket, chat.send, include=('text',))
