"""The errors of this package.

    StreamingError                   everything below
    ├── StreamTimeout                a deadline has passed           (also a TimeoutError)
    ├── StreamTruncated              the provider stopped too early  (also a pydantic-ai ModelAPIError)
    └── StreamUsageError             the program asks for what cannot be (also a pydantic-ai UserError)

What goes wrong inside a run keeps the type that pydantic-ai gives it (`ModelConnectionError`, `ModelRateLimitError`,
`UnexpectedModelBehavior`, ...) or that the user's own tool raised: the stream keeps what came before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic_ai.exceptions import ModelAPIError, UserError

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.usage import RunUsage

    from .core.deadlines import Phase

__all__ = ['StreamTimeout', 'StreamTruncated', 'StreamUsageError', 'StreamingError']


class StreamingError(Exception):
    """Base class of this package's errors.

    Attributes:
        text: The text that had come before the error.
        messages: The history until then, ready for the next run; empty where there is none.
        usage: What the run had used until then, as far as the provider reported it.
    """

    text: str = ''
    messages: Sequence[ModelMessage] = ()
    usage: RunUsage | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Arguments are keyword-only, which the default of BaseException cannot rebuild.
        return _rebuild, (type(self), self.args), self.__dict__


def _rebuild(kind: type[StreamingError], args: tuple[Any, ...]) -> StreamingError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


class StreamTimeout(StreamingError, TimeoutError):
    """A stream broke one of its `Deadlines`.

    Attributes:
        phase: `first`, `idle`, `rate` or `total`: which of the deadlines.
        limit: Its value: seconds, or characters per second for `rate`.
        elapsed: Seconds since the stream began.
    """

    def __init__(
        self,
        *,
        phase: Phase,
        limit: float,
        elapsed: float,
        text: str = '',
        messages: Sequence[ModelMessage] = (),
        usage: RunUsage | None = None,
    ) -> None:
        self.phase: Phase = phase
        self.limit = limit
        self.elapsed = elapsed
        self.text, self.messages, self.usage = text, messages, usage
        what = {
            'first': f'no content within {limit:g} s of the model request (Deadlines.first)',
            'idle': f'no content for {limit:g} s (Deadlines.idle)',
            'rate': f'less than {limit:g} characters per second (Deadlines.min_rate)',
            'total': f'not complete within {limit:g} s (Deadlines.total)',
        }[phase]
        super().__init__(f'The stream was stopped after {elapsed:.2f} s: {what}. {len(text)} characters had come.')


class StreamTruncated(StreamingError, ModelAPIError):
    """The provider's stream ended cleanly, but before the model had given a finish reason."""

    def __init__(
        self,
        *,
        model_name: str,
        text: str = '',
        messages: Sequence[ModelMessage] = (),
        usage: RunUsage | None = None,
    ) -> None:
        self.text, self.messages, self.usage = text, messages, usage
        ModelAPIError.__init__(
            self,
            model_name=model_name,
            message=f'The stream of {model_name} ended without a finish reason, so the reply is probably cut off. '
            "RunStream(..., on_truncation='mark') keeps such a reply as the output.",
        )


class StreamUsageError(StreamingError, UserError):
    """The program asks a stream for something that it cannot give, or not yet. The message says what to do."""

    def __init__(self, message: str) -> None:
        UserError.__init__(self, message)
