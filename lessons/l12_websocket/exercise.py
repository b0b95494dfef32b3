"""Talk with a page over a WebSocket. The messages are JSON objects in both directions.

It sends {"type": "prompt", "prompt": "..."}, and {"type": "stop"} when it has had enough. It gets {"type": "text",
"text": "..."} for each new piece, and last {"type": "end"}, also after a stop, or {"type": "error"}, without a reason,
if the answer is not whole. Then it may ask again, and the model is to know what was said before, half answers too.
Other types and keys are left alone. When the page goes away, the model stops.
"""

from __future__ import annotations

import json

from pydantic_ai import Agent
from starlette.websockets import WebSocket


async def talk(websocket: WebSocket, agent: Agent) -> None:
    await websocket.accept()
    try:
        while True:
            message = json.loads(await websocket.receive_text())
            # TODO: nobody hears a stop meanwhile, the text comes again and again, and each question is the first.
            async with agent.run_stream(message['prompt']) as result:
                async for chunk in result.stream_text(debounce_by=None):
                    await websocket.send_text(chunk)
                await websocket.send_json({'type': 'end'})
    except Exception:
        await websocket.close()
