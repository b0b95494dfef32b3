"""The providers that the tests play against: recorded streams, and a server that misbehaves on request.

Both stand beside the repository, in `../shared` or where `PROVIDER_STREAMS` and `FAULT_SERVER` say. Tests that need
them are skipped without them, and say so. Nothing here needs a key or the network.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, cast

import pytest
from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.models import Model

ROOT = Path(__file__).parent.parent
PROVIDER_STREAMS = Path(os.environ.get('PROVIDER_STREAMS', ROOT.parent / 'shared' / 'provider-streams'))
FAULT_SERVER = Path(os.environ.get('FAULT_SERVER', ROOT.parent / 'shared' / 'fault-server'))

needs_recordings = pytest.mark.skipif(
    not (PROVIDER_STREAMS / 'replay_server.py').is_file(),
    reason=f'no recorded provider streams in {PROVIDER_STREAMS}: set PROVIDER_STREAMS to their folder',
)
needs_fault_server = pytest.mark.skipif(
    not (FAULT_SERVER / 'fault_server.py').is_file(),
    reason=f'no fault server in {FAULT_SERVER}: set FAULT_SERVER to its folder',
)


class Recording(Protocol):
    """One recorded conversation with a provider."""

    folder: Path
    meta: dict[str, Any]

    @property
    def name(self) -> str: ...
    def __len__(self) -> int: ...
    def body(self, n: int) -> bytes: ...
    def expected(self) -> dict[str, Any]: ...


class Session(Protocol):
    """One replay of one recording, and what the server saw of it."""

    recording: Recording
    url: str
    started: float
    log: list[dict[str, Any]]
    requests: list[dict[str, Any]]

    def entries(self, what: str) -> list[dict[str, Any]]: ...
    def wait_for(self, what: str, count: int = 1, timeout: float = 5.0) -> bool: ...


class ReplayServer(Protocol):
    """The server of the recordings, in a thread of its own."""

    recordings: dict[str, Recording]

    def session(self, recording: str, **options: Any) -> Session: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def replaying() -> Any:
    """The module of the replay server: `ReplayServer`, `Pacing` and the faults."""
    return _module(PROVIDER_STREAMS, 'replay_server')


def start_replay() -> ReplayServer:
    """A server of all recordings, not entered yet."""
    return replaying().ReplayServer(PROVIDER_STREAMS / 'recordings')


def add_recording(server: ReplayServer, source: Recording, folder: Path, body: bytes) -> Recording:
    """Serve a copy of a recording whose only response is `body`, under the name of the folder."""
    folder.mkdir(parents=True)
    first = source.meta['requests'][0]
    (folder / 'meta.json').write_text(json.dumps({**source.meta, 'requests': [first]}), 'utf-8')
    (folder / first['response_file']).write_bytes(body)
    copy: Recording = replaying().Recording.load(folder)
    server.recordings[copy.name] = copy
    return copy


def blocks_of(body: bytes) -> list[bytes]:
    """The SSE blocks of a body; joined they are the body."""
    return replaying().split_sse(body)


def text_in_blocks(api: str, blocks: Sequence[bytes]) -> str:
    """The text for the user in the SSE blocks of a response, read without any client."""
    return texts_after_blocks(api, blocks)[-1]


def texts_after_blocks(api: str, blocks: Sequence[bytes]) -> list[str]:
    """That text before the first block, and after each."""
    raw, texts = '', ['']
    for block in blocks:
        raw += ''.join(piece for event in _events([block]) for piece in _READ[api](event))
        # Models that think aloud: pydantic-ai takes the thinking, and the white space after it, out of the text.
        texts.append(raw.partition('</think>')[2].lstrip() if raw.startswith('<think>') else raw)
    return texts


def _events(blocks: Sequence[bytes]) -> Iterator[Any]:
    for block in blocks:
        for line in block.decode().splitlines():
            payload = line.removeprefix('data:').strip()
            if line.startswith('data:') and payload != '[DONE]':
                yield json.loads(payload)


def _in_chat(event: Any) -> Iterator[str]:
    for choice in event.get('choices', ()):
        yield choice['delta'].get('content') or ''


def _in_responses(event: Any) -> Iterator[str]:
    if event['type'] == 'response.output_text.delta':
        yield event['delta']


def _in_messages(event: Any) -> Iterator[str]:
    if event['type'] == 'content_block_delta' and event['delta']['type'] == 'text_delta':
        yield event['delta']['text']


def _in_generated(event: Any) -> Iterator[str]:
    for candidate in event.get('candidates', ()):
        for part in candidate.get('content', {}).get('parts', ()):
            if not part.get('thought'):
                yield part.get('text', '')


_READ = {
    'chat-completions': _in_chat,
    'responses': _in_responses,
    'messages': _in_messages,
    'generate-content': _in_generated,
}


def said_in_request(api: str, body: Any) -> list[tuple[str, str]]:
    """Who says what in the body of a request: a list of (`user` or `assistant`, text), thinking left out."""
    if api == 'generate-content':
        turns = [('user' if turn['role'] == 'user' else 'assistant', turn['parts']) for turn in body['contents']]
    else:
        turns = [
            (turn.get('role', ''), turn.get('content')) for turn in body['input' if api == 'responses' else 'messages']
        ]
    said = [(role, _joined(content)) for role, content in turns]
    return [(role, text) for role, text in said if text and role in ('user', 'assistant')]


def _joined(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = cast('list[dict[str, Any]]', content or [])
    return '\n\n'.join(part['text'] for part in parts if part.get('text') and not part.get('thought'))


@asynccontextmanager
async def provider_agent(
    session: Session, *, capabilities: Sequence[AbstractCapability[Any]] = ()
) -> AsyncGenerator[Agent[None, Any]]:
    """The agent that a recording was made with, over the provider's real client, which is closed afterwards.

    With `capabilities` mounted beside its own.
    """
    check = _module(PROVIDER_STREAMS, 'replay_check')
    model: Model = check.build_model(session.recording.meta, session.url)
    with pytest.MonkeyPatch.context() as patch:
        own = check.native_tools
        patch.setattr(check, 'native_tools', lambda names: [*own(names), *capabilities])  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
        agent: Agent[None, Any] = check.build_agent(session.recording.meta, model)[0]
    async with closing(model):
        yield agent


@asynccontextmanager
async def closing(model: Model) -> AsyncGenerator[Model]:
    """Close the client of a model afterwards."""
    try:
        async with model:
            yield model
    finally:
        client = getattr(model, 'client', None)
        close = getattr(client, 'close', None)
        if close is not None and inspect.iscoroutinefunction(close):
            await close()


def fault_server() -> Any:
    """The module of the fault server: `serve()` and `LOG`."""
    return _module(FAULT_SERVER, 'fault_server')


def _module(folder: Path, name: str) -> Any:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return import_module(name)
