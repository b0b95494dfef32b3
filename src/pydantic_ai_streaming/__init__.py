"""Everything between a pydantic-ai run and the person who watches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aio.cursor import Cursor
    from .aio.guard import guard
    from .aio.smooth import smooth
    from .chat.chat import Chat
    from .chat.options import RunOptions
    from .chat.turn import Turn
    from .core.deadlines import Deadlines, Phase
    from .core.pacing import Smoothing
    from .core.stats import StreamStats
    from .errors import (
        ConversationChanged,
        EntryMissing,
        InvalidOutput,
        LogClosed,
        RunnerClosed,
        ScopeConflict,
        StoreError,
        StoreFailure,
        StoreUnavailable,
        StreamFenced,
        StreamingError,
        StreamLogError,
        StreamMissing,
        StreamTimeout,
        StreamTruncated,
        StreamUsageError,
        TooManyRuns,
        TurnInProgress,
    )
    from .partials.arguments import arguments_of
    from .partials.invalid import InvalidPart
    from .partials.json_patch import json_patch
    from .partials.partial_output import Change, FieldState, PartialOutput
    from .partials.show import Show
    from .reduce.events import (
        AttemptRejectedEvent,
        ConnectionHeldOpenEvent,
        ResponseTruncatedEvent,
        RunEvent,
        StreamRecoveredEvent,
        WholeResponseEvent,
    )
    from .reduce.exchanges import Exchange
    from .reduce.history import without_notes
    from .reduce.recovery import Recovery
    from .reduce.timeline import Span, Timeline
    from .reduce.tool_call import ToolCall, ToolCallKind, ToolCallState
    from .run.merge import Merged, OnError, merge
    from .run.partials import OnInvalid, partial_outputs
    from .run.pump import Finish
    from .run.stream import RunStream
    from .run.sync import SyncRunStream, run_stream_sync
    from .run.tool_views import observe_tools
    from .run.views import Retraction

__all__ = [
    'AttemptRejectedEvent',
    'Change',
    'Chat',
    'ConnectionHeldOpenEvent',
    'ConversationChanged',
    'Cursor',
    'Deadlines',
    'EntryMissing',
    'Exchange',
    'FieldState',
    'Finish',
    'InvalidOutput',
    'InvalidPart',
    'LogClosed',
    'Merged',
    'OnError',
    'OnInvalid',
    'PartialOutput',
    'Phase',
    'Recovery',
    'ResponseTruncatedEvent',
    'Retraction',
    'RunEvent',
    'RunOptions',
    'RunStream',
    'RunnerClosed',
    'ScopeConflict',
    'Show',
    'Smoothing',
    'Span',
    'StoreError',
    'StoreFailure',
    'StoreUnavailable',
    'StreamFenced',
    'StreamLogError',
    'StreamMissing',
    'StreamRecoveredEvent',
    'StreamStats',
    'StreamTimeout',
    'StreamTruncated',
    'StreamUsageError',
    'StreamingError',
    'SyncRunStream',
    'Timeline',
    'TooManyRuns',
    'ToolCall',
    'ToolCallKind',
    'ToolCallState',
    'Turn',
    'TurnInProgress',
    'WholeResponseEvent',
    'arguments_of',
    'guard',
    'json_patch',
    'merge',
    'observe_tools',
    'partial_outputs',
    'run_stream_sync',
    'smooth',
    'without_notes',
]

# Loaded when first asked for: pytest loads this package for its plugin, and pydantic-ai alone takes a second.
_WHERE = {
    'AttemptRejectedEvent': 'reduce.events',
    'Change': 'partials.partial_output',
    'Chat': 'chat.chat',
    'ConnectionHeldOpenEvent': 'reduce.events',
    'ConversationChanged': 'errors',
    'Cursor': 'aio.cursor',
    'Deadlines': 'core.deadlines',
    'EntryMissing': 'errors',
    'Exchange': 'reduce.exchanges',
    'FieldState': 'partials.partial_output',
    'Finish': 'run.pump',
    'InvalidOutput': 'errors',
    'InvalidPart': 'partials.invalid',
    'LogClosed': 'errors',
    'Merged': 'run.merge',
    'OnError': 'run.merge',
    'OnInvalid': 'run.partials',
    'PartialOutput': 'partials.partial_output',
    'Phase': 'core.deadlines',
    'Recovery': 'reduce.recovery',
    'ResponseTruncatedEvent': 'reduce.events',
    'Retraction': 'run.views',
    'RunEvent': 'reduce.events',
    'RunOptions': 'chat.options',
    'RunStream': 'run.stream',
    'RunnerClosed': 'errors',
    'ScopeConflict': 'errors',
    'Show': 'partials.show',
    'Smoothing': 'core.pacing',
    'Span': 'reduce.timeline',
    'StoreError': 'errors',
    'StoreFailure': 'errors',
    'StoreUnavailable': 'errors',
    'StreamFenced': 'errors',
    'StreamLogError': 'errors',
    'StreamMissing': 'errors',
    'StreamRecoveredEvent': 'reduce.events',
    'StreamStats': 'core.stats',
    'StreamTimeout': 'errors',
    'StreamTruncated': 'errors',
    'StreamUsageError': 'errors',
    'StreamingError': 'errors',
    'SyncRunStream': 'run.sync',
    'Timeline': 'reduce.timeline',
    'TooManyRuns': 'errors',
    'ToolCall': 'reduce.tool_call',
    'ToolCallKind': 'reduce.tool_call',
    'ToolCallState': 'reduce.tool_call',
    'Turn': 'chat.turn',
    'TurnInProgress': 'errors',
    'WholeResponseEvent': 'reduce.events',
    'arguments_of': 'partials.arguments',
    'guard': 'aio.guard',
    'json_patch': 'partials.json_patch',
    'merge': 'run.merge',
    'observe_tools': 'run.tool_views',
    'partial_outputs': 'run.partials',
    'run_stream_sync': 'run.sync',
    'smooth': 'aio.smooth',
    'without_notes': 'reduce.history',
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from importlib import import_module

    return getattr(import_module(f'.{_WHERE[name]}', __name__), name)


def __dir__() -> list[str]:
    return __all__
