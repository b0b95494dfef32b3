"""A thousand healthy runs in virtual time without one alarm, and as many stalls, each told at its very instant."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic_ai import Agent

from pydantic_ai_streaming import Deadlines, RunStream, Smoothing, StreamTimeout
from pydantic_ai_streaming.core.pacing import UNITS
from pydantic_ai_streaming.testing import (
    KeepAlive,
    Response,
    ScriptedModel,
    Stall,
    Step,
    Text,
    Thinking,
    ToolCall,
    virtual_time,
)

RUNS = 1000
BATCH = 50

every_batch = pytest.mark.parametrize('first_seed', range(0, RUNS, BATCH))
WORDS = ('one ', 'two', ', ', '**three** ', 'vier.\n', '五 ', '👩‍👩‍👧 ', 'a-rather-long-word ')


@dataclass
class Plan:
    """A run made up from a seed: limits, what the model does, and how slow everybody else is."""

    seed: int

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.first = self.chance.choice([0.5, 2.0, 30.0])
        self.idle = self.chance.choice([0.2, 1.0, 15.0])
        self.tool = self.chance.uniform(0, 3) * max(self.first, self.idle)
        self.text = ''
        self.calls = self.chance.randrange(3)
        self.responses: list[Response] = []

    @property
    def limits(self) -> Deadlines:
        return Deadlines(first=self.first, idle=self.idle)

    def just_below(self, limit: float) -> float:
        return round(limit * self.chance.choice([0, 0.1, 0.5, 0.99, 0.999]), 6)

    def healthy(self) -> list[Response]:
        self.responses = [Response(self.steps(tool=True)) for _ in range(self.calls)]
        self.responses.append(Response(self.steps(tool=False)))
        return self.responses

    def steps(self, *, tool: bool) -> list[Step]:
        wait = self.just_below(self.first)
        steps: list[Step] = []
        for _ in range(self.chance.randrange(1, 12)):
            steps += self.kept_alive(wait)
            left = wait - sum(step.wait or 0 for step in steps[-2:] if isinstance(step, KeepAlive))
            if self.chance.random() < 0.2:
                steps.append(Thinking('Hm. ', wait=max(0.0, left)))
            else:
                word = self.chance.choice(WORDS)
                self.text += word
                steps.append(Text(word, wait=max(0.0, left)))
            wait = self.just_below(self.idle)
        if tool:
            steps.append(ToolCall('slow', {}, wait=wait))
        else:
            self.text += 'End.'
            steps.append(Text('End.', wait=wait))
        return steps

    def kept_alive(self, wait: float) -> list[Step]:
        """Now and then pings and empty deltas within the silence, which are no content."""
        if wait and self.chance.random() < 0.3:
            return [KeepAlive(wait=round(wait / 4, 6))]
        return []

    def agent(self, *responses: Response) -> Agent[None, str]:
        agent = Agent(ScriptedModel(*responses))

        @agent.tool_plain
        async def slow() -> str:
            await asyncio.sleep(self.tool)
            return 'done'

        return agent


async def read(stream: RunStream[Any], smoothing: Smoothing | None, pause: float) -> str:
    shown: list[str] = []
    async for piece in stream.text(smoothing=smoothing):
        shown.append(piece)
        await asyncio.sleep(pause)
    return ''.join(shown)


async def healthy_run(seed: int) -> None:
    plan = Plan(seed)
    chance = plan.chance
    stream = RunStream(plan.agent(*plan.healthy()).run_stream_events('Go'), deadlines=plan.limits)
    async with stream:
        views = [
            (None, chance.choice([0, plan.idle * 2])),
            (Smoothing(by=chance.choice(UNITS), max_lag=chance.choice([0, 0.4, 5])), 0),
            (Smoothing(), chance.choice([0, 0.01, plan.first])),
        ]
        shown = await asyncio.gather(*(read(stream, *view) for view in views[: chance.randrange(4)]))
        await stream.get_output()
    assert stream.text_so_far == plan.text, f'seed {seed}'
    assert all(text == plan.text for text in shown), f'seed {seed}'
    assert stream.finish == 'complete', f'seed {seed}'


@every_batch
def test_a_healthy_run_is_never_taken_for_a_stall(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + BATCH):
        try:
            virtual_time.run(healthy_run(seed))
        except Exception as error:
            error.add_note(f'seed {seed}')
            raise


def waits(steps: Sequence[Step | str]) -> float:
    return sum(step.wait or 0 for step in steps if isinstance(step, Step))


async def stalled_run(seed: int) -> None:
    """The last response falls silent after some of its pieces, for good or a little longer than allowed."""
    plan = Plan(seed)
    chance = plan.chance
    *before, last = plan.healthy()
    pieces = chance.randrange(len(last.steps))
    steps: list[Step | str] = list(last.steps[:pieces])
    content = [n for n, step in enumerate(steps) if not isinstance(step, KeepAlive)]
    phase, limit = ('idle', plan.idle) if content else ('first', plan.first)
    # Keep-alives after the last content belong to the silence.
    steps = steps[: content[-1] + 1] if content else []
    silence = round(limit * chance.choice([1.001, 1.1, 3]), 6)
    steps.append(chance.choice([Stall(), Text('too late', wait=silence)]))
    agent = plan.agent(*before, Response(steps))
    stream = RunStream(agent.run_stream_events('Go'), deadlines=plan.limits)
    # The tools of the run take their own time, which the clock shows but no limit counts.
    expected = sum(waits(response.steps) for response in before) + plan.tool * len(before)
    expected += waits(steps[:-1]) + limit
    with pytest.raises(StreamTimeout) as caught:
        async with stream:
            await read(stream, None, chance.choice([0, plan.idle * 2]) if chance.random() < 0.5 else 0)
    assert (caught.value.phase, caught.value.limit) == (phase, limit)
    assert caught.value.elapsed == pytest.approx(expected, abs=1e-5)
    assert stream.text_so_far == ''.join(
        step.text for response in [*before, Response(steps[:-1])] for step in response.steps if isinstance(step, Text)
    )


@every_batch
def test_a_stall_is_told_at_the_very_instant_of_its_limit(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + BATCH):
        try:
            virtual_time.run(stalled_run(seed))
        except BaseException as error:
            error.add_note(f'seed {seed}')
            raise
