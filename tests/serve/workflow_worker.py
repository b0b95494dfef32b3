"""A process that runs a workflow of DBOS, to be killed: `python -m tests.serve.workflow_worker DIRECTORY WORKFLOW`.

Without a workflow it only goes on with what others have left, and ends when that is done. With `stop` before the
workflow it stops that, and runs nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dbos import DBOS, SetWorkflowID, WorkflowHandleAsync, error
from pydantic_ai import Agent
from pydantic_ai.durable_exec.dbos import DBOSDurability
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from pydantic_ai_streaming.errors import StreamLogError
from pydantic_ai_streaming.logs import Producer, SQLiteLog
from pydantic_ai_streaming.reduce.content import text_in
from pydantic_ai_streaming.serve import WorkflowStreams
from pydantic_ai_streaming.serve.frames import frame

LEASE = 1.0
TOKENS = [f'{number} ' for number in range(80)]
GAP = 0.02
OTHER_FROM = 10
"""The token from which on a second attempt says something else, where that is asked for."""

directory = Path(sys.argv[1])
streams = WorkflowStreams(lambda: SQLiteLog(directory / 'streams.db', lease=LEASE))


async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[Any]:
    last = messages[-1]
    if not (isinstance(last, ModelRequest) and any(isinstance(part, ToolReturnPart) for part in last.parts)):
        yield 'Let me see. '
        yield {0: DeltaToolCall(name='tide', json_args='{}', tool_call_id='call')}
        return
    attempts = directory / 'attempts'
    attempts.write_text(attempts.read_text() + '.' if attempts.exists() else '.')
    again = (directory / 'says-something-else').exists() and len(attempts.read_text()) > 1
    for number, token in enumerate(TOKENS):
        await asyncio.sleep(GAP)
        yield token.replace(' ', '! ') if again and number >= OTHER_FROM else token


async def bare(ctx: Any, events: AsyncIterable[Any]) -> None:
    """What one writes without knowing of attempts."""
    log = streams.log
    producer: Producer | None = None
    while producer is None:
        try:
            producer = await log.create('bare')
        except StreamLogError:
            try:
                producer = await log.take_over('bare')
            except StreamLogError:
                await asyncio.sleep(0.1)
    async for event in events:
        if text := text_in(event):
            await producer.append([frame('text', text=text).encode()])
    producer.over = True


handler = bare if (directory / 'bare').exists() else streams.write
agent = Agent(
    FunctionModel(stream_function=write), name='tides', capabilities=[DBOSDurability(event_stream_handler=handler)]
)


@agent.tool_plain
@DBOS.step()
async def tide() -> str:
    with (directory / 'tools').open('a') as tools:
        tools.write('.')
    return 'high'


@DBOS.workflow()
async def answer(prompt: str) -> str:
    if handler is bare:
        return (await agent.run(prompt)).output
    async with streams.run():
        return (await agent.run(prompt)).output


async def ended(workflow: str) -> None:
    """Wait for the end of a workflow, and write down how that was."""
    handle: WorkflowHandleAsync[str] = await DBOS.retrieve_workflow_async(workflow)
    with suppress(error.DBOSAwaitedWorkflowCancelledError):
        await handle.get_result()
    (directory / 'status').write_text((await handle.get_status()).status)


async def main() -> None:
    url = f'sqlite:///{directory}/dbos.db'
    stops = sys.argv[2:3] == ['stop']
    # A process of another version goes on with nothing of what this one has left.
    version = 'stops' if stops else 'runs'
    DBOS(
        config={
            'name': 'tides',
            'system_database_url': url,
            'log_level': 'ERROR',
            'application_version': version,
        }
    )
    DBOS.launch()
    if stops:
        await streams.stop(sys.argv[3])
        await streams.close()
    elif len(sys.argv) > 2:
        with SetWorkflowID(sys.argv[2]):
            await DBOS.start_workflow_async(answer, 'When?')
        await ended(sys.argv[2])
    else:
        for workflow in await DBOS.list_workflows_async():
            await ended(workflow.workflow_id)
    DBOS.destroy()


if __name__ == '__main__':
    asyncio.run(main())
