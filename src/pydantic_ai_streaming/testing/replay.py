"""A model that plays a recording: the same pieces with the same gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError, ModelHTTPError
from pydantic_ai.usage import RequestUsage

from .recording_file import EndLine, RecordedResponse, read
from .scripted import ScriptedModel
from .steps import EndEarly, Event, Fail, Finish, Response, Step, Usage

__all__ = ['ReplayModel']


@dataclass(frozen=True, kw_only=True)
class _RecordedUsage(Usage):
    """Usage with all that the provider reported."""

    full: RequestUsage

    @property
    def request_usage(self) -> RequestUsage:
        return RequestUsage() + self.full


@dataclass(frozen=True, kw_only=True)
class _RecordedFinish(Finish):
    """An end with the provider's details as they were, which need not name a finish reason."""

    details: dict[str, Any] | None = field(default=None)

    @property
    def provider_details(self) -> dict[str, Any] | None:
        return None if self.details is None else dict(self.details)


class ReplayModel(ScriptedModel):
    """A model that answers each request with the next response of a recording, piece by piece, at its pace.

    A recorded failure is raised again, as `ModelHTTPError` if it had a status and else as `ModelConnectionError`. A
    response that its reader left, or whose process was killed, ends after its last piece, without a finish reason
    unless that had come: as a truncated one does.

    Args:
        path: A file that `RecordingModel` or `record` has written.
        speed: 2 plays twice as fast, `math.inf` without waiting.
        loop: Start again after the last response instead of raising `ScriptEndedError`.

    Raises:
        FileNotFoundError: There is no such file.
        RecordingError: The file is damaged, or written by a newer version.
        ScriptEndedError: On a request after the last response.

    Example:
        ```python
        import tempfile
        from pathlib import Path

        from pydantic_ai import Agent

        from pydantic_ai_streaming.testing import RecordingModel, ReplayModel, ScriptedModel

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'hello.jsonl'
            Agent(RecordingModel(ScriptedModel(['Hello ', 'world'], gap=0.01), path)).run_sync('Hello?')
            assert Agent(ReplayModel(path, speed=10)).run_sync('Hello?').output == 'Hello world'
        ```
    """

    def __init__(self, path: str | PathLike[str], *, speed: float = 1.0, loop: bool = False) -> None:
        if not speed > 0:
            raise ValueError(f'speed is {speed!r}; it must be more than 0')
        responses = read(Path(path))
        super().__init__(*(Response(list(_steps(response, speed=speed))) for response in responses), loop=loop)
        self._recorded_name = responses[0].request.model_name

    @property
    def model_name(self) -> str:
        """The name of the model that was recorded."""
        return self._recorded_name

    @property
    def system(self) -> str:
        """Always `replay`, so that nobody takes it for the provider."""
        return 'replay'


def _steps(recorded: RecordedResponse, *, speed: float) -> Iterator[Step]:
    at = 0.0
    for line in recorded.events:
        yield Event(line.event, wait=max(0.0, line.at - at) / speed)
        at = line.at
        if line.usage is not None:
            yield _RecordedUsage(full=line.usage)
    end = recorded.end
    if end is None:
        yield EndEarly()
        return
    # When a reader left says nothing about the provider's pace.
    wait = 0.0 if end.closed in ('left', 'cancelled') else max(0.0, end.at - at) / speed
    if end.closed == 'failed':
        yield Fail(_error(end, recorded.request.model_name), wait=wait)
        return
    yield _RecordedUsage(full=end.usage or RequestUsage(), wait=wait)
    yield _RecordedFinish(
        end.finish_reason, provider_response_id=end.provider_response_id, details=end.provider_details
    )


def _error(end: EndLine, model_name: str) -> ModelAPIError:
    message = end.error or 'recorded failure'
    if end.status_code is not None:
        return ModelHTTPError(end.status_code, model_name, body=message)
    return ModelConnectionError(model_name, message)
