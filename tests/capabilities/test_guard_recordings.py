"""Recorded provider streams through the real clients, with a guard mounted: it changes nothing, under any driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pydantic_ai.exceptions import ModelRequestRejectedError
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import Deadlines, Recovery
from pydantic_ai_streaming.capabilities import StreamGuard
from tests.capabilities.ways import DRIVERS, ENDING, Outcome
from tests.material import ReplayServer, needs_recordings, provider_agent, replaying, start_replay
from tests.run.test_recordings import FINISH_REASON

pytestmark = [
    needs_recordings,
    pytest.mark.no_task_left,
    # Anthropic's client warns of the end of life of the models that the recordings were made with.
    pytest.mark.filterwarnings("ignore:The model 'claude-[a-z0-9-]+' is deprecated:DeprecationWarning"),
]

LIMITS = Deadlines(first=20, idle=20, total=60, min_rate=1, rate_window=20)

TRAPPED = {'anthropic-tool-search-then-tool', 'openai-responses-commentary-tool-loop'}
"""Recordings of which `run_stream` takes the first text for the answer, with a guard as without."""

ONE_TURN = {'VercelAIAdapter', 'AGUIAdapter'}
"""Drivers whose client, not the call, carries the history."""


@pytest.fixture(scope='module')
def replay() -> Iterator[ReplayServer]:
    with start_replay() as server:
        yield server


@pytest.mark.parametrize('name', FINISH_REASON)
@pytest.mark.parametrize('driver', DRIVERS)
async def test_the_output_and_the_text_are_those_of_the_recording(replay: ReplayServer, name: str, driver: str) -> None:
    if name in TRAPPED and driver in ('run_stream', 'RunStream over run_stream'):
        pytest.skip('run_stream takes the first text for the answer here, with a guard as without')
    session = replay.session(name, pacing=replaying().Pacing.none())
    turns: Sequence[dict[str, Any]] = session.recording.meta['replay']['turns']
    if driver in ONE_TURN:
        turns = turns[:1]
    history: Sequence[ModelMessage] | None = None
    async with provider_agent(session) as agent:
        for turn, expected in zip(turns, session.recording.expected()['turns'], strict=False):
            guard = StreamGuard(LIMITS, recovery=Recovery())
            seen = Outcome()
            options: dict[str, Any] = {'capabilities': [guard], 'message_history': history}
            if expected['error'] and driver not in ENDING:
                with pytest.raises(ModelRequestRejectedError):
                    await DRIVERS[driver](agent, turn['prompt'], seen, **options)
                return
            await DRIVERS[driver](agent, turn['prompt'], seen, **options)
            if expected['error']:
                assert ENDING[driver] in seen.protocol
                return
            check(seen, expected, driver)
            history = seen.messages


def check(seen: Outcome, expected: dict[str, Any], driver: str) -> None:
    assert seen.output == expected['output']
    assert seen.steps == []
    if driver in ('run', 'iter') or (driver.endswith('run_stream') and not expected['streamed_text_is_output']):
        # These show nothing, or the text of the last response alone.
        return
    assert seen.screen == ''.join(part['content'] for part in expected['streamed'] if part['kind'] == 'text')
