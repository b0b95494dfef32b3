"""A page asks, presses stop, is closed, or meets a model that fails: what does a WebSocket make of each?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from pydantic_ai_streaming import Chat
from pydantic_ai_streaming.course import lesson_model, serving
from pydantic_ai_streaming.serve import serve_websocket
from pydantic_ai_streaming.testing import Fail, Script, Text

QUESTION = 'How do I keep a boat dry? In five words.'
WORDS = ['Turn ', 'it ', 'over ', 'every ', 'night.']
SCRIPTS: dict[str, list[Script]] = {
    'whole': [WORDS],
    'stop': [WORDS, ['Stop ', 'what?']],
    'closed': [[*WORDS[:3], Text('every ', wait=0.5), 'night.']],  # it thinks for a while
    'fails': [[*WORDS[:3], Fail(ModelHTTPError(503, 'boat-1', 'overloaded'))]],
}


# %% As it is often written
async def naive(websocket: WebSocket, agent: Agent) -> None:
    await websocket.accept()
    try:
        while True:
            message = await websocket.receive_text()
            async with agent.run_stream(message) as result:
                async for chunk in result.stream_text(debounce_by=None):
                    await websocket.send_text(chunk)
                await websocket.send_json({'type': 'done'})
    except Exception:
        await websocket.close()


# %% With this library
async def right(websocket: WebSocket, agent: Agent) -> None:
    await serve_websocket(websocket, Chat(agent).send, include=('text',))


# %% The page: it adds to what it shows, until it is told that this was all
async def visit(way: Callable[[WebSocket, Agent], Awaitable[None]], case: str) -> str:
    agent, clock = Agent(lesson_model(*SCRIPTS[case], gap=0.1)), asyncio.get_running_loop().time

    async def talk(websocket: WebSocket) -> None:
        await way(websocket, agent)

    shown, frame, since = list[str](), {'type': ''}, 0.0
    app = Starlette(routes=[WebSocketRoute('/talk', talk)])
    async with serving(app) as client, client.websocket('/talk') as socket:
        await socket.send(QUESTION if way is naive else {'type': 'prompt', 'prompt': QUESTION})
        async for message in socket:
            frame = json.loads(message) if message[0] == '{' else {'type': 'text', 'text': message}
            if frame['type'] == 'text':
                shown.append(frame['text'])
                if len(shown) == 3:
                    since = clock()
                    if case == 'stop':
                        await socket.send('stop' if way is naive else {'type': 'stop'})
                    elif case == 'closed':
                        break
            elif frame['type'] != 'start':
                break
        last = f'told {frame["type"]!r}' if socket.code is None else f'told nothing, closed with code {socket.code}'
        if case == 'stop':
            last += f' {clock() - since:.1f} s after stop'
            if way is naive:
                last += f', then {await anext(socket)!r}'
    if case == 'closed':
        last = f'the model stopped {clock() - since:.1f} s after the page'
    return f'{len("".join(shown)):3} characters, {last}'


async def main() -> None:
    for way in (naive, right):
        for case in SCRIPTS:
            print(f'{way.__name__:6}{case:7}{await visit(way, case)}')


if __name__ == '__main__':
    asyncio.run(main())
