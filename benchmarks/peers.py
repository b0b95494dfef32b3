"""Other ways to read a structured output while it streams, each as it is meant to be used: `PEERS`.

They are no dependencies of the project. instructor wants an older jiter than the pinned clients, so that it needs an
environment of its own: `make bench-peers`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError
from pydantic_ai import Agent
from pydantic_ai.messages import ToolCallPart

from benchmarks.documents import Document, slices
from benchmarks.invalid import INVALID, Invalid, chunks_late
from benchmarks.judge import ABSENT, Judge, Verdict, in_value
from benchmarks.oracle import Oracle
from pydantic_ai_streaming import partial_outputs
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

__all__ = ['OURS', 'PEERS', 'Peer', 'flagged', 'judged']

Reader: TypeAlias = Callable[[Any, Sequence[str]], Iterator[Any]]
"""Takes a type and chunks. Yields after each chunk what it shows: `ABSENT` if nothing new, an exception if it fails."""


@dataclass(frozen=True)
class Peer:
    """One way to read.

    Attributes:
        name: Its name.
        read: Reads a document.
        needs: The module that has to be there.
    """

    name: str
    read: Reader
    needs: str

    @property
    def missing(self) -> str | None:
        """How to install it, if it is not there."""
        try:
            import_module(self.needs)
        except ImportError:
            return f'not installed: make bench-peers, or pip install {self.needs.partition(".")[0]}'
        return None


def ours(of: Any, chunks: Sequence[str]) -> Iterator[Any]:
    """`partial_outputs` of this package."""
    taken, told = [0], 0

    def counted() -> Iterator[str]:
        for chunk in chunks:
            taken[0] += 1
            yield chunk

    for partial in partial_outputs(counted(), of):
        while told < taken[0] - 1:
            told += 1
            yield ABSENT
        if not partial.is_final:
            told += 1
            yield partial.errors[0].error if partial.errors else partial.value


def pydantic_partial(of: Any, chunks: Sequence[str]) -> Iterator[Any]:
    """Pydantic's experimental partial validation, of all that has come, after each chunk."""
    validate = TypeAdapter(of).validate_json
    text = ''
    for chunk in chunks:
        text += chunk
        try:
            yield validate(text, experimental_allow_partial='trailing-strings')
        except ValidationError as error:
            yield error


def jiter_partial(of: Any, chunks: Sequence[str]) -> Iterator[Any]:
    """Jiter's partial mode: values of JSON, without types."""
    from_json = import_module('jiter').from_json
    text = b''
    for chunk in chunks:
        text += chunk.encode()
        try:
            yield from_json(text, partial_mode='trailing-strings')
        except ValueError as error:
            yield error


def openai_stream(of: Any, chunks: Sequence[str]) -> Iterator[Any]:
    """What `client.chat.completions.stream` puts together: values of JSON until the end."""
    state = import_module('openai.lib.streaming.chat').ChatCompletionStreamState(response_format=of)
    completion = import_module('openai.types.chat').ChatCompletionChunk
    for chunk in chunks:
        delta = {'role': 'assistant', 'content': chunk}
        choice = {'index': 0, 'delta': delta, 'finish_reason': None}
        body = {'id': 'x', 'object': 'chat.completion.chunk', 'created': 1, 'model': 'm', 'choices': [choice]}
        try:
            state.handle_chunk(completion.model_validate(body))
            message = state.current_completion_snapshot.choices[0].message
            yield getattr(message, 'parsed', ABSENT)
        except ValueError as error:
            yield error


def instructor_partial(of: Any, chunks: Sequence[str]) -> Iterator[Any]:
    """Instructor's `Partial[...]`."""
    partial = import_module('instructor').Partial[of]
    try:
        yield from partial.model_from_chunks(iter(chunks))
    except Exception as error:
        yield error


def stream_output(of: Any, chunks: Sequence[str]) -> Iterator[Any]:
    """pydantic-ai's `result.stream_output()`, with a scripted model."""

    async def read() -> list[tuple[int, Any]]:
        shown: list[tuple[int, Any]] = []
        agent = Agent(ScriptedModel([ToolCall('final_result', pieces=list(chunks))]), output_type=of, retries=0)
        length = 0
        try:
            async with agent.run_stream('Go') as result:
                outputs: AsyncIterator[Any] = result.stream_output(debounce_by=None)
                async for value in outputs:
                    length = _length(result.response.parts)
                    shown.append((length, value))
        except Exception as error:
            shown.append((sum(map(len, chunks)), error))
        return shown

    after, length, shown = 0, 0, asyncio.run(read())
    for chunk in chunks:
        length += len(chunk)
        value = ABSENT
        while after < len(shown) and shown[after][0] <= length:
            value = shown[after][1]
            after += 1
        yield value


def _length(parts: Sequence[object]) -> int:
    return sum(len(part.args_as_json_str()) for part in parts if isinstance(part, ToolCallPart))


OURS = Peer('partial_outputs', ours, 'pydantic_ai_streaming')
PEERS = (
    Peer('pydantic-ai stream_output', stream_output, 'pydantic_ai'),
    Peer('instructor Partial', instructor_partial, 'instructor'),
    Peer('pydantic partial mode', pydantic_partial, 'pydantic'),
    Peer('jiter partial mode', jiter_partial, 'jiter'),
    Peer('openai stream', openai_stream, 'openai'),
)


def judged(peer: Peer, document: Document, chunks: Sequence[str]) -> Verdict:
    """Judge a peer's snapshots by their values alone. `alarms` counts the chunks after which it failed."""
    judge = Judge(Oracle(document), document.value)
    prefix = 0
    for chunk, value in zip(chunks, peer.read(document.type, chunks), strict=False):
        prefix += len(chunk)
        failed = isinstance(value, Exception)
        new = value is not ABSENT and not failed
        judge.verdict.alarms += failed
        if new:
            judge.look(in_value(value))
        judge.chunk(prefix, new=new)
    return judge.verdict


def flagged(peer: Peer, size: int) -> int:
    """How many of the invalid documents it flags within one chunk by pydantic's error, without an alarm before."""
    return sum(_flags(peer, case, size) for case in INVALID)


def _flags(peer: Peer, case: Invalid, size: int) -> bool:
    chunks = slices(case.text, size)
    for number, value in enumerate(peer.read(case.type, chunks), 1):
        late = chunks_late(case, chunks, number)
        if late > 1:
            return False
        if isinstance(value, ValidationError):
            return late >= 0 and any(line['type'] == case.error for line in value.errors())
        if isinstance(value, Exception):
            return late >= 0 and case.error == 'json_invalid'
    return False
