"""Structured outputs through the real clients: recorded ones, and invalid ones that are stopped and asked for again."""

from __future__ import annotations

import asyncio
import gc
import json
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import NativeOutput, PromptedOutput
from pydantic_ai.exceptions import UnexpectedModelBehavior

from pydantic_ai_streaming import InvalidOutput, PartialOutput, RunStream
from tests.lag import Lag
from tests.material import (
    Recording,
    ReplayServer,
    blocks_of,
    needs_recordings,
    provider_agent,
    replaying,
    said_in_request,
    text_in_blocks,
)
from tests.run.stages import PROVIDERS

pytestmark = [
    needs_recordings,
    pytest.mark.no_task_left,
    # Anthropic's client warns of the end of life of the models that the recordings were made with.
    pytest.mark.filterwarnings("ignore:The model 'claude-[a-z0-9-]+' is deprecated:DeprecationWarning"),
]

CLOSES_WITHIN = 0.1
"""Seconds from the chunk in which the output becomes invalid to the end of its connection, as the provider sees it."""

every_provider = pytest.mark.parametrize('provider', PROVIDERS)


@pytest.fixture(autouse=True)
def no_garbage_collector() -> Iterator[None]:
    """Nothing may depend on it: a connection that only it closes is one that is left open."""
    gc.disable()
    yield
    gc.enable()


# What was recorded

STRUCTURED = [
    'openai-chat-parallel-tools-tool-output',
    'openai-chat-tool-loop-tool-output',
    'openai-responses-tool-output-reasoning',
    'google-native-output-tool-loop',
]


@pytest.mark.parametrize('name', STRUCTURED)
@pytest.mark.parametrize('cut', ['event', 'whole', 'bytes:7'])
async def test_a_recorded_output_fills_in_and_ends_as_what_was_expected(
    replay: ReplayServer, name: str, cut: str
) -> None:
    session = replay.session(name, pacing=replaying().Pacing.none(cut=cut))
    turn, expected = session.recording.meta['replay']['turns'][0], session.recording.expected()['turns'][0]
    async with provider_agent(session) as agent, RunStream(agent.run_stream_events(turn['prompt'])) as stream:
        seen = [partial async for partial in stream.partial_outputs()]
    assert seen[-1].is_final
    assert jsonable(seen[-1].value) == jsonable(expected['output']) == jsonable(stream.output)
    assert not any(partial.errors for partial in seen)
    check_monotone(seen)
    if len(seen) > 1:
        assert jsonable(seen[-2].value) == jsonable(seen[-1].value)


def jsonable(value: Any) -> Any:
    return value.model_dump(mode='json') if isinstance(value, BaseModel) else value


def check_monotone(seen: Sequence[PartialOutput[Any]]) -> None:
    known: dict[Any, Any] = {}
    for partial in seen:
        if partial.is_final:
            break
        assert known.keys() <= set(partial.finished)
        for change in partial.changes:
            if change.op == 'complete':
                assert change.path not in known
                known[change.path] = change.value


# What is invalid


class Plan(BaseModel):
    title: str
    hours: int
    notes: str


GOOD = '{"title": "Move", "hours": 8, "notes": "Pack first."}'
BAD = '{"title": "Move", "hours": "many", "notes": "' + 'and so on, ' * 20 + '"}'
PLAN = Plan(title='Move', hours=8, notes='Pack first.')
PIECE = 6


def cut(text: str) -> list[str]:
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def answering(api: str, body: bytes, text: str) -> tuple[list[bytes], int]:
    """The SSE blocks of a response with its text replaced, and how many there are before the text begins."""
    blocks = blocks_of(body)
    whole = text_in_blocks(api, blocks)
    places = range(len(blocks))
    first = bisect_left(places, 1, key=lambda n: len(text_in_blocks(api, blocks[: n + 1])))
    last = bisect_left(places, len(whole), key=lambda n: len(text_in_blocks(api, blocks[: n + 1])))
    middle = next(n for n in range((first + last) // 2, last) if text_in_blocks(api, [blocks[n]]))
    pieces = cut(text)
    said = [with_text(api, blocks[middle], piece) for piece in pieces[:-1]]
    head = [block for n, block in enumerate(blocks[:first]) if n < 12 or n > first - 8]
    return [*head, *said, with_text(api, blocks[last], pieces[-1]), *blocks[last + 1 :]], len(head)


def with_text(api: str, block: bytes, text: str) -> bytes:
    lines = block.decode().splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.startswith('data:'):
            event = json.loads(line.removeprefix('data:'))
            if api == 'chat-completions':
                event['choices'][0]['delta']['content'] = text
            elif api == 'responses':
                event['delta'] = text
            elif api == 'messages':
                event['delta']['text'] = text
            else:
                event['candidates'][0]['content']['parts'] = [{'text': text}]
            ending = line[len(line.rstrip('\r\n')) :]
            lines[number] = f'data: {json.dumps(event)}{ending}'
    return ''.join(lines).encode()


def record(server: ReplayServer, provider: str, folder: Path, *texts: str) -> tuple[Recording, int]:
    """A recording that answers with these texts, one after the other, and the number of the event that breaks `BAD`."""
    source = server.recordings[PROVIDERS[provider].recording]
    api = source.meta['api']
    folder.mkdir(parents=True)
    first, broken_at = source.meta['requests'][0], 0
    requests: list[dict[str, Any]] = []
    for n, text in enumerate(texts, 1):
        blocks, before = answering(api, source.body(1), text)
        (folder / f'{n}.sse').write_bytes(b''.join(blocks))
        requests.append({**first, 'n': n, 'response_file': f'{n}.sse'})
        if text == BAD:
            broken_at = before + (BAD.index('"many"') + len('"many"') - 1) // PIECE + 1
    (folder / 'meta.json').write_text(json.dumps({**source.meta, 'requests': requests}), 'utf-8')
    recording: Recording = replaying().Recording.load(folder)
    server.recordings[recording.name] = recording
    return recording, broken_at


def prompt_of(recording: Recording) -> str:
    return recording.meta['replay']['turns'][0]['prompt']


@pytest.mark.parametrize(
    ('provider', 'output_type'),
    # The models of the other recordings have no native output, or none beside tools.
    [
        *((provider, PromptedOutput(Plan)) for provider in PROVIDERS),
        ('openai-chat', NativeOutput(Plan)),
        ('openai-responses', NativeOutput(Plan)),
    ],
)
async def test_retry_closes_the_connection_and_the_next_request_says_why(
    replay: ReplayServer, tmp_path: Path, provider: str, output_type: Any
) -> None:
    recording, broken_at = record(
        replay, provider, tmp_path / f'{provider}--retry-{type(output_type).__name__}', BAD, GOOD
    )
    # After the broken event the provider says nothing more and waits: only the client can end this response.
    session = replay.session(recording.name, faults=[replaying().Stall(broken_at, request=1)])
    tasks = asyncio.all_tasks()
    async with provider_agent(session) as agent:
        run = agent.run_stream_events(prompt_of(recording), output_type=output_type)
        with Lag() as lag:
            async with RunStream(run) as stream:
                seen = [partial async for partial in stream.partial_outputs(on_invalid='retry')]
            assert asyncio.all_tasks() == tasks
            assert await asyncio.to_thread(session.wait_for, 'client_disconnect'), session.log
            closed = session.entries('client_disconnect')[0]['t']
            silent = session.entries('fault')[0]['t']
            assert closed - silent <= lag.allow(CLOSES_WITHIN, since=session.started + silent)
    assert (stream.finish, stream.output, seen[-1].attempt) == ('complete', PLAN, 2)
    assert len(session.requests) == 2
    said = said_in_request(recording.meta['api'], session.requests[1]['json'])
    assert 'hours: Input should be a valid integer' in said[-1][1]
    assert [role for role, _ in said[-2:]] == ['assistant', 'user'], 'the model sees what it had said'


@every_provider
async def test_stop_closes_the_connection_and_the_history_goes_on(
    replay: ReplayServer, tmp_path: Path, provider: str
) -> None:
    recording, broken_at = record(replay, provider, tmp_path / f'{provider}--stop', BAD)
    session = replay.session(recording.name, faults=[replaying().Stall(broken_at)])
    tasks = asyncio.all_tasks()
    async with provider_agent(session) as agent:
        run = agent.run_stream_events(prompt_of(recording), output_type=PromptedOutput(Plan))
        stream = RunStream(run)
        with Lag() as lag:
            error = await stopped_with(stream)
            assert asyncio.all_tasks() == tasks
            assert await asyncio.to_thread(session.wait_for, 'client_disconnect'), session.log
            closed = session.entries('client_disconnect')[0]['t']
            silent = session.entries('fault')[0]['t']
            assert closed - silent <= lag.allow(CLOSES_WITHIN, since=session.started + silent)
    assert (stream.finish, error.path, error.value.title) == ('invalid', ('hours',), 'Move')
    assert error.received < len(BAD) * 0.2
    recording, _ = record(replay, provider, tmp_path / f'{provider}--next', GOOD)
    session = replay.session(recording.name)
    async with provider_agent(session) as agent:
        result = await streamed(agent, stream)
    assert result == PLAN
    assert len(session.requests) == 1


async def stopped_with(stream: RunStream[Any]) -> InvalidOutput:
    async with stream:
        try:
            async for _ in stream.partial_outputs(on_invalid='stop'):
                pass
        except InvalidOutput as error:
            return error
    raise AssertionError('not stopped')


async def streamed(agent: Any, stream: RunStream[Any]) -> Any:
    run = agent.run_stream_events('Again, please.', message_history=stream.messages, output_type=PromptedOutput(Plan))
    async with RunStream(run) as following:
        return await following.get_output()


@every_provider
async def test_retries_are_used_up_without_a_connection_left(
    replay: ReplayServer, tmp_path: Path, provider: str
) -> None:
    recording, _ = record(replay, provider, tmp_path / f'{provider}--exhausted', BAD)
    session = replay.session(recording.name, loop=True)
    tasks = asyncio.all_tasks()
    async with provider_agent(session) as agent:
        run = agent.run_stream_events(prompt_of(recording), output_type=PromptedOutput(Plan))
        async with RunStream(run) as stream:
            with pytest.raises(UnexpectedModelBehavior, match='Exceeded maximum output retries'):
                await drained(stream.partial_outputs(on_invalid='retry'))
        assert asyncio.all_tasks() == tasks
    assert (stream.finish, stream.usage.requests) == ('failed', len(session.requests))
    assert len(session.requests) > 1


async def drained(view: AsyncIterator[object]) -> None:
    async for _ in view:
        pass
