"""An answer in the browser: it streams, can be stopped, survives a lost connection and shows its tool at work.

pip install 'pydantic-ai-streaming[serve]' uvicorn
python examples/web_answer.py                             # a scripted model, then open http://127.0.0.1:8000
python examples/web_answer.py --model openai:gpt-5-mini   # any model of pydantic-ai
"""

from __future__ import annotations

import argparse
import asyncio
import json

import uvicorn
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from pydantic_ai_streaming import Deadlines, RunStream, Smoothing
from pydantic_ai_streaming.serve import BROWSER_CLIENT, LiveStreams, SSEResponse
from pydantic_ai_streaming.testing import Response as Reply
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall, reply

DEADLINES = Deadlines(first=60, idle=60, total=300)
LONGEST_PROMPT = 4000

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>An answer</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 2em auto; padding: 0 1em }
  #answer { white-space: pre-wrap; min-height: 6em } #tools, #status { color: #71717a }
  #answer.going::after { content: '▍'; color: #2563eb }
</style>
<form id="form"><input id="prompt" size="40" value="When can I sail from Farland?">
<button>Ask</button> <button type="button" id="stop" disabled>Stop</button></form>
<p id="tools"></p><p id="answer"></p><p id="status"></p>
<script type="module">
  import { streamFrames } from '/stream_client.js'
  const at = (id) => document.getElementById(id)
  let stopIt = () => {}
  at('stop').onclick = () => stopIt()
  at('form').onsubmit = async (event) => {
    event.preventDefault()
    for (const id of ['tools', 'answer', 'status']) at(id).textContent = ''
    at('answer').className = 'going'
    at('stop').disabled = false
    const body = JSON.stringify({ prompt: at('prompt').value })
    try {
      for await (const frame of streamFrames('/answer', { method: 'POST', body })) {
        if (frame.type === 'start') stopIt = () => fetch(`/answer/${frame.stream}`, { method: 'DELETE' })
        if (frame.type === 'text') at('answer').textContent += frame.text
        if (frame.type === 'tool_call') at('tools').textContent = `${frame.name}: ${frame.state}`
        if (frame.type === 'end') at('status').textContent = frame.finish
        if (frame.type === 'error') at('status').textContent = `Something went wrong (${frame.error_id}).`
      }
    } catch (error) {
      at('status').textContent = error.message
    }
    at('answer').className = ''
    at('stop').disabled = true
  }
</script></html>
"""


def scripted(gap: float) -> ScriptedModel:
    """Looks at the tide table first, and answers the same however often it is asked."""
    answer = 'High water is at 12:04, so sail before noon ⛵\n\nBe back by four: the wind turns.\n'
    first = Reply(['Let me look. ', ToolCall('tide', {'port': 'Farland'}, pieces=4)])
    return ScriptedModel(first, reply(answer, cut='tokens', seed=1), gap=gap, loop=True)


def make_app(model: str | None, *, gap: float = 0.05) -> Starlette:
    """The application."""
    agent = Agent(model or scripted(gap), instructions='You answer sailors, briefly. Ask the tide table.')
    streams = LiveStreams(linger=30)

    @agent.tool_plain
    async def tide(port: str) -> str:
        """When it is high water at a port."""
        await asyncio.sleep(20 * gap)
        return f'high water at {port}: 12:04'

    async def answer(request: Request) -> Response:
        try:
            prompt = (await request.json())['prompt']
        except (json.JSONDecodeError, KeyError, TypeError):
            prompt = None
        if not isinstance(prompt, str) or not 0 < len(prompt) <= LONGEST_PROMPT:
            return JSONResponse({'error': 'send {"prompt": "..."}'}, status_code=400)
        run = RunStream(agent.run_stream_events(prompt), deadlines=DEADLINES)
        return SSEResponse(run, streams=streams, smoothing=Smoothing())

    async def stop(request: Request) -> Response:
        return JSONResponse({'stopped': await streams.stop(request.path_params['stream'])})

    async def page(request: Request) -> Response:
        return HTMLResponse(PAGE)

    async def client(request: Request) -> Response:
        return FileResponse(BROWSER_CLIENT, media_type='text/javascript')

    routes = [
        Route('/', page),
        Route('/stream_client.js', client),
        Route('/answer', answer, methods=['POST']),
        Route('/answer/{stream}', stop, methods=['DELETE']),
    ]
    return Starlette(routes=routes, lifespan=streams.lifespan)


def main() -> None:
    parser = argparse.ArgumentParser(description='An answer in the browser.')
    parser.add_argument('--model', help='a model of pydantic-ai, such as openai:gpt-5-mini; scripted by default')
    parser.add_argument('--port', type=int, default=8000)
    arguments = parser.parse_args()
    uvicorn.run(make_app(arguments.model), port=arguments.port, timeout_graceful_shutdown=2)


if __name__ == '__main__':
    main()
