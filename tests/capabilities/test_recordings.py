"""Recorded provider streams through the real clients and every driver: what is mounted changes nothing of the run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import Smoothing
from pydantic_ai_streaming.capabilities import PartialOutputs, SmoothText, ToolTimeline
from tests.capabilities.drivers import DRIVERS, Seen, comparable
from tests.material import ReplayServer, needs_recordings, provider_agent, replaying
from tests.run.test_recordings import FINISH_REASON

pytestmark = [
    needs_recordings,
    pytest.mark.no_task_left,
    # Anthropic's client warns of the end of life of the models that the recordings were made with.
    pytest.mark.filterwarnings("ignore:The model 'claude-[a-z0-9-]+' is deprecated:DeprecationWarning"),
]

EARLY_FINAL = {'openai-responses-commentary-tool-loop', 'anthropic-tool-search-then-tool'}
"""Where `run_stream` takes for the output what the model says before it calls a tool."""

QUICK = Smoothing(max_lag=0.05, drain=0.02)


MOUNTS: dict[str, list[AbstractCapability[Any]]] = {
    'nothing': [],
    'smooth': [SmoothText(QUICK)],
    'partials': [PartialOutputs(every=0)],
    'tools': [ToolTimeline()],
    'all': [PartialOutputs(every=0), ToolTimeline(), SmoothText(QUICK)],
}


async def turns_of(
    replay: ReplayServer, name: str, driver: str, mounted: Sequence[AbstractCapability[Any]]
) -> list[Seen | Exception]:
    """Play every turn of a recording with these capabilities mounted on the agent."""
    session = replay.session(name, pacing=replaying().Pacing.none())
    history: list[ModelMessage] = []
    seen: list[Seen | Exception] = []
    async with provider_agent(session, capabilities=mounted) as agent:
        for turn in session.recording.meta['replay']['turns']:
            try:
                shown = await DRIVERS[driver](agent, turn['prompt'], history or None)
            except Exception as error:
                seen.append(error)
            else:
                seen.append(shown)
                history = shown.messages
    return seen


@pytest.mark.parametrize('driver', DRIVERS)
@pytest.mark.parametrize('name', FINISH_REASON)
async def test_the_output_the_text_and_the_history_are_those_without(
    replay: ReplayServer, name: str, driver: str
) -> None:
    expected: list[dict[str, Any]] = replay.recordings[name].expected()['turns']
    plays = (turns_of(replay, name, driver, mounted) for mounted in MOUNTS.values())
    bare, *others = await asyncio.gather(*plays)
    for turn, seen in zip(expected, bare, strict=True):
        check_against_recording(turn, seen, driver, early=name in EARLY_FINAL)
    for mount, turns in zip([*MOUNTS][1:], others, strict=True):
        for turn, plain in zip(turns, bare, strict=True):
            if isinstance(plain, Exception):
                assert type(turn) is type(plain), mount
                continue
            assert isinstance(turn, Seen), f'{mount}: {turn!r}'
            assert turn.output == plain.output, mount
            assert turn.shown == plain.shown, mount
            assert comparable(turn.messages) == comparable(plain.messages), mount
            assert bool(turn.custom) <= (mount != 'smooth')


def check_against_recording(turn: dict[str, Any], seen: Seen | Exception, driver: str, *, early: bool) -> None:
    if turn['error']:
        assert isinstance(seen, Exception)
        return
    assert isinstance(seen, Seen), repr(seen)
    streamed = [part['content'] for part in turn['streamed'] if part['kind'] == 'text']
    if driver != 'run_stream':
        assert (seen.output, seen.shown) == (turn['output'], ''.join(streamed))
    elif early:
        # It takes for the output what the model says before it calls a tool, and ends the run there.
        assert seen.output != turn['output']
        assert seen.output in streamed
        assert turn['output'] not in seen.output
    else:
        # It shows no text of a run whose output is structured, and puts blank lines around the tools of a provider.
        assert seen.output == turn['output']
        assert seen.shown.replace('\n', '') in ('', ''.join(streamed).replace('\n', ''))
