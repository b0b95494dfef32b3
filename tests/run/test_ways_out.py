"""Every way out of a stream, with every client: the text stays, the history goes on, nothing is left open."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelRateLimitError,
    ModelServerError,
    UnexpectedModelBehavior,
)
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart

from pydantic_ai_streaming import Deadlines, Finish, Phase, RunStream, Smoothing, StreamTimeout, StreamTruncated
from pydantic_ai_streaming.reduce.history import INTERRUPTED, UNUSABLE
from tests.lag import Lag
from tests.material import Session, needs_recordings, provider_agent, replaying, said_in_request
from tests.run.stages import PROVIDERS, Stage

pytestmark = [
    needs_recordings,
    pytest.mark.no_task_left,
    # Anthropic's client warns of the end of life of the models that the recordings were made with.
    pytest.mark.filterwarnings("ignore:The model 'claude-[a-z0-9-]+' is deprecated:DeprecationWarning"),
]

CLOSES_WITHIN = 0.1
"""Seconds from the end of a run to the end of its connection, as the provider sees it."""

NEW_PROMPT = 'And what comes after that?'


class ConsumerError(Exception):
    """What the program that reads the stream fails with."""


# What the consumer does. Each is given the stream and the text after which the provider falls silent, and says with
# `leaving` when it has decided to go.


@dataclass
class Scene:
    stream: RunStream[Any]
    text: str
    left: float | None = None

    def leaving(self) -> None:
        self.left = time.monotonic()

    async def pieces_until_the_text_is_there(self) -> AsyncIterator[str]:
        shown = ''
        async for piece in self.stream.text():
            shown += piece
            if shown == self.text:
                self.leaving()
            yield piece


async def reads(scene: Scene) -> None:
    """Three views, which must end with one and the same error, or with none."""
    stream = scene.stream
    errors = await asyncio.gather(
        *map(error_of, (stream.text(), stream.text(smoothing=Smoothing()), stream.events(), stream.thinking()))
    )
    assert all(error is errors[0] for error in errors)
    if errors[0] is not None:
        raise errors[0]


async def breaks(scene: Scene) -> None:
    async for _ in scene.pieces_until_the_text_is_there():
        if scene.left:
            break


async def raises(scene: Scene) -> None:
    async for _ in scene.pieces_until_the_text_is_there():
        if scene.left:
            raise ConsumerError


async def is_cancelled(scene: Scene) -> None:
    task = asyncio.current_task()
    assert task is not None
    async for _ in scene.pieces_until_the_text_is_there():
        if scene.left:
            asyncio.get_running_loop().call_soon(task.cancel)


async def leaves_without_reading(scene: Scene) -> None:
    await until(lambda: scene.stream.text_so_far == scene.text)
    scene.leaving()


async def stays_without_reading(scene: Scene) -> None:
    await until(lambda: scene.stream.finish is not None)


async def error_of(view: AsyncIterator[object]) -> Exception | None:
    try:
        async for _ in view:
            pass
    except Exception as error:
        return error
    return None


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - the point is to look from outside, without a view
            await asyncio.sleep(0.002)


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way out.

    Attributes:
        faults: What the provider does.
        broken: The event that stands in the middle of the stream.
        consumer: What the program does.
        kept: How much of the text had come.
        finish: What the stream says of its end.
        error: What leaves the `async with`; `'error_event'` stands for what the provider's own event becomes.
        limit: The deadline that passes, with its phase.
        closes: Whether the provider holds the connection open, so that it can see the client close it.
        rejects: Whether no output is valid.
    """

    faults: Callable[[Stage], list[Any]]
    broken: str = ''
    consumer: Callable[[Scene], Awaitable[None]] = reads
    kept: Literal['none', 'half', 'all'] = 'half'
    finish: Finish
    error: type[BaseException] | Literal['error_event'] | None = None
    limit: tuple[Phase, float] | None = None
    closes: bool = False
    rejects: bool = False
    deadlines: Deadlines = field(default_factory=Deadlines)


def silent(stage: Stage) -> list[Any]:
    return [stage.stall()]


def silent_from_the_start(_: Stage) -> list[Any]:
    return [replaying().Stall(0)]


def silent_after_the_broken_event(stage: Stage) -> list[Any]:
    return [stage.stall(after=1)]


def cut(stage: Stage) -> list[Any]:
    return [replaying().Cut(stage.half_bytes + 9)]


def reset(stage: Stage) -> list[Any]:
    return [replaying().Reset(stage.half_bytes + 9)]


def ended_early(stage: Stage) -> list[Any]:
    return [replaying().EarlyEnd(stage.half)]


def status(code: int) -> Callable[[Stage], list[Any]]:
    return lambda _: [replaying().Status(code, times=99, retry_after=0.01)]


def well(_: Stage) -> list[Any]:
    return []


WAYS = {
    'end': Way(faults=well, kept='all', finish='complete'),
    'break': Way(faults=silent, consumer=breaks, finish='stopped', closes=True),
    'exception in the consumer': Way(
        faults=silent, consumer=raises, finish='stopped', error=ConsumerError, closes=True
    ),
    'outer cancellation': Way(
        faults=silent, consumer=is_cancelled, finish='stopped', error=asyncio.CancelledError, closes=True
    ),
    'first': Way(
        faults=silent_from_the_start,
        deadlines=Deadlines(first=0.3),
        kept='none',
        finish='timed_out',
        error=StreamTimeout,
        limit=('first', 0.3),
        closes=True,
    ),
    'idle': Way(
        faults=silent,
        deadlines=Deadlines(first=9, idle=0.3),
        finish='timed_out',
        error=StreamTimeout,
        limit=('idle', 0.3),
        closes=True,
    ),
    'total': Way(
        faults=silent,
        deadlines=Deadlines(total=2),  # what has come by then, on a machine that does much else, is half of the text
        finish='timed_out',
        error=StreamTimeout,
        limit=('total', 2),
        closes=True,
    ),
    'connection cut': Way(faults=cut, finish='failed', error=ModelConnectionError),
    'connection reset': Way(faults=reset, finish='failed', error=ModelConnectionError),
    '429 to the end': Way(faults=status(429), kept='none', finish='failed', error=ModelRateLimitError),
    '500 to the end': Way(faults=status(500), kept='none', finish='failed', error=ModelServerError),
    'malformed event': Way(
        faults=silent_after_the_broken_event, broken='malformed', finish='failed', error=ModelAPIError, closes=True
    ),
    'error event': Way(
        faults=silent_after_the_broken_event, broken='error_event', finish='failed', error='error_event', closes=True
    ),
    'truncation': Way(faults=ended_early, finish='truncated', error=StreamTruncated),
    'output validation exhausted': Way(
        faults=well, kept='all', finish='failed', error=UnexpectedModelBehavior, rejects=True
    ),
    'nobody reads, and leaves': Way(faults=silent, consumer=leaves_without_reading, finish='stopped', closes=True),
    'nobody reads, and it fails': Way(
        faults=cut, consumer=stays_without_reading, finish='failed', error=ModelConnectionError
    ),
    'nobody reads, and it is late': Way(
        faults=silent,
        consumer=stays_without_reading,
        deadlines=Deadlines(idle=0.3),
        finish='timed_out',
        error=StreamTimeout,
        limit=('idle', 0.3),
        closes=True,
    ),
}

RUNS: dict[str, Callable[[Agent[None, Any], str], Any]] = {
    'run_stream_events': lambda agent, prompt: agent.run_stream_events(prompt),
    'run_stream': lambda agent, prompt: agent.run_stream(prompt),
}


@pytest.fixture(autouse=True)
def no_garbage_collector() -> Iterator[None]:
    """Nothing may depend on it: a connection that only it closes is one that is left open."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('provider', PROVIDERS)
@pytest.mark.parametrize('method', RUNS)
async def test_on_every_way_out_the_text_stays_and_nothing_else(
    stages: dict[str, Stage], provider: str, method: str, way: str
) -> None:
    stage, out = stages[provider], WAYS[way]
    session = stage.session(*out.faults(stage), broken=out.broken, loop=out.rejects)
    tasks = asyncio.all_tasks()
    async with provider_agent(session) as agent:
        if out.rejects:
            agent.output_validator(reject)
        scene = Scene(RunStream(RUNS[method](agent, stage.prompt), deadlines=out.deadlines), stage.half_text)
        with Lag() as lag:
            started = time.monotonic()
            task = asyncio.create_task(play(scene, out.consumer))
            await asyncio.wait({task})
            assert asyncio.all_tasks() == tasks, 'left when the context is left'
            if out.closes:
                await check_closed(session, out, lag, scene.left, started)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        check_error(scene.stream, stage, out, error)
        await check_kept(scene.stream, stage, out, error, attempts=len(session.requests) if out.rejects else 1)
    await check_next_runs(scene.stream, stage, out)


def reject(_: object) -> object:
    raise ModelRetry('Not good enough.')


async def play(scene: Scene, consumer: Callable[[Scene], Awaitable[None]]) -> None:
    async with scene.stream:
        await consumer(scene)


async def check_closed(session: Session, out: Way, lag: Lag, left: float | None, started: float) -> None:
    """The provider sees the connection end within a tenth of a second of the reason for it."""
    assert await asyncio.to_thread(session.wait_for, 'client_disconnect'), session.log
    closed = session.started + session.entries('client_disconnect')[0]['t']
    silent_at = session.started + session.entries('fault')[0]['t']
    if left is None:
        phase, limit = out.limit or ('idle', 0.0)
        # Silence counts from the last content, which the server has sent just before it notes its silence.
        left = limit + (started if phase == 'total' else silent_at)
        assert closed - left > -0.05, 'too early'
    assert closed - left <= lag.allow(CLOSES_WITHIN, since=silent_at)


def check_error(stream: RunStream[Any], stage: Stage, out: Way, error: BaseException | None) -> None:
    expected = stage.provider.error if out.error == 'error_event' else out.error
    # pydantic-ai makes a subclass of the same name for the errors that carry an HTTP status.
    assert type(error).__name__ == (expected or type(None)).__name__, error
    assert expected is None or isinstance(error, expected)
    assert stream.finish == out.finish
    if isinstance(error, StreamTimeout):
        assert (error.phase, error.limit) == out.limit
        assert error.elapsed >= error.limit
        assert error.usage == stream.usage
    if isinstance(error, StreamTimeout | StreamTruncated):
        assert (error.text, list(error.messages)) == (stream.text_so_far, stream.messages)


async def check_kept(
    stream: RunStream[Any], stage: Stage, out: Way, error: BaseException | None, *, attempts: int
) -> None:
    kept = {'none': '', 'half': stage.half_text, 'all': stage.text}[out.kept] * attempts
    assert stream.text_so_far == kept
    assert text_in(stream.messages) == kept
    # What has ended can be read again, with the same end.
    again: list[str] = []
    late: BaseException | None = None
    try:
        async for piece in stream.text():
            again.append(piece)  # noqa: PERF401 - what came before the error counts
    except Exception as raised:
        late = raised
    assert ''.join(again) == kept
    assert late is (error if out.finish in ('failed', 'timed_out', 'truncated') else None)


def text_in(messages: list[ModelMessage]) -> str:
    return ''.join(
        part.content
        for message in messages
        if isinstance(message, ModelResponse)
        for part in message.parts
        if isinstance(part, TextPart)
    )


async def check_next_runs(stream: RunStream[Any], stage: Stage, out: Way) -> None:
    """The history goes into a next run as it is, with a new prompt and with none, and the model is asked."""
    note = {'none': None, 'half': INTERRUPTED, 'all': UNUSABLE if out.rejects else None}[out.kept]
    for prompt in [NEW_PROMPT] if out.finish == 'complete' else [NEW_PROMPT, None]:
        session = stage.session()
        async with provider_agent(session) as agent:
            run = agent.run_stream_events(prompt, message_history=stream.messages)
            async with RunStream(run) as following:
                assert await following.get_output() == stage.text
        assert len(session.requests) == 1
        said = said_in_request(stage.api, session.requests[0]['json'])
        assert said[0] == ('user', stage.prompt) or (prompt, note) == (NEW_PROMPT, None)
        if out.kept != 'none':
            # Groq's thinking is sent back in front of the text.
            role, text = said[1]
            assert role == 'assistant'
            assert text.endswith(stage.text if out.kept == 'all' else stage.half_text)
        # Two requests in a row may be sent as one message of two parts, or as two messages.
        answered = max((n for n, (role, _) in enumerate(said) if role == 'assistant'), default=-1)
        asked = '\n\n'.join(text for _, text in said[answered + 1 :])
        expected = [stage.prompt] if out.kept == 'none' else []
        assert asked.split('\n\n') == [*expected, *([note] if note else []), *([prompt] if prompt else [])]
