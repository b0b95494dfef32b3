"""What to do when a response breaks off: `Recovery`, and the rules, all of them in `next_step`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from pydantic_ai.exceptions import ModelConnectionError, ModelServerError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    UserPromptPart,
)
from pydantic_ai.models import Model

from ..core.numbers import check_number
from ..errors import StreamTimeout, StreamTruncated

__all__ = [
    'GO_ON',
    'Break',
    'Recovery',
    'Step',
    'asking_to_go_on',
    'asks_to_go_on',
    'break_of',
    'can_go_on',
    'is_content',
    'next_step',
]

Break: TypeAlias = Literal['stall', 'cut', 'truncated']
"""How a response breaks off: a deadline passes, the connection or the provider fails, no finish reason comes."""

Step: TypeAlias = Literal['retry', 'restart', 'continue']
"""How it goes on: asked again before anything was shown; asked again, and what was shown is taken back; asked to go on
from what was shown."""

GO_ON = (
    'Your reply was cut off by a failure of the connection. Go on exactly where it stops: begin with the very next '
    'characters, repeat nothing, and do not mention this.'
)
"""What a model is told to go on with. It is sent, and is in no history."""

_MARK = {'pydantic_ai_streaming': 'go_on'}


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What to do when a response breaks off in its middle. Without it, the run fails.

    A response breaks off when `Deadlines.first`, `idle` or `min_rate` passes, when the connection is cut or the
    provider tells of a failure of its own, and when it ends without a finish reason. As long as nothing of it was shown
    the model is asked again, and nobody notices. Then `by` decides. Tools that have run are not run again, whatever is
    done: a response is asked for again, not the run.

    Each broken response costs one more request to a provider. All requests for one response are made within
    `Deadlines.total`; for the run they are one request (`usage.requests`), and what the provider reports of the usage
    of each counts. `ModelResponse.failed_attempts` names them.

    Attributes:
        by: What to do after content was shown. `'continue'` asks the model to go on: what was shown stays, what it
            repeats of it is left out, and the history has one whole reply. A response that cannot be gone on from
            (tool calls, files, JSON as native or prompted output) is restarted. `'restart'` announces that what was
            shown is taken back, and begins anew. `'retry'` fails once something was shown.
        requests: Requests that one response may take, the first included. By default 2, or one for each model if there
            is a `fallback`.
        fallback: Models that are asked in place of the run's own, in this order, one for each further request; the
            last one for all that remain. Their clients are yours to close. A model that is given by its name is made
            when it is asked; if it cannot be, for want of a key for example, the run fails with what the response
            broke off with, and a note on that error (`__notes__`) says why.
            `pydantic_ai.models.infer_model(name)` fails where it is written.
        after: The kinds of break that are recovered from.

    Raises:
        TypeError: `requests` is not a number, or a `fallback` is no model.
        ValueError: A setting is not one of those that there are, `requests` is less than 2, or a `fallback` is a name
            without its provider.

    Example:
        >>> Recovery(by='continue').limit
        2
        >>> Recovery(by='restart', fallback=['openai:gpt-5', 'anthropic:claude-sonnet-4-5']).limit
        3
    """

    by: Step = 'continue'
    requests: int | None = None
    fallback: Sequence[Model | str] = ()
    after: Sequence[Break] = ('stall', 'cut', 'truncated')

    def __post_init__(self) -> None:
        if self.by not in ('retry', 'restart', 'continue'):
            raise ValueError(f"Recovery(by={self.by!r}): use 'continue', 'restart' or 'retry'")
        unknown = [kind for kind in self.after if kind not in ('stall', 'cut', 'truncated')]
        if isinstance(self.after, str) or unknown:
            raise ValueError(f"Recovery(after={self.after!r}): name some of 'stall', 'cut' and 'truncated' in a list")
        if isinstance(self.fallback, str | Model):
            raise ValueError(f'Recovery(fallback={self.fallback!r}): give a list of models')
        for model in self.fallback:
            _check_model(model)
        if self.requests is not None:
            check_number('requests', self.requests)
        if self.requests is not None and self.requests < 2:
            raise ValueError(f'Recovery(requests={self.requests!r}): give at least 2, or no Recovery to ask only once')

    @property
    def limit(self) -> int:
        """Requests that one response may take."""
        return self.requests or max(2, 1 + len(self.fallback))

    def model(self, request: int, own: Model) -> Model | str:
        """The model for a request, counted from 1, of a run that has a model of its `own`."""
        if request == 1 or not self.fallback:
            return own
        return self.fallback[min(request - 2, len(self.fallback) - 1)]


def _check_model(model: object) -> None:
    """Raise for what no model can be made of. Whether there is one, and a key for it, is seen when it is asked."""
    if not isinstance(model, str | Model):
        raise TypeError(f'Recovery(fallback=[{model!r}]): use a model, or its name')
    if isinstance(model, str) and ':' not in model and model != 'test':
        raise ValueError(f"Recovery(fallback=[{model!r}]): name the provider too, as in 'openai:gpt-5'")


def next_step(
    recovery: Recovery, error: Exception, *, requests: int, shown: bool, response: ModelResponse, text_is_data: bool
) -> Step | None:
    """What to do about a response that broke off; `None` to fail.

    Args:
        recovery: The settings.
        error: What it broke off with.
        requests: Requests that were made for it.
        shown: Whether any content of it was shown.
        response: What there is of it.
        text_is_data: Whether its text is a document and not prose.
    """
    if break_of(error) not in recovery.after or requests >= recovery.limit:
        return None
    if not shown:
        return 'retry'
    if recovery.by == 'retry':
        return None
    return 'continue' if recovery.by == 'continue' and not text_is_data and can_go_on(response) else 'restart'


def break_of(error: Exception) -> Break | None:
    """How a response broke off, or `None` for an error that asking again does not help, or that ends the run."""
    if isinstance(error, StreamTimeout):
        return None if error.phase == 'total' else 'stall'
    if isinstance(error, StreamTruncated):
        return 'truncated'
    return 'cut' if isinstance(error, ModelConnectionError | ModelServerError) else None


def can_go_on(response: ModelResponse) -> bool:
    """Whether a model can go on from what there is of a response: text at its end, and nothing but thinking before.

    Example:
        >>> can_go_on(ModelResponse(parts=[ThinkingPart('Hm.'), TextPart('The capital is')]))
        True
    """
    parts = response.parts
    if not parts or not isinstance(last := parts[-1], TextPart) or not last.content.strip():
        return False
    return all(isinstance(part, TextPart | ThinkingPart) for part in parts)


def is_content(part: object) -> bool:
    """Whether a part of a response shows something."""
    return not isinstance(part, TextPart | ThinkingPart) or bool(part.content)


def asking_to_go_on(messages: Sequence[ModelMessage], said: ModelResponse) -> list[ModelMessage]:
    """The messages of a request, followed by what the model has said and the request to go on."""
    # Not the response that the provider knows by this id, but what has come of it; and thinking without an end is
    # none that could be sent back. OpenAI refuses the id of a text without that of the thinking before it, and takes
    # what follows a response in a conversation of its own to be all that is new.
    texts = [replace(part, id=None) for part in said.parts if isinstance(part, TextPart)]
    partial = replace(said, parts=texts, provider_response_id=None, provider_details=None)
    last = messages[-1] if messages else None
    note: list[Any] = [UserPromptPart(GO_ON)]
    # The instructions of a request are those of its last message.
    request = replace(last, parts=note) if isinstance(last, ModelRequest) else ModelRequest(parts=note)
    return [*messages, partial, replace(request, metadata=dict(_MARK))]


def asks_to_go_on(messages: Sequence[ModelMessage]) -> bool:
    """Whether these messages were made by `asking_to_go_on`: their end is in no history."""
    return bool(messages) and isinstance(last := messages[-1], ModelRequest) and last.metadata == _MARK
