"""What can be served: a run that nobody has entered yet."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

from ..errors import StreamUsageError
from ..run.stream import RunStream

__all__ = ['Source', 'refuse_started']

Source: TypeAlias = AbstractAsyncContextManager[RunStream[Any]]
"""A run that was not entered yet: a `RunStream`, or a turn of a `Chat`."""


def refuse_started(source: Source) -> None:
    """Raise `StreamUsageError` if somebody has entered it, or it is something of pydantic-ai without a `RunStream`."""
    if type(source).__module__.startswith('pydantic_ai.'):
        kind = type(source).__name__
        raise StreamUsageError(f'{kind} is of pydantic-ai alone: pass RunStream(agent.run_stream_events(...)).')
    if getattr(source, 'started', False):
        raise StreamUsageError(
            'This RunStream was entered already, and who serves it enters it: pass RunStream(...), or '
            'chat.send(...), without `async with`.'
        )
