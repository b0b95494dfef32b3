"""A StreamGuard over functions in threads, on the real clock."""

from __future__ import annotations

import asyncio
import threading

import pytest
from pydantic_ai import Agent

from pydantic_ai_streaming import Deadlines, StreamTimeout
from pydantic_ai_streaming.capabilities import StreamGuard
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall
from tests.capabilities.ways import DRIVERS, ENDING, Outcome

pytestmark = pytest.mark.no_task_left

PATIENCE = 10
"""Seconds after which a function that nobody lets go on gives up."""


@pytest.mark.parametrize('driver', sorted({*DRIVERS} - {*ENDING}))
async def test_total_ends_the_run_and_not_a_function_in_a_thread(driver: str) -> None:
    model = ScriptedModel([ToolCall('block')], ['done'])
    agent = Agent(model, capabilities=[StreamGuard(Deadlines(total=1))])
    let_go, gone_on = threading.Event(), threading.Event()

    @agent.tool_plain
    def block() -> str:
        if let_go.wait(PATIENCE):
            gone_on.set()
        return 'x'

    try:
        with pytest.raises(StreamTimeout, match='total'):
            await DRIVERS[driver](agent, 'Go', Outcome())
    finally:
        let_go.set()
    assert await asyncio.to_thread(gone_on.wait, PATIENCE)
