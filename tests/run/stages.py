"""The five provider clients, each with a recording to leave in the middle, and what their streams break with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_ai.exceptions import ModelOverloadedError, ModelServerError

from tests.material import (
    Recording,
    ReplayServer,
    Session,
    add_recording,
    blocks_of,
    replaying,
    text_in_blocks,
    texts_after_blocks,
)

__all__ = ['PROVIDERS', 'Provider', 'Stage', 'build_stage']

MANY = 150


@dataclass(frozen=True)
class Provider:
    """One provider's client.

    Attributes:
        recording: The recording that is played to it.
        malformed: An event that is no JSON.
        error_event: The provider's own way to tell of an error in the middle of a stream.
        error: What pydantic-ai makes of `error_event`.
    """

    recording: str
    malformed: bytes
    error_event: bytes
    error: type[Exception]


PROVIDERS = {
    'openai-chat': Provider(
        'openai-chat-short-text',
        b'data: {"id": "x", oops\n\n',
        b'data: {"error": {"message": "injected overload", "type": "server_error", "code": 503}}\n\n',
        ModelServerError,
    ),
    'openai-responses': Provider(
        'openai-responses-four-turn-chat',
        b'event: response.output_text.delta\ndata: {"id": "x", oops\n\n',
        b'event: error\ndata: {"type":"error","sequence_number":9,"code":"server_error","message":"injected",'
        b'"param":null}\n\n',
        ModelServerError,
    ),
    'anthropic': Provider(
        'anthropic-thinking-text',
        b'event: content_block_delta\ndata: {"id": "x", oops\n\n',
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
        ModelOverloadedError,
    ),
    'google': Provider(
        'google-thinking',
        b'data: {"id": "x", oops\r\n\r\n',
        b'data: {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}\r\n\r\n',
        ModelOverloadedError,
    ),
    'groq': Provider(
        'groq-reasoning-two-turn-long',
        b'data: {"id": "x", oops\n\n',
        b'event: error\ndata: {"error": {"message": "injected overload", "type": "server_error", "code": 503}}\n\n',
        ModelServerError,
    ),
}


@dataclass(frozen=True)
class Stage:
    """A recording to leave in the middle of its text.

    Attributes:
        half: The number of the event after which half of the text has been sent.
        half_bytes: The bytes until then.
        half_text: The text until then.
        text: The whole text.
    """

    provider: Provider
    server: ReplayServer
    recording: Recording
    half: int
    half_bytes: int
    half_text: str
    text: str

    @property
    def api(self) -> str:
        return self.recording.meta['api']

    @property
    def prompt(self) -> str:
        return self.recording.meta['replay']['turns'][0]['prompt']

    def session(self, *faults: Any, broken: str = '', loop: bool = False) -> Session:
        """A replay; `broken` names the event that stands in the middle of it: `malformed` or `error_event`."""
        name = f'{self.recording.name}--{broken}' if broken else self.recording.name
        return self.server.session(name, faults=list(faults), loop=loop)

    def stall(self, *, after: int = 0) -> Any:
        """Silence from the middle on, until the client leaves."""
        return replaying().Stall(self.half + after)


def build_stage(server: ReplayServer, provider: Provider, folder: Path) -> Stage:
    """Prepare the recording of a provider, and its broken copies."""
    source = server.recordings[provider.recording]
    api = source.meta['api']
    blocks = _shortened(api, blocks_of(source.body(1)))
    growing = _growing(api, blocks)
    half = growing[len(growing) // 2]

    def add(name: str, body: list[bytes]) -> Recording:
        return add_recording(server, source, folder / name, b''.join(body))

    name = f'{provider.recording}--middle'
    for broken in ('malformed', 'error_event'):
        add(f'{name}--{broken}', [*blocks[:half], getattr(provider, broken), *blocks[half:]])
    return Stage(
        provider=provider,
        server=server,
        recording=add(name, blocks),
        half=half,
        half_bytes=sum(map(len, blocks[:half])),
        half_text=text_in_blocks(api, blocks[:half]),
        text=text_in_blocks(api, blocks),
    )


def _growing(api: str, blocks: list[bytes]) -> list[int]:
    """The numbers of the events that bring text."""
    texts = texts_after_blocks(api, blocks)
    return [n for n in range(1, len(texts)) if texts[n] != texts[n - 1]]


def _shortened(api: str, blocks: list[bytes]) -> list[bytes]:
    """A long stream without most of its deltas, so that a hundred tests can play it."""
    if len(blocks) <= MANY:
        return blocks
    growing = _growing(api, blocks)
    first, last = growing[0], growing[-1]
    keep: Callable[[int], bool] = lambda n: n < 15 or first - 8 < n < first + 30 or n > last - 15  # noqa: E731
    return [block for n, block in enumerate(blocks, 1) if keep(n)]
