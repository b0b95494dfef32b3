"""One agent behind `VercelAIAdapter` and `AGUIAdapter`, read by the real JavaScript clients `ai` and `@ag-ui/client`.

    python examples/ui_adapters/run.py          # needs Node 20 and npm; fetches the clients the first time
    python examples/ui_adapters/run.py --serve  # only the server, for a browser of yours

The model is scripted. What the capabilities add (the output as it fills in, the tool calls, the timeline) reaches both
clients without a change at the adapters, and each later event takes the place of the one before with its id. A second
agent stalls in the middle of its reply, and recovers: the clients are told of that too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import uvicorn
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.ui.ag_ui import AGUIAdapter
from pydantic_ai.ui.vercel_ai import VercelAIAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pydantic_ai_streaming import Deadlines, Recovery
from pydantic_ai_streaming.capabilities import PartialOutputs, SmoothText, StreamGuard, ToolTimeline
from pydantic_ai_streaming.testing import ScriptedModel, Stall, ToolCall

FOLDER = Path(__file__).parent
TIMETABLE = 'Boats at 09:30, 13:15 and 17:40; the last one takes no bicycles.'
PLAN = (
    'Take the boat at 13:15 and bring the bicycles: it carries twelve of them. Be there a quarter of an hour early, '
    'and have the tickets ready. The island is flat in the south, so ride that way first.'
)


class Trip(BaseModel):
    """What the agent answers with."""

    title: str
    boat: str
    plan: str


def agent(gap: float = 0.01) -> Agent[None, Trip]:
    """The agent, with everything mounted. Its model says something, calls a tool, and answers."""
    answer = {'title': 'A day in Farland', 'boat': '13:15', 'plan': PLAN}
    model = ScriptedModel(
        ['Let me look ', 'at the timetable ', 'before I promise ', 'anything.', ToolCall('ferries', {'to': 'Farland'})],
        [ToolCall('final_result', answer, pieces=60)],
        gap=gap,
        loop=True,
    )
    capabilities = [SmoothText(), PartialOutputs(every=0.05), ToolTimeline()]
    made = Agent(model, output_type=Trip, capabilities=capabilities)

    @made.tool_plain
    async def ferries(to: str) -> str:
        await asyncio.sleep(gap * 10)
        return TIMETABLE

    return made


def stalling(by: Literal['continue', 'restart']) -> Agent[None, str]:
    """An agent whose model stalls in the middle of its reply, and has more to say when it is asked again."""
    model = ScriptedModel(['The boat ', 'leaves ', Stall()], ['The boat leaves ', 'at 13:15.'], loop=True)
    guard = StreamGuard(Deadlines(first=10, idle=0.3, total=30), recovery=Recovery(by=by))
    return Agent(model, capabilities=[guard])


def application() -> Starlette:
    """The server: for each protocol a route to each agent."""
    served: dict[str, Agent[None, Any]] = {
        '': agent(),
        '/continue': stalling('continue'),
        '/restart': stalling('restart'),
    }
    routes: list[Route] = []
    for path, one in served.items():

        async def ai(request: Request, one: Agent[None, Any] = one) -> Response:
            return await VercelAIAdapter[None, Any].dispatch_request(request, agent=one, sdk_version=6)

        async def ag_ui(request: Request, one: Agent[None, Any] = one) -> Response:
            return await AGUIAdapter[None, Any].dispatch_request(request, agent=one)

        routes.append(Route(f'/ai{path}', ai, methods=['POST']))
        routes.append(Route(f'/ag-ui{path}', ag_ui, methods=['POST']))
    return Starlette(routes=routes)


async def ask_clients(address: str) -> dict[str, Any]:
    """Have the JavaScript clients ask, and return what they have shown."""
    node = await asyncio.create_subprocess_exec(
        'node', str(FOLDER / 'clients.mjs'), address, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    told, complained = await node.communicate()
    if node.returncode:
        raise SystemExit(complained.decode())
    return json.loads(told)


async def serve(*, ask: bool, port: int = 0) -> dict[str, Any]:
    """Serve on this machine only, until the clients have asked, or until Ctrl-C."""
    server = uvicorn.Server(uvicorn.Config(application(), host='127.0.0.1', port=port, log_level='warning'))
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has nothing to wait for
        await asyncio.sleep(0.01)
    address = 'http://{}:{}'.format(*server.servers[0].sockets[0].getsockname())
    try:
        if ask:
            return await ask_clients(address)
        print(f'{address}/ai and {address}/ag-ui')
        await serving
        return {}
    finally:
        server.should_exit = True
        await serving


def install() -> None:
    """Fetch the clients, the first time."""
    for program in ('node', 'npm'):
        if shutil.which(program) is None:
            sys.exit(f'This example needs {program}, Node 20 or later.')
    if not (FOLDER / 'node_modules').is_dir():
        command = ['npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts', '--silent']
        subprocess.run(command, cwd=FOLDER, check=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--serve', action='store_true', help='only serve, on port 8000')
    parser.add_argument('--json', action='store_true', help='print all that the clients have shown')
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(ask=False, port=8000))
        return
    install()
    told = asyncio.run(serve(ask=True))
    if options.json:
        print(json.dumps(told))
        return
    for client, shown in told.items():
        print(f'{client}: {shown["text"]!r}')
        for part in shown['kept'].values():
            print(f'  {part["type"]:30} came {part["changes"]:2} times, at last {json.dumps(part["data"])[:90]}')
        for step, recovered in shown['recovered'].items():
            print(f'  after a stall, {step}: {recovered["texts"]}, told {json.dumps(recovered["told"])}')


if __name__ == '__main__':
    main()
