"""What can be served: a run that nobody has entered yet."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

from ..chat.chat import Chat
from ..core.wording import a
from ..errors import StreamUsageError
from ..run.stream import RunStream
from ..run.sync import SyncRunStream

__all__ = ['Source', 'refuse_started']

Source: TypeAlias = AbstractAsyncContextManager[RunStream[Any]]
"""A run that was not entered yet: a `RunStream`, or a turn of a `Chat`."""


def refuse_started(source: Source) -> None:
    """Raise `StreamUsageError` if somebody has entered it, or it is something else that has no `RunStream` to give."""
    if isinstance(source, Chat):
        raise StreamUsageError('A Chat is served one turn at a time: pass chat.send(prompt).')
    if isinstance(source, SyncRunStream):
        raise StreamUsageError('What run_stream_sync gives cannot be served: pass RunStream(...), which has `await`.')
    if type(source).__module__.startswith('pydantic_ai.'):
        kind = type(source).__name__
        raise StreamUsageError(f'{kind} is of pydantic-ai alone: pass RunStream(agent.run_stream_events(...)).')
    if not hasattr(source, '__aenter__'):
        raise StreamUsageError(
            f'What is to be served is {a(source)}, and no run: pass, or have the function return, RunStream(...) or '
            'chat.send(...).'
        )
    if getattr(source, 'started', False):
        raise StreamUsageError(
            'This RunStream was entered already, and who serves it enters it: pass RunStream(...), or '
            'chat.send(...), without `async with`.'
        )
