"""Everything between a pydantic-ai run and the person who watches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aio.cursor import Cursor
    from .aio.guard import guard
    from .aio.smooth import smooth
    from .core.deadlines import Deadlines, Phase
    from .core.pacing import Smoothing
    from .core.stats import StreamStats
    from .errors import StreamingError, StreamTimeout, StreamTruncated, StreamUsageError
    from .reduce.events import (
        AttemptRejectedEvent,
        ConnectionHeldOpenEvent,
        ResponseTruncatedEvent,
        RunEvent,
        WholeResponseEvent,
    )
    from .run.pump import Finish
    from .run.stream import RunStream
    from .run.sync import SyncRunStream, run_stream_sync
    from .run.views import Retraction

__all__ = [
    'AttemptRejectedEvent',
    'ConnectionHeldOpenEvent',
    'Cursor',
    'Deadlines',
    'Finish',
    'Phase',
    'ResponseTruncatedEvent',
    'Retraction',
    'RunEvent',
    'RunStream',
    'Smoothing',
    'StreamStats',
    'StreamTimeout',
    'StreamTruncated',
    'StreamUsageError',
    'StreamingError',
    'SyncRunStream',
    'WholeResponseEvent',
    'guard',
    'run_stream_sync',
    'smooth',
]

# Loaded when first asked for: pytest loads this package for its plugin, and pydantic-ai alone takes a second.
_WHERE = {
    'AttemptRejectedEvent': 'reduce.events',
    'ConnectionHeldOpenEvent': 'reduce.events',
    'Cursor': 'aio.cursor',
    'Deadlines': 'core.deadlines',
    'Finish': 'run.pump',
    'Phase': 'core.deadlines',
    'ResponseTruncatedEvent': 'reduce.events',
    'Retraction': 'run.views',
    'RunEvent': 'reduce.events',
    'RunStream': 'run.stream',
    'Smoothing': 'core.pacing',
    'StreamStats': 'core.stats',
    'StreamTimeout': 'errors',
    'StreamTruncated': 'errors',
    'StreamUsageError': 'errors',
    'StreamingError': 'errors',
    'SyncRunStream': 'run.sync',
    'WholeResponseEvent': 'reduce.events',
    'guard': 'aio.guard',
    'run_stream_sync': 'run.sync',
    'smooth': 'aio.smooth',
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from importlib import import_module

    return getattr(import_module(f'.{_WHERE[name]}', __name__), name)


def __dir__() -> list[str]:
    return __all__
