"""What a scripted model can send, piece by piece, and the ways in which a provider's stream goes wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai.messages import FinishReason, ModelResponsePart, ModelResponseStreamEvent
from pydantic_ai.usage import RequestUsage

from ..core.numbers import check_number

__all__ = [
    'EndEarly',
    'Event',
    'Fail',
    'Finish',
    'Hang',
    'KeepAlive',
    'Part',
    'Response',
    'Stall',
    'Step',
    'Text',
    'Thinking',
    'ToolCall',
    'Usage',
]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that happens on a provider's stream.

    Attributes:
        wait: Seconds of silence before it, on the event loop's clock. By default the response's `gap` before a piece
            (`Text`, `Thinking`, `ToolCall`, `Part`, `KeepAlive`) and none before the other steps.
    """

    wait: float | None = None

    def __post_init__(self) -> None:
        if self.wait is not None:
            check_number('wait', self.wait)
        if self.wait is not None and not self.wait >= 0:
            raise ValueError(f'wait is {self.wait!r}; it must be a number of seconds, 0 or more')


@dataclass(frozen=True)
class Text(Step):
    """A piece of text; a plain `str` means the same.

    `Text('')` is an empty delta, which some clients pass on as an event. OpenAI's chat client drops it: `KeepAlive()`.
    """

    text: str


@dataclass(frozen=True)
class Thinking(Step):
    """A piece of thinking. A signature usually comes alone, with the last piece."""

    text: str = ''
    signature: str | None = None


@dataclass(frozen=True)
class ToolCall(Step):
    """A call of a tool, or of an output tool (`'final_result'` unless named otherwise).

    Attributes:
        name: The tool's name.
        args: Its arguments: a mapping, or JSON text as the model writes it, which need not be valid.
        pieces: How the arguments arrive. `None`: with the name, as one JSON text. A number: the name first, then that
            many characters at a time. Strings: the name first, then these, and `args` is ignored. `'mapping'`: with the
            name, as a mapping instead of text, as Google's client delivers them.
        tool_call_id: By default `call_1`, `call_2` and so on over the life of the model.
    """

    name: str
    args: Mapping[str, object] | str | None = None
    pieces: int | Sequence[str] | None = None
    tool_call_id: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.pieces, int) and self.pieces < 1:
            raise ValueError(f'pieces is {self.pieces}; it must be 1 character or more')
        if self.pieces == 'mapping' and not isinstance(self.args, Mapping):
            raise ValueError(f"pieces='mapping' needs a mapping of arguments, not {self.args!r}")

    @property
    def json(self) -> str:
        """The arguments as JSON text."""
        if isinstance(self.args, Mapping):
            return json.dumps(dict(self.args), ensure_ascii=False)
        return self.args or ''

    def cut(self) -> list[str]:
        """The pieces of the arguments that follow the name; empty when they come with it."""
        if self.pieces is None or self.pieces == 'mapping':
            return []
        if isinstance(self.pieces, int):
            text = self.json
            return [text[start : start + self.pieces] for start in range(0, len(text), self.pieces)]
        return list(self.pieces)


@dataclass(frozen=True)
class Part(Step):
    """A whole part in one piece, for the kinds that have no step of their own: native tool calls and returns, files."""

    part: ModelResponsePart


@dataclass(frozen=True)
class Event(Step):
    """An event as a client yields it, a part's start or delta, with the index it names; recordings consist of these.

    Do not mix it with other pieces in one response: they count the parts themselves.
    """

    event: ModelResponseStreamEvent


@dataclass(frozen=True)
class KeepAlive(Step):
    """Bytes without content, such as the SSE comment `: ping`: no event, but `ModelSettings.timeout` starts anew."""


@dataclass(frozen=True)
class Usage(Step):
    """The usage of the response so far, as the provider reports it. It replaces what was counted before."""

    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def request_usage(self) -> RequestUsage:
        """The same in pydantic-ai's own form."""
        return RequestUsage(input_tokens=self.input_tokens, output_tokens=self.output_tokens)


@dataclass(frozen=True)
class Finish(Step):
    """The finish reason arrives.

    Without this step it follows the last piece: `tool_call` if a tool was called, else `stop`.

    Attributes:
        reason: In pydantic-ai's terms; `None` for a provider that gives none.
        raw: In the provider's own terms, for `provider_details`. By default the same.
        provider_response_id: The provider's own name for the response.
    """

    reason: FinishReason | None = 'stop'
    raw: str | None = None
    provider_response_id: str | None = None

    @property
    def provider_details(self) -> dict[str, Any] | None:
        """What the client puts into `ModelResponse.provider_details`."""
        raw = self.raw or self.reason
        return {'finish_reason': raw} if raw else None


@dataclass(frozen=True)
class Fail(Step):
    """The exception is raised: while the stream is opened if this is the first step, else by the next pull.

    pydantic-ai's own clients raise subclasses of `pydantic_ai.exceptions.ModelAPIError`, whatever their HTTP client had
    raised. To a `Recovery`, too, a lost connection is `ModelConnectionError('gpt-5', 'The connection is lost.')`, and a
    `ConnectionError` is none.
    """

    exception: BaseException

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.exception, BaseException):  # pyright: ignore[reportUnnecessaryIsInstance] - scripts are untyped data
            raise TypeError(f"Fail({self.exception!r}): give it an exception, as in Fail(ValueError('Oh.'))")


@dataclass(frozen=True)
class Stall(Step):
    """Nothing more arrives, until the stream is closed or the `timeout` of the model's settings has passed."""


@dataclass(frozen=True)
class EndEarly(Step):
    """The stream ends as if all were well, without finish reason and usage: the reply is truncated."""


@dataclass(frozen=True)
class Hang(Step):
    """The finish reason arrives, and then the stream stays open and silent."""


@dataclass(frozen=True)
class Response:
    """One response of the script, with settings of its own.

    Attributes:
        steps: What happens, in order; a `str` is a piece of text.
        gap: Seconds before each piece. By default the model's.

    Example:
        ```python
        from pydantic_ai_streaming.testing import Response, ScriptedModel

        model = ScriptedModel(Response(['Slow', 'ly.'], gap=2.0), ['Quick', 'ly.'], gap=0.01)
        ```
    """

    steps: Sequence[Step | str]
    gap: float | None = None

    def __post_init__(self) -> None:
        if self.gap is not None:
            check_number('gap', self.gap)
        if self.gap is not None and not self.gap >= 0:
            raise ValueError(f'gap is {self.gap!r}; it must be a number of seconds, 0 or more')
        for step in self.steps:
            if not isinstance(step, Step | str):  # pyright: ignore[reportUnnecessaryIsInstance]  # scripts are untyped data
                raise TypeError(
                    f'{step!r} is not a step: write a str, Text(...), ToolCall(...), Stall() or another Step'
                )
