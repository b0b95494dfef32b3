"""Recorded provider streams through the real clients: nothing lost, nothing added, no false alarm, no cut unseen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from typing import Any

import pytest
from pydantic_ai.exceptions import ModelRequestRejectedError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart

from pydantic_ai_streaming import (
    ConnectionHeldOpenEvent,
    Deadlines,
    ResponseTruncatedEvent,
    RunEvent,
    RunStream,
    Smoothing,
    StreamTruncated,
)
from tests.material import Recording, ReplayServer, Session, blocks_of, needs_recordings, provider_agent, replaying

pytestmark = [
    needs_recordings,
    pytest.mark.no_task_left,
    # Anthropic's client warns of the end of life of the models that the recordings were made with.
    pytest.mark.filterwarnings("ignore:The model 'claude-[a-z0-9-]+' is deprecated:DeprecationWarning"),
]

FINISH_REASON = {
    'anthropic-redacted-thinking': (26, 27),
    'anthropic-short-text': (6, 7),
    'anthropic-thinking-text': (117, 118),
    'anthropic-tool-search-then-tool': (9, 10),
    'anthropic-web-search-thinking': (110, 111),
    'deepseek-reasoner-text': (211, 212),
    'deepseek-responses-tool-loop': (21, 21),
    'google-native-output-tool-loop': (3, 3),
    'google-thinking': (23, 23),
    'google-tool-loop': (2, 2),
    'groq-reasoning-two-turn-long': (1506, 1507),
    'groq-tool-use-failed': (50, 51),
    'openai-chat-parallel-tools-tool-output': (55, 57),
    'openai-chat-short-text': (10, 12),
    'openai-chat-tool-loop-tool-output': (42, 44),
    'openai-chat-tool-then-text': (10, 12),
    'openai-responses-commentary-tool-loop': (20, 20),
    'openai-responses-four-turn-chat': (16, 16),
    'openai-responses-thinking-long': (676, 676),
    'openai-responses-tool-loop': (15, 15),
    'openai-responses-tool-output-reasoning': (14, 14),
    'openai-responses-web-search': (61, 61),
    'openrouter-error-in-stream': (19, 22),
    'openrouter-reasoning-o3': (108, 110),
}
"""Where the last response of each recording has its finish reason: the number of that event, of how many events.

A stream that ends before this event is seen to be truncated. One that ends between it and the last event lacks nothing
but bookkeeping (Anthropic's `message_stop`, usage, `[DONE]`): it is complete, and nothing tells it from a whole one.
OpenAI's Responses and Google give the finish reason in the very last event, so there nothing is missed.
`openrouter-error-in-stream` has a finish reason (`length`) before the error that it ends with.
"""

CUTS = ('event', 'whole', 'bytes:5', 'bytes:7', 'bytes:11')

SMOOTHINGS = (
    Smoothing(),
    Smoothing(by='grapheme'),
    Smoothing(by='line', drain=0),
    Smoothing(by='sentence', max_lag=0.05),
    Smoothing(by='word', max_lag=0, fps=1000),
)

DEADLINES = Deadlines(first=20, idle=20, total=60, min_rate=1, rate_window=20)

every_recording = pytest.mark.parametrize('name', FINISH_REASON)


def test_the_table_knows_every_recording(replay: ReplayServer) -> None:
    assert set(replay.recordings) == set(FINISH_REASON)
    assert len(FINISH_REASON) == 24
    for name, (_, events) in FINISH_REASON.items():
        recording = replay.recordings[name]
        assert len(blocks_of(recording.body(len(recording)))) == events, name


async def joined(view: AsyncIterator[str]) -> tuple[str, Exception | None]:
    pieces: list[str] = []
    try:
        async for piece in view:
            pieces.append(piece)  # noqa: PERF401 - what came before an error counts
    except Exception as error:
        return ''.join(pieces), error
    return ''.join(pieces), None


async def all_joined(views: Sequence[AsyncIterator[str]]) -> list[tuple[str, Exception | None]]:
    return await asyncio.gather(*map(joined, views))


async def everything(stream: RunStream[Any]) -> list[RunEvent]:
    events: list[RunEvent] = []
    try:
        async for event in stream.events():
            events.append(event)  # noqa: PERF401 - what came before an error counts
    except Exception:
        assert stream.finish is not None
    return events


def said_by_the_model(messages: Sequence[ModelMessage]) -> list[str]:
    return [
        ''.join(part.content for part in message.parts if isinstance(part, TextPart))
        for message in messages
        if isinstance(message, ModelResponse)
    ]


@every_recording
@pytest.mark.parametrize('cut', CUTS)
async def test_the_text_shown_is_the_text_streamed_wherever_the_bytes_are_cut(
    replay: ReplayServer, monkeypatch: pytest.MonkeyPatch, name: str, cut: str
) -> None:
    if cut.startswith('bytes'):
        # The server counts events for its faults, anew for each slice: without a fault that only takes time.
        monkeypatch.setattr(replaying(), 'split_sse', lambda body: [body])  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
    session = replay.session(name, pacing=replaying().Pacing.none(cut=cut))
    history: list[ModelMessage] = []
    turns: list[dict[str, Any]] = session.recording.meta['replay']['turns']
    async with provider_agent(session) as agent:
        for turn, expected in zip(turns, session.recording.expected()['turns'], strict=True):
            run = agent.run_stream_events(turn['prompt'], message_history=history or None)
            fails = pytest.raises(ModelRequestRejectedError) if expected['error'] else nullcontext()
            with fails:
                async with RunStream(run, deadlines=DEADLINES) as stream:
                    views = [stream.text(), *(stream.text(smoothing=smoothing) for smoothing in SMOOTHINGS)]
                    events, shown = await asyncio.gather(everything(stream), all_joined(views))
                    check_turn(stream, expected, shown, history)
                    check_no_alarm(events)
                    _ = stream.output
            history = stream.messages
    assert len(session.requests) == len(session.recording)


def check_turn(
    stream: RunStream[Any],
    expected: dict[str, Any],
    shown: list[tuple[str, Exception | None]],
    history: list[ModelMessage],
) -> None:
    streamed = ''.join(part['content'] for part in expected['streamed'] if part['kind'] == 'text')
    assert [text for text, _ in shown] == [streamed] * len(shown)
    assert stream.text_so_far == streamed
    assert stream.messages[: len(history)] == history, 'the history of the turns before is kept as it was'
    new = stream.messages[len(history) :]
    if expected['error']:
        errors = [error for _, error in shown]
        assert all(error is errors[0] and isinstance(error, ModelRequestRejectedError) for error in errors)
        assert stream.finish == 'failed'
        return
    assert [error for _, error in shown] == [None] * len(shown)
    assert stream.finish == 'complete'
    assert stream.output == expected['output']
    assert [message.kind for message in new] == expected['message_kinds']
    texts = [
        ''.join(part['content'] for part in response['parts'] if part['kind'] == 'text')
        for response in expected['responses']
    ]
    assert said_by_the_model(new) == texts
    assert stream.usage.output_tokens == expected['usage']['output_tokens']
    assert stream.usage.input_tokens == expected['usage']['input_tokens']


def check_no_alarm(events: Sequence[RunEvent]) -> None:
    assert not [event for event in events if isinstance(event, ResponseTruncatedEvent | ConnectionHeldOpenEvent)]


def ended_early(replay: ReplayServer, name: str, after_event: int) -> Session:
    """A session whose last response ends cleanly after some events; the turns before the last are not asked again.

    The next one for the same recording has the same address, so that one client serves all.
    """
    recording = replay.recordings[name]
    faults = [replaying().EarlyEnd(after_event, request=len(recording))]
    answered = len(recording) - len(last_turn(recording)['requests'])
    return replay.session(name, id='early', faults=faults, answered=answered)


def last_turn(recording: Recording) -> dict[str, Any]:
    return recording.meta['replay']['turns'][-1]


def places(name: str) -> list[int]:
    """Where to cut: at the first event, a third, half, two thirds, and just before the finish reason."""
    finish, events = FINISH_REASON[name]
    return sorted({1, events // 3, events // 2, events * 2 // 3, finish - 1} & set(range(1, finish)))


@every_recording
async def test_a_stream_that_ends_cleanly_before_its_finish_reason_is_truncated(
    replay: ReplayServer, name: str
) -> None:
    prompt = last_turn(replay.recordings[name])['prompt']
    async with provider_agent(ended_early(replay, name, 1)) as agent:
        for place in places(name):
            ended_early(replay, name, place)
            stream = RunStream(agent.run_stream_events(prompt), deadlines=DEADLINES)
            async with stream:
                (shown, error), (again, same) = await all_joined([stream.text(), stream.text()])
            assert stream.finish == 'truncated', place
            assert isinstance(error, StreamTruncated)
            assert error is same is error_of(stream)
            assert error.text == stream.text_so_far == shown == again
            assert list(error.messages) == stream.messages
            assert ''.join(said_by_the_model(stream.messages)) == shown


@every_recording
async def test_a_truncated_reply_can_be_kept_and_is_marked(replay: ReplayServer, name: str) -> None:
    prompt = last_turn(replay.recordings[name])['prompt']
    async with provider_agent(ended_early(replay, name, 1)) as agent:
        for place in places(name):
            session = ended_early(replay, name, place)
            stream = RunStream(agent.run_stream_events(prompt), deadlines=DEADLINES, on_truncation='mark')
            async with stream:
                events = await everything(stream)
            marked = [event for event in events if isinstance(event, ResponseTruncatedEvent)]
            if stream.finish == 'failed':
                # What had come was no output, so pydantic-ai has asked again, which no recording answers; or it had no
                # part at all, for which pydantic-ai has an error of its own.
                no_part = str(error_of(stream)).startswith('Streamed response ended without')
                assert asked_again(session) or no_part, place
                assert len(marked) == asked_again(session), place
            else:
                assert (stream.finish, len(marked)) == ('truncated', 1), place


def asked_again(session: Session) -> bool:
    return bool(session.entries('exhausted'))


def error_of(stream: RunStream[Any]) -> Exception | None:
    try:
        _ = stream.output
    except Exception as error:
        return error
    return None


@every_recording
async def test_what_is_cut_after_the_finish_reason_is_whole(replay: ReplayServer, name: str) -> None:
    finish, _ = FINISH_REASON[name]
    session = ended_early(replay, name, finish)
    async with provider_agent(session) as agent:
        stream = RunStream(agent.run_stream_events(last_turn(session.recording)['prompt']), deadlines=DEADLINES)
        async with stream:
            events = await everything(stream)
    check_no_alarm(events)
    if name == 'openrouter-error-in-stream':
        assert (stream.finish, stream.text_so_far) == ('failed', '')
        return
    assert stream.finish == 'complete'
    assert stream.output == session.recording.expected()['turns'][-1]['output']
