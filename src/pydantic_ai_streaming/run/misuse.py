"""Says what to do to a program that uses a stream as something that it is not, in place of what Python would say."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NoReturn, cast
from weakref import WeakSet

from pydantic_ai.agent import AbstractAgent, AgentRunEvents
from pydantic_ai.result import StreamedRunResult

from ..core.deadlines import Deadlines
from ..core.wording import a
from ..errors import StreamUsageError
from ..reduce.recovery import Recovery

__all__ = [
    'NOT_STARTED',
    'WAITS_FOR_ITSELF',
    'AsyncOnly',
    'MergedOnly',
    'SyncOnly',
    'ToBeEntered',
    'check_settings',
    'checked',
    'take',
]

NOT_STARTED = (
    'The run has not started: enter the stream first, with `async with RunStream(...) as stream:`, or without `await` '
    'with `with run_stream_sync(...) as stream:`.'
)

WAITS_FOR_ITSELF = (
    'A tool or a validator waits here for the output of its own run, which waits for the tool: neither would ever end. '
    'text_so_far, messages and stats tell what has come; to use the output, wait for it where the stream was opened, '
    'or in a task that the tool does not wait for.'
)

_taken: WeakSet[AbstractAsyncContextManager[Any]] = WeakSet()
"""The runs that a stream was made of."""


def take(run: AbstractAsyncContextManager[Any]) -> None:
    """Take a run for a stream. A run that runs once can be taken once.

    Raises:
        StreamUsageError: A stream was made of it already, or it was entered.
    """
    # What `agent.run_stream_events` and what a function with `@asynccontextmanager` return. A context manager of
    # somebody's own class may well be one that can be entered again and again.
    if not (hasattr(run, '_run_agent') or hasattr(run, 'gen')):
        return
    if run in _taken:
        raise StreamUsageError(
            'Another stream was made of this run already, and a run runs once: call agent.run_stream_events(...) '
            'again for another run, or open more views (text(), events()) of the stream that there is.'
        )
    # Entered, the one has dropped its arguments, as contextlib has it, and the other has its iterator.
    entered = not hasattr(run, 'args') if hasattr(run, 'gen') else getattr(run, '_iterator', None) is not None
    if entered:
        raise StreamUsageError(
            'This run was entered before, and a run runs once: make the call again, and pass it to the stream without '
            'entering it.'
        )
    _taken.add(run)


def check_settings(deadlines: object, on_truncation: object, recovery: object = None) -> None:
    """Raise `TypeError` or `ValueError` for what these settings of a stream cannot be."""
    if on_truncation not in ('raise', 'mark'):
        raise ValueError(f"on_truncation={on_truncation!r}: use 'raise' or 'mark'")
    if deadlines is not None and not isinstance(deadlines, Deadlines):
        raise TypeError(f'deadlines={deadlines!r}: use Deadlines(first=..., idle=..., total=...)')
    if recovery is not None and not isinstance(recovery, Recovery):
        raise TypeError(f"recovery={recovery!r}: use Recovery(by='continue') or another Recovery(...)")


def checked(run: object) -> Any:
    """The run, if it is one that a stream can be made of. Raises `TypeError` otherwise."""
    if isinstance(run, AgentRunEvents | StreamedRunResult):
        raise TypeError(
            'RunStream enters the run itself: pass agent.run_stream_events(...) as it is, not what `async with` gave.'
        )
    if isinstance(run, AsyncOnly | SyncOnly | ToBeEntered):
        raise TypeError(
            f'RunStream needs a run, not {a(run)}, which makes a stream of one itself: enter that, or pass '
            'agent.run_stream_events(...) alone.'
        )
    if isinstance(run, AbstractAgent):
        raise TypeError('RunStream needs a run, not the agent: RunStream(agent.run_stream_events(prompt)).')
    if callable(run) and not hasattr(run, '__aenter__'):
        raise TypeError('RunStream needs the call, not the method: RunStream(agent.run_stream_events(prompt)).')
    if not isinstance(run, AbstractAsyncContextManager):
        raise TypeError(f'RunStream needs agent.run_stream_events(...) or agent.run_stream(...), not {a(run)}.')
    return cast('Any', run)


def _advise(advice: str) -> Any:
    def misused(*_: object) -> NoReturn:
        raise StreamUsageError(advice)

    return misused


class AsyncOnly:
    """What a stream with `await` says to those who use it as something else. Type checkers see none of it."""

    if not TYPE_CHECKING:
        __enter__ = __exit__ = _advise(
            'A RunStream is entered with `async with RunStream(...) as stream:`. '
            'Where there is no `await`, use `with run_stream_sync(...) as stream:`.'
        )
        __iter__ = __aiter__ = _advise(
            'A stream is read through its views: `async for piece in stream.text():`, or stream.thinking(), or '
            'stream.events() for everything.'
        )


class SyncOnly:
    """What a stream without `await` says to those who use it as something else. Type checkers see none of it."""

    if not TYPE_CHECKING:
        __aenter__ = __aexit__ = _advise(
            'run_stream_sync is entered with `with run_stream_sync(...) as stream:`. '
            'Where there is `await`, use `async with RunStream(...) as stream:`.'
        )
        __iter__ = __aiter__ = _advise(
            'A stream is read through its views: `for piece in stream.text():`, or stream.thinking(), or '
            'stream.events() for everything.'
        )


class MergedOnly:
    """What several runs side by side say to those who use them as a view. Type checkers see none of it."""

    if not TYPE_CHECKING:
        __iter__ = __aiter__ = _advise(
            'Runs are read through their views: `async for name, piece in runs.text():`, or runs.events() for '
            'everything.'
        )


class ToBeEntered:
    """What a turn of a chat says to those who use it without entering it. Type checkers see none of it."""

    if not TYPE_CHECKING:
        __enter__ = __exit__ = __iter__ = __aiter__ = __await__ = _advise(
            'A turn is entered, and gives a stream: `async with chat.send(prompt) as stream:`.'
        )

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(
                f'A turn has no {name!r} before it is entered: `async with chat.send(prompt) as stream:`, and then '
                f'stream.{name}.'
            )
