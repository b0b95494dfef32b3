r"""The file of a recording: one JSON object a line, each written by one system call.

A process that is killed leaves a file that can be read; half a line at its end is ignored. Version 1:

```text
{"kind": "recording", "version": 1, "pydantic_ai": "2.68.0"}
{"kind": "request", "request": 0, "at": 0.0, "streamed": true, "model_name": "gpt-5", "provider_name": "openai"}
{"kind": "event", "request": 0, "at": 0.41, "event": {"event_kind": "part_start", ...}, "usage": null}
{"kind": "end", "request": 0, "at": 1.93, "closed": "complete", "finish_reason": "stop", "usage": {...}, ...}
```

`request` counts from 0, and lines of requests that ran side by side may alternate. `at` is in seconds: of a request
since the first one, of the other lines since their request. Events are those of the model's own stream, part starts
and deltas; pydantic-ai derives the others. `usage` is there when it has changed. An `end` line is missing if the
process was killed. Neither the messages sent nor any settings are written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, TypeAdapter, ValidationError
from pydantic_ai.messages import FinishReason, ModelResponseStreamEvent
from pydantic_ai.usage import RequestUsage

from .requests import CloseReason

__all__ = ['EndLine', 'EventLine', 'RecordingError', 'RequestLine', 'append', 'create', 'read']

_VERSION = 1


class RecordingError(ValueError):
    """A file is not a recording that this version can read; the message names the file, the line and the reason."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first line."""

    version: int = _VERSION
    pydantic_ai: str = ''
    kind: Literal['recording'] = 'recording'


@dataclass(frozen=True, kw_only=True)
class RequestLine:
    """A request began, so many seconds after the first one of the recording."""

    request: int
    at: float
    streamed: bool
    model_name: str
    provider_name: str
    kind: Literal['request'] = 'request'


@dataclass(frozen=True, kw_only=True)
class EventLine:
    """An event of a response arrived."""

    request: int
    at: float
    event: ModelResponseStreamEvent
    usage: RequestUsage | None = None
    kind: Literal['event'] = 'event'


@dataclass(frozen=True, kw_only=True)
class EndLine:
    """A response came to its end, or its reader left it."""

    request: int
    at: float
    closed: CloseReason
    finish_reason: FinishReason | None = None
    provider_details: dict[str, Any] | None = None
    provider_response_id: str | None = None
    usage: RequestUsage | None = None
    error: str | None = None
    status_code: int | None = None
    kind: Literal['end'] = 'end'


Line: TypeAlias = Annotated[Header | RequestLine | EventLine | EndLine, Discriminator('kind')]


@dataclass(kw_only=True)
class RecordedResponse:
    """The lines of one request; `end` is `None` if the process was killed before."""

    request: RequestLine
    events: list[EventLine] = field(default_factory=list[EventLine])
    end: EndLine | None = None


@cache
def _lines() -> TypeAdapter[Line]:
    return TypeAdapter(Line)


def create(path: Path, *, pydantic_ai: str) -> None:
    """Begin a new file.

    Raises:
        FileExistsError: There is one already; a recording is never overwritten.
    """
    with path.open('xb', buffering=0) as file:
        file.write(_encoded(Header(pydantic_ai=pydantic_ai)))


def append(path: Path, line: RequestLine | EventLine | EndLine) -> None:
    """Add a line, whole or not at all."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, _encoded(line))
    finally:
        os.close(descriptor)


def _encoded(line: Line) -> bytes:
    return _lines().dump_json(line) + b'\n'


def read(path: Path) -> list[RecordedResponse]:
    """The responses of a file, in the order of their requests.

    Raises:
        FileNotFoundError: There is no such file.
        RecordingError: It is damaged, or written by a newer version, or holds no request.
    """
    if not path.exists():
        raise FileNotFoundError(f'There is no recording {path}; RecordingModel(model, path) makes one')
    responses: dict[int, RecordedResponse] = {}
    for number, line in _read_lines(path):
        if isinstance(line, RequestLine):
            responses[line.request] = RecordedResponse(request=line)
        elif isinstance(line, EventLine | EndLine):
            if line.request not in responses:
                raise RecordingError(f'{path}, line {number}: request {line.request} has no line of its own before')
            if isinstance(line, EventLine):
                responses[line.request].events.append(line)
            else:
                responses[line.request].end = line
    if not responses:
        raise RecordingError(f'{path} holds no request')
    return [responses[request] for request in sorted(responses)]


def _read_lines(path: Path) -> Iterator[tuple[int, Line]]:
    *lines, _unfinished = path.read_bytes().split(b'\n')
    if not lines:
        raise RecordingError(f'{path} is not a recording: its first line is missing')
    for number, text in enumerate(lines, start=1):
        if number == 1:
            _check_header(path, text)
            continue
        try:
            yield number, _lines().validate_json(text)
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]
            where = '.'.join(str(step) for step in reason['loc'])
            raise RecordingError(f'{path}, line {number} is damaged: {where} {reason["msg"]}') from error


def _check_header(path: Path, text: bytes) -> None:
    try:
        header = TypeAdapter(Header).validate_json(text)
    except ValidationError as error:
        raise RecordingError(f'{path} is not a recording: its first line is {text[:80]!r}') from error
    if header.version > _VERSION:
        raise RecordingError(
            f'{path} is a recording of version {header.version}, and this pydantic-ai-streaming reads up to version '
            f'{_VERSION}: update it'
        )
