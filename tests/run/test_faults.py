"""A provider that misbehaves in thirty ways: each is told at its limit and for what it is, or is no fault at all."""

from __future__ import annotations

import asyncio
import inspect
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelServerError,
    UnexpectedModelBehavior,
)
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from pydantic_ai_streaming import (
    ConnectionHeldOpenEvent,
    Deadlines,
    Phase,
    RunEvent,
    RunStream,
    Smoothing,
    StreamTimeout,
    StreamTruncated,
)
from pydantic_ai_streaming.reduce.content import text_in
from tests.lag import Lag
from tests.material import closing, fault_server, needs_fault_server

pytestmark = [
    needs_fault_server,
    pytest.mark.no_task_left,
    # Anthropic's client warns of models whose end of life it knows; `m` is none, but the rule is theirs.
    pytest.mark.filterwarnings("ignore:The model '.*' is deprecated:DeprecationWarning"),
]

TOLERANCE = 0.05
"""Seconds by which a limit may be missed, on a machine that is not late itself."""

RETRIES_WITHIN = 1.2
"""Seconds in which a client that goes on would ask again."""

FIRST, IDLE, GRACE = 0.4, 0.3, 0.2
LIMITS = Deadlines(first=FIRST, idle=IDLE, total=8, finish_grace=GRACE)
PATIENT = replace(LIMITS, first=5.0)
TRICKLE = Deadlines(first=FIRST, idle=0.6, min_rate=20, rate_window=0.7)

WHOLE = 'The quick brown fox jumps over the lazy dog, and then it naps in the sun. '
FIVE = 'The quick brown fox jumps '


@dataclass(frozen=True)
class Fault:
    """What a fault has to come to.

    Attributes:
        text: The text that is kept.
        error: What the stream fails with; `None` if it is a success.
        phase: The deadline that passes.
        since: What it counts from: the `start`, the last `content`, or the `first` content.
        limit: After how many seconds.
        held: Whether the connection has to be closed from here though the reply is whole.
    """

    text: str
    error: type[Exception] | None = None
    phase: Phase | None = None
    since: str = 'content'
    limit: float = 0.0
    held: bool = False
    deadlines: Deadlines = field(default=LIMITS)


def late(text: str, phase: Phase, limit: float, since: str = 'content', deadlines: Deadlines = LIMITS) -> Fault:
    return Fault(text, StreamTimeout, phase, since, limit, deadlines=deadlines)


SILENT = late('', 'first', FIRST, 'start')
STALLED = late(FIVE, 'idle', IDLE)

FAULTS = {
    'ok': Fault(WHOLE),
    'no_answer': SILENT,
    'slow_first;t=0.25': Fault(WHOLE),
    'slow_first;t=0.9': SILENT,
    'headers_silence': SILENT,
    'role_silence': SILENT,
    'stall_mid': STALLED,
    'ping_only;p=0.05': SILENT,
    'ping_after;p=0.05': STALLED,
    'empty_after;p=0.05': STALLED,
    'drip;gap=0.3': late('The', 'rate', 0.7, 'first', TRICKLE),
    'drip;gap=5': late('T', 'idle', IDLE),
    'pause;t=0.15': Fault(WHOLE),
    'pause;t=0.9': STALLED,
    'think_pause;t=0.15': Fault(WHOLE),
    'close_mid': Fault(FIVE, ModelConnectionError),
    'rst_mid': Fault(FIVE, ModelConnectionError),
    'end_early': Fault(FIVE, StreamTruncated),
    'half_line': Fault(FIVE, ModelConnectionError),
    'bad_json': Fault(FIVE, ModelAPIError),
    'error_event': Fault(FIVE, ModelServerError),
    'no_done': Fault(WHOLE),
    'done_hang': Fault(WHOLE),
    'finish_hang': Fault(WHOLE, held=True),
    # The gap is before the finish reason too: a grace that counted from the last word would be over here.
    'finish_hang;gap=0.18': Fault(WHOLE, held=True, deadlines=replace(LIMITS, idle=2)),
    'length': Fault(WHOLE),
    'content_filter': Fault(WHOLE),
    'empty_ok': Fault('', UnexpectedModelBehavior),
    # The client waits up to half a second before it tries again, which counts as waiting for the provider.
    'flaky;code=429;times=2;retry_after=0': Fault(WHOLE, deadlines=PATIENT),
    'flaky;code=500;times=1;retry_after=0': Fault(WHOLE, deadlines=PATIENT),
    'status;code=503': SILENT,
    'status;code=500;retry_after=0': Fault('', ModelServerError, deadlines=PATIENT),
    # Each byte comes by itself: on a busy machine the first content takes longer than the usual limit.
    'utf8_split': Fault('hi 👩‍👩‍👧 there', deadlines=PATIENT),
    'header_drip': SILENT,
    'tool': Fault(WHOLE),
    'tool_stall': STALLED,
    'tool_args_stall': late('', 'idle', IDLE, 'start'),
    'stall_then_ok;times=1': STALLED,
}

ANTHROPIC_FAULTS = {
    'ok': Fault(WHOLE),
    'ping_only;p=0.05': SILENT,
    'ping_after;p=0.05': STALLED,
    'stall_mid': STALLED,
}


@asynccontextmanager
async def misbehaving(name: str, *, anthropic: bool = False) -> AsyncGenerator[Agent[None, str]]:
    """An agent over a real client of a server that does what the model's name says; its tool is slower than idle."""
    server = fault_server()
    server.LOG.clear()
    server.COUNT.clear()
    async with server.serve() as base:
        model: Model
        if anthropic:
            model = AnthropicModel(name, provider=AnthropicProvider(base_url=base, api_key='none'))
        else:
            model = OpenAIChatModel(name, provider=OpenAIProvider(base_url=f'{base}/v1', api_key='none'))
        agent: Agent[None, str] = Agent(model)

        @agent.tool_plain
        async def get_weather(city: str) -> str:
            await asyncio.sleep(IDLE * 2)
            return f'sunny in {city}'

        async with closing(model):
            yield agent
    await server_at_rest()


async def server_at_rest() -> None:
    """The connections of the server live in this loop; they end when the client has closed them."""
    async with asyncio.timeout(5):
        while connections():  # noqa: ASYNC110 - the server tells nobody when a connection ends
            await asyncio.sleep(0.005)


def connections() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if 'fault_server' in repr(task.get_coro())]


def own_tasks() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - set(connections())


@dataclass
class Seen:
    """What a person in front of the stream has seen, and when, in seconds of the loop's clock."""

    started: float
    times: list[float] = field(default_factory=list[float])
    events: list[RunEvent] = field(default_factory=list[RunEvent])
    error: Exception | None = None
    ended: float = 0.0

    def since(self, what: str) -> float:
        return {'start': self.started, 'first': self.times[0] if self.times else 0.0}.get(
            what, self.times[-1] if self.times else 0.0
        )


async def watch(stream: RunStream[Any]) -> Seen:
    clock = asyncio.get_running_loop().time
    seen = Seen(clock())
    try:
        async for event in stream.events():
            seen.events.append(event)
            if text_in(event):
                seen.times.append(clock())
    except Exception as error:
        seen.error = error
    seen.ended = clock()
    return seen


async def play(name: str, fault: Fault, *, anthropic: bool = False) -> None:
    async with misbehaving(name, anthropic=anthropic) as agent:
        tasks = own_tasks()
        with Lag() as lag:
            stream = RunStream(agent.run_stream_events('hi'), deadlines=fault.deadlines)
            before = time.monotonic()
            async with stream:
                seen = await watch(stream)
                left = time.monotonic()
            assert own_tasks() == tasks
            if fault.phase or fault.held:
                await check_closed(name, fault, left, lag, before)
        check(stream, seen, fault, lag.allow(TOLERANCE, since=before))


async def check_closed(name: str, fault: Fault, left: float, lag: Lag, before: float) -> None:
    """The provider sees the connection end when the stream has ended, and is not asked again."""
    log = fault_server().LOG
    requests = len(log)
    await asyncio.sleep(TOLERANCE)
    if name.startswith('status'):
        # It ended its answers itself. The client was waiting to ask again, for half a second, and does not.
        assert connections() == []
        assert 'client_closed_at' not in log[-1], 'nothing was left to close'
        await asyncio.sleep(RETRIES_WITHIN)
        assert connections() == []
    else:
        assert 'client_closed_at' in log[-1], 'the provider has not seen the connection close'
        closed = at(log[-1], 'client_closed_at')
        assert abs(closed - left) <= lag.allow(TOLERANCE, since=before)
        if fault.held:
            # The server has sent the finish reason last.
            assert abs(closed - at(log[-1], 'last_send') - GRACE) <= lag.allow(TOLERANCE, since=before)
    assert len(log) == requests


def at(record: dict[str, Any], what: str) -> float:
    """When the server saw something, as `time.monotonic()`."""
    return record['_t0'] + record[what]


def check(stream: RunStream[Any], seen: Seen, fault: Fault, tolerance: float) -> None:
    assert stream.text_so_far == fault.text
    assert type(seen.error).__name__ == (fault.error or type(None)).__name__, seen.error
    held = [event for event in seen.events if isinstance(event, ConnectionHeldOpenEvent)]
    assert len(held) == fault.held
    if fault.error is None:
        assert (stream.finish, stream.output) == ('complete', fault.text)
        return
    assert isinstance(seen.error, fault.error)
    if isinstance(seen.error, StreamTimeout):
        assert seen.error.phase == fault.phase
        assert seen.error.text == fault.text
        assert stream.finish == 'timed_out'
        assert abs(seen.ended - seen.since(fault.since) - fault.limit) <= tolerance


@pytest.mark.parametrize('name', FAULTS)
async def test_a_fault_is_told_at_its_limit_for_what_it_is(name: str) -> None:
    await play(name, FAULTS[name])


@pytest.mark.parametrize('name', ANTHROPIC_FAULTS)
async def test_anthropics_pings_are_no_content(name: str) -> None:
    await play(name, ANTHROPIC_FAULTS[name], anthropic=True)


def test_every_fault_of_the_server_is_in_the_table() -> None:
    source = inspect.getsource(fault_server().openai)
    compared = ' '.join(re.findall(r"name (?:==|in|not in) (\([^)]*\)|'\w+')", source))
    played = {name.split(';')[0] for name in FAULTS}
    assert set(re.findall(r"'(\w+)'", compared)) <= played
    assert len(played) >= 30


async def test_a_program_that_blocks_the_loop_longer_than_idle_is_no_stall() -> None:
    async with misbehaving('ok;gap=0.05') as agent:
        async with RunStream(agent.run_stream_events('hi'), deadlines=LIMITS) as stream:
            blocked = 0
            async for _ in stream.text():
                if blocked < 2:
                    blocked += 1
                    time.sleep(IDLE * 2)  # noqa: ASYNC251 - what this test is about
        assert (stream.finish, stream.text_so_far) == ('complete', WHOLE)


async def test_a_stall_is_seen_though_the_program_blocks_the_loop_again_and_again() -> None:
    async with misbehaving('stall_mid') as agent:
        busy = True

        def block() -> None:
            time.sleep(0.03)
            if busy:
                asyncio.get_running_loop().call_later(0.001, block)

        async with RunStream(agent.run_stream_events('hi'), deadlines=LIMITS) as stream:
            block()
            started = time.monotonic()
            seen = await watch(stream)
            busy = False
        assert isinstance(seen.error, StreamTimeout)
        assert time.monotonic() - started < 3


async def test_a_slow_consumer_and_a_lagging_view_are_no_stall() -> None:
    async with misbehaving('ok;gap=0.01') as agent:
        async with RunStream(agent.run_stream_events('hi'), deadlines=LIMITS) as stream:

            async def slow() -> str:
                shown = ''
                async for piece in stream.text():
                    shown += piece
                    await asyncio.sleep(IDLE * 1.5 if len(shown) < 9 else 0.0)
                return shown

            async def lagging() -> str:
                return ''.join([piece async for piece in stream.text(smoothing=Smoothing(by='sentence', max_lag=0.8))])

            assert await asyncio.gather(slow(), lagging()) == [WHOLE, WHOLE]
        assert stream.finish == 'complete'
