"""Durable workflows, with the real DBOS on SQLite: what is mounted works as documented, or says that it cannot."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dbos import DBOS
from pydantic import BaseModel
from pydantic_ai import Agent, PydanticAIDeprecationWarning
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.durable_exec import dbos as dbos_agents
from pydantic_ai.durable_exec.dbos import DBOSDurability
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import AgentStreamEvent

from pydantic_ai_streaming import Deadlines, Recovery, RunStream, StreamTimeout, StreamUsageError
from pydantic_ai_streaming.capabilities import (
    PartialOutputEvent,
    PartialOutputs,
    SmoothText,
    StreamGuard,
    ToolCallUpdateEvent,
    ToolTimeline,
)
from pydantic_ai_streaming.testing import ScriptedModel, Stall, ToolCall


class Movie(BaseModel):
    title: str


stalls = ScriptedModel(['one ', Stall()], loop=True)
guarded = Agent(stalls, name='guarded', capabilities=[StreamGuard(Deadlines(idle=0.05)), DBOSDurability()])

shows = ScriptedModel(
    ['Let me see. ', ToolCall('dice')], [ToolCall('final_result', {'title': 'Dune'}, pieces=5)], gap=0.02, loop=True
)
shown = Agent(
    shows,
    output_type=Movie,
    name='shown',
    capabilities=[SmoothText(), PartialOutputs(every=0), ToolTimeline(), DBOSDurability()],
)
shown.tool_plain(name='dice')(lambda: 4)

seen: list[AgentStreamEvent] = []


async def note(_: Any, events: AsyncIterable[AgentStreamEvent]) -> None:
    seen.extend([event async for event in events])


@DBOS.workflow()
async def guard_in_a_workflow() -> str:
    return (await guarded.run('Go')).output


@DBOS.workflow()
async def show_in_a_workflow() -> str:
    return (await shown.run('Go', event_stream_handler=note)).output.title


@DBOS.workflow()
async def stream_in_a_workflow(recovers: bool) -> list[str]:
    recovery = Recovery() if recovers else None
    async with RunStream(shown.run_stream_events('Go'), recovery=recovery) as stream:
        async for _ in stream.events():
            pass
        return [stream.output.title if stream.output else '', stream.text_so_far, str(stream.finish)]


@pytest.fixture(scope='module', autouse=True)
def dbos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    path: Path = tmp_path_factory.mktemp('dbos') / 'steps.sqlite'
    # DBOS flushes its handlers, and one that was made during another test writes into what that had captured.
    logging.getLogger('dbos').handlers.clear()
    DBOS(
        config={
            'name': 'durable',
            'system_database_url': f'sqlite:///{path}',
            'application_version': '1',
            'log_level': 'ERROR',
        }
    )
    DBOS.launch()
    yield
    DBOS.destroy()


async def test_a_guard_in_a_workflow_says_that_it_cannot_be_there() -> None:
    with pytest.raises(StreamUsageError, match='durable workflow'):
        await guard_in_a_workflow()


async def test_outside_of_a_workflow_an_agent_that_could_be_durable_is_guarded() -> None:
    with pytest.raises(StreamTimeout) as caught:
        await guarded.run('Go')
    assert (caught.value.phase, caught.value.text) == ('idle', 'one ')


async def test_in_a_workflow_tools_and_the_output_are_told_when_a_response_is_whole() -> None:
    seen.clear()
    assert await show_in_a_workflow() == 'Dune'
    partials = [event for event in seen if isinstance(event, PartialOutputEvent)]
    assert [(event.value, event.is_final) for event in partials] == [
        ({'title': 'Dune'}, False),
        ({'title': 'Dune'}, True),
    ]
    dice = [event.state for event in seen if isinstance(event, ToolCallUpdateEvent) and event.tool == 'dice']
    assert dice == ['calling', 'called', 'running', 'returned']


async def test_a_stream_in_a_workflow_does_without_what_it_would_mount() -> None:
    assert await stream_in_a_workflow(False) == ['Dune', 'Let me see. ', 'complete']


async def test_a_recovery_in_a_workflow_is_refused() -> None:
    with pytest.raises(StreamUsageError, match='durable workflow'):
        await stream_in_a_workflow(True)


@pytest.mark.parametrize('mounted', [StreamGuard, SmoothText, PartialOutputs, ToolTimeline])
async def test_the_older_wrapper_of_an_agent_says_what_to_use_in_its_place(
    mounted: type[AbstractCapability[Any]],
) -> None:
    older: Any = vars(dbos_agents)['DBOSAgent']  # by name: it is deprecated
    with pytest.warns(PydanticAIDeprecationWarning, match='DBOSDurability'):
        agent = older(Agent(shows, name=f'older {mounted.__name__}', capabilities=[mounted()]))
    with pytest.raises(UserError, match='Use `DBOSDurability` instead'):
        await agent.run('Go')
