"""The errors of this package.

    StreamingError                   everything below
    ├── StreamTimeout                a deadline has passed           (also a TimeoutError)
    ├── StreamTruncated              the provider stopped too early  (also a pydantic-ai ModelAPIError)
    ├── InvalidOutput                the output is invalid           (also a pydantic-ai UnexpectedModelBehavior)
    ├── StreamUsageError             the program asks for what cannot be (also a pydantic-ai UserError)
    │   ├── TurnInProgress           the conversation has a turn that goes on
    │   └── RunnerClosed             a StreamRunner starts nothing any more
    ├── TooManyRuns                  a StreamRunner has as many runs as it may have, of all or of one owner
    ├── ConversationChanged          somebody else has saved the conversation (also a ConversationConflict)
    ├── StreamLogError               a stream of a log is not as the program takes it to be
    │   ├── StreamMissing            there is no such stream         (also a LookupError)
    │   └── StreamFenced             another producer has taken over
    └── StoreError                   a conversation store or a log cannot do what it was asked for
        ├── StoreUnavailable         it cannot be reached, for now   (also a ConnectionError)
        │   └── LogClosed            this process has closed a log that is followed
        ├── EntryMissing             it does not have an entry       (also a LookupError)
        └── ScopeConflict            the conversation is another's   (also a pydantic-ai ConversationConflict)

What goes wrong inside a run keeps the type that pydantic-ai gives it (`ModelConnectionError`, `ModelRateLimitError`,
`UnexpectedModelBehavior`, ...) or that the user's own tool raised: the stream keeps what came before it. What a store
raises for a conversation that somebody else has saved in between stays pydantic-ai's `ConversationConflict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic_ai.conversation_store import ConversationConflict
from pydantic_ai.exceptions import ModelAPIError, UnexpectedModelBehavior, UserError

from .core.wording import counted

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.usage import RunUsage

    from .core.deadlines import Phase

__all__ = [
    'ConversationChanged',
    'EntryMissing',
    'InvalidOutput',
    'LogClosed',
    'RunnerClosed',
    'ScopeConflict',
    'StoreError',
    'StoreFailure',
    'StoreUnavailable',
    'StreamFenced',
    'StreamLogError',
    'StreamMissing',
    'StreamTimeout',
    'StreamTruncated',
    'StreamUsageError',
    'StreamingError',
    'TooManyRuns',
    'TurnInProgress',
]

StoreFailure = Literal['unavailable', 'full', 'read_only', 'refused', 'damaged', 'newer', 'unstorable', 'failed']
"""Why a store failed: not reachable or locked, out of space, not writable, not permitted, damaged, written by a newer
version, given a value that has no JSON form, or anything else."""


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
        # Of an output that is no text, of thinking and of arguments more may have come, which nobody counts here.
        came = counted(len(text), 'character') if text else 'No text'
        super().__init__(f'The stream was stopped after {elapsed:.2f} s: {what}. {came} had come.')


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
            "recovery=Recovery() asks for the rest, and on_truncation='mark' takes a text as it is.",
        )


class InvalidOutput(StreamingError, UnexpectedModelBehavior):
    """A structured output turned out to be invalid before it was complete, and the stream was stopped for it.

    Attributes:
        path: Where in the output: keys and indices.
        error: What is wrong: pydantic's `ValidationError`, or the error of a validator or of the JSON.
        value: The output so far, with what was valid of it; `None` if nothing was.
        received: Characters of the document that had come.
    """

    def __init__(
        self,
        message: str,
        *,
        path: tuple[str | int, ...] = (),
        error: Exception | None = None,
        value: Any = None,
        received: int = 0,
    ) -> None:
        self.path, self.error, self.value, self.received = path, error, value, received
        UnexpectedModelBehavior.__init__(self, message)


class StreamUsageError(StreamingError, UserError):
    """The program asks a stream for something that it cannot give, or not yet. The message says what to do."""

    def __init__(self, message: str) -> None:
        UserError.__init__(self, message)


class TurnInProgress(StreamUsageError):
    """A conversation has one turn at a time, and another one goes on: in this chat, or somewhere else.

    Attributes:
        conversation_id: The conversation.
    """

    def __init__(self, conversation_id: str, *, where: str) -> None:
        self.conversation_id = conversation_id
        super().__init__(
            f'A turn of conversation {conversation_id!r} goes on {where}, and turns cannot overlap: wait for its end '
            'or stop it (stream.stop()), or go on beside it in a fork (await chat.fork()).'
        )


class RunnerClosed(StreamUsageError):
    """A `StreamRunner` is closing or was closed, as when its process ends, and starts nothing. Nothing was begun."""

    def __init__(self) -> None:
        super().__init__(
            'This StreamRunner is closing, or was closed, and starts nothing: ask another worker, or open it again '
            'when it is closed (await runner.open()).'
        )


class TooManyRuns(StreamingError):
    """As many runs go on in this process as a `StreamRunner` may have at a time. One of them has to end first.

    Attributes:
        limit: How many that are.
        owner: Whose they are, where the limit is that of one owner; `None` where it is that of all.
    """

    def __init__(self, limit: int, *, owner: str | None = None) -> None:
        self.limit = limit
        self.owner = owner
        setting, whose = ('at_once', '') if owner is None else ('at_once_each', f' of {owner!r}')
        super().__init__(
            f'{counted(limit, "run")}{whose} {"goes" if limit == 1 else "go"} on, which is as many as '
            f'StreamRunner({setting}={limit}) has at a time.'
        )


class ConversationChanged(StreamingError, ConversationConflict):
    """Somebody else has saved or deleted the conversation of a chat, so a turn cannot be added to it.

    Attributes:
        conversation_id: The conversation.
        messages: What the turn has added to the history, if there was one; it is not stored.
    """

    def __init__(self, conversation_id: str, *, text: str = '', messages: Sequence[ModelMessage] = ()) -> None:
        ConversationConflict.__init__(self, conversation_id)
        self.text, self.messages = text, messages
        lost = ' This turn is not stored; the error has its messages.' if messages else ''
        self.args = (
            f'Conversation {conversation_id!r} was saved or deleted by somebody else meanwhile.{lost} '
            '`await chat.load()` goes on from what is stored now; `await chat.save_as()` keeps the conversation as it '
            'is here, under an id of its own.',
        )


class StreamLogError(StreamingError):
    """A stream of a log is not as the program takes it to be. It is as it was.

    Attributes:
        stream_id: The stream.
        reason: `missing`, `exists`, `fenced`, `closed`, `changed` or `held`.
    """

    def __init__(self, stream_id: str, *, reason: str) -> None:
        self.stream_id = stream_id
        self.reason = reason
        what = {
            'missing': 'There is no such stream: it was deleted, or has expired.',
            'exists': 'There is such a stream already: follow it, or give the new one an id of its own.',
            'fenced': 'Another producer has taken over: nothing more can be written by this one.',
            'closed': 'It is closed: nothing can be added to it.',
            'changed': 'It was written to since it was read: read it again.',
            'held': 'Its producer is alive: stop that one, or wait until its lease has lapsed.',
        }[reason]
        super().__init__(f'Stream {stream_id!r}: {what}')


class StreamMissing(StreamLogError, LookupError):
    """There is no such stream in the log: it was never made, was deleted, or has expired."""

    def __init__(self, stream_id: str) -> None:
        super().__init__(stream_id, reason='missing')


class StreamFenced(StreamLogError):
    """Another producer has taken a stream over, because this one did not renew its lease in time."""

    def __init__(self, stream_id: str) -> None:
        super().__init__(stream_id, reason='fenced')


class StoreError(StreamingError):
    """A conversation store or a log cannot do what it was asked for. What it holds is as it was.

    Attributes:
        reason: Why, for a program that acts on it.
        messages: After a failed `save`, the messages that it was to save.
    """

    def __init__(self, message: str, *, reason: StoreFailure = 'failed') -> None:
        self.reason: StoreFailure = reason
        super().__init__(message[:1].upper() + message[1:])


class StoreUnavailable(StoreError, ConnectionError):
    """A conversation store or a log cannot be reached, or is locked by somebody else. The next operation tries anew."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason='unavailable')


class LogClosed(StoreUnavailable):
    """A log was closed in this process, or its event loop has ended, while an open stream of it was followed.

    What had been read of it until then was handed out. The stream is as it was: it can be followed from the same offset
    wherever the log is open. Who follows anew here, as after any other `StoreUnavailable`, opens the log again.
    """

    def __init__(self) -> None:
        super().__init__(
            'The log was closed here, or its event loop has ended, and the stream that was followed is still open: '
            'follow it from the same offset in another process, or when the log is open again (await log.open()).'
        )


class EntryMissing(StoreError, LookupError):
    """A conversation store does not have an entry: it was deleted, or what the store holds is damaged.

    Attributes:
        entry_id: The entry.
    """

    def __init__(self, message: str, *, entry_id: str) -> None:
        self.entry_id = entry_id
        super().__init__(message, reason='damaged')


class ScopeConflict(StoreError, ConversationConflict):
    """A conversation was to be saved with another scope than the one it is stored with.

    Attributes:
        conversation_id: The conversation.
        scope: The scope that it is not stored with.
    """

    def __init__(self, conversation_id: str, *, scope: str) -> None:
        ConversationConflict.__init__(self, conversation_id)
        self.reason: StoreFailure = 'refused'
        self.scope = scope
        self.args = (
            f'Conversation {conversation_id!r} is not stored with the scope {scope!r}. Save it with the scope it was '
            'first saved with, or give it a conversation_id of its own.',
        )
