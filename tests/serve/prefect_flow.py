"""Runs flows of Prefect and prints what came of them, as JSON. Started by `test_prefect.py`."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from typing import Any

from pydantic_ai import Agent

from pydantic_ai_streaming import Deadlines, RunStream, StreamUsageError
from pydantic_ai_streaming.capabilities import SmoothText, StreamGuard, ToolTimeline
from pydantic_ai_streaming.logs import SQLiteLog
from pydantic_ai_streaming.serve import WorkflowStep, WorkflowStreams
from pydantic_ai_streaming.testing import Fail, ScriptedModel, ToolCall

# By name: it need not be there to check the types of this program.
flow: Any = import_module('prefect').flow
runtime: Any = import_module('prefect.runtime')
durability: Any = import_module('pydantic_ai.durable_exec.prefect').PrefectDurability

FILE = sys.argv[1]


def prefect_step() -> WorkflowStep:
    task = runtime.task_run.id
    return WorkflowStep(str(runtime.flow_run.id), None if task is None else str(task))


streams = WorkflowStreams(lambda: SQLiteLog(FILE), where=prefect_step, steps_move=True)
model = ScriptedModel(
    ['High ', 'water ', Fail(ConnectionError('cut'))],
    ['High ', 'water ', ToolCall('look', {'port': 'Farland'})],
    ['at noon.'],
)
tides = Agent(
    model,
    name='tides',
    capabilities=[
        durability(event_stream_handler=streams.write, model_task_config={'retries': 2, 'retry_delay_seconds': 0})
    ],
)


@tides.tool_plain
def look(port: str) -> str:
    return f'{port}: 12:04'


again = ScriptedModel(['at ', 'noon'], loop=True)
shown = Agent(again, name='shown', capabilities=[SmoothText(), ToolTimeline(), durability()])
guarded = Agent(again, name='guarded', capabilities=[StreamGuard(Deadlines(idle=1)), durability()])
workflows: list[str] = []


@flow
async def answer() -> str:
    workflows.append(prefect_step().workflow_id)
    async with streams.run():
        return (await tides.run('When can I sail?')).output


@flow
async def stream() -> list[str]:
    async with RunStream(shown.run_stream_events('When?')) as one:
        return [await one.get_output(), str(one.finish)]


@flow
async def guard() -> str:
    return (await guarded.run('When?')).output


async def main() -> None:
    await answer()
    frames: list[Any] = []
    async for part in await streams.log.follow(workflows[0]):
        frames += map(json.loads, part.entries)
    await streams.close()
    try:
        refused = await guard()
    except StreamUsageError as error:
        refused = str(error)
    told = {
        'frames': frames,
        'requests': len(model.requests),
        'streamed': await stream(),
        'guarded': refused,
        'outside': (await guarded.run('When?')).output,
    }
    print(json.dumps(told))


if __name__ == '__main__':
    asyncio.run(main())
