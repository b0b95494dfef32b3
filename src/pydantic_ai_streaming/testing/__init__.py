"""What tests of streamed runs need: scripted models, cuts, virtual time, recordings.

The names are loaded when they are first used, so that the pytest plugin costs nothing in a run that does not need it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import virtual_time
    from .conversation_store_comparison import compare_stores
    from .conversation_store_suite import ConversationStoreSuite
    from .cutting import cuts, every_cut, reply
    from .recording import RecordingModel, record
    from .recording_file import RecordingError
    from .replay import ReplayModel
    from .requests import CloseReason, RecordedRequest
    from .scripted import Script, ScriptedModel, ScriptEndedError
    from .scripted_stream import StreamClosedError
    from .steps import (
        EndEarly,
        Event,
        Fail,
        Finish,
        Hang,
        KeepAlive,
        Part,
        Response,
        Stall,
        Step,
        Text,
        Thinking,
        ToolCall,
        Usage,
    )
    from .stream_log_comparison import compare_log_backends
    from .stream_log_suite import StreamLogSuite
    from .tasks import describe_tasks
    from .turn_journal_suite import TurnJournalSuite
    from .virtual_time import DeadlockError, VirtualTimeLoop

__all__ = [
    'CloseReason',
    'ConversationStoreSuite',
    'DeadlockError',
    'EndEarly',
    'Event',
    'Fail',
    'Finish',
    'Hang',
    'KeepAlive',
    'Part',
    'RecordedRequest',
    'RecordingError',
    'RecordingModel',
    'ReplayModel',
    'Response',
    'Script',
    'ScriptEndedError',
    'ScriptedModel',
    'Stall',
    'Step',
    'StreamClosedError',
    'StreamLogSuite',
    'Text',
    'Thinking',
    'ToolCall',
    'TurnJournalSuite',
    'Usage',
    'VirtualTimeLoop',
    'compare_log_backends',
    'compare_stores',
    'cuts',
    'describe_tasks',
    'every_cut',
    'record',
    'reply',
    'virtual_time',
]

_MODULES = {
    'CloseReason': 'requests',
    'ConversationStoreSuite': 'conversation_store_suite',
    'DeadlockError': 'virtual_time',
    'EndEarly': 'steps',
    'Event': 'steps',
    'Fail': 'steps',
    'Finish': 'steps',
    'Hang': 'steps',
    'KeepAlive': 'steps',
    'Part': 'steps',
    'RecordedRequest': 'requests',
    'RecordingError': 'recording_file',
    'RecordingModel': 'recording',
    'ReplayModel': 'replay',
    'Response': 'steps',
    'Script': 'scripted',
    'ScriptEndedError': 'scripted',
    'ScriptedModel': 'scripted',
    'Stall': 'steps',
    'Step': 'steps',
    'StreamClosedError': 'scripted_stream',
    'StreamLogSuite': 'stream_log_suite',
    'Text': 'steps',
    'Thinking': 'steps',
    'ToolCall': 'steps',
    'TurnJournalSuite': 'turn_journal_suite',
    'Usage': 'steps',
    'VirtualTimeLoop': 'virtual_time',
    'compare_log_backends': 'stream_log_comparison',
    'compare_stores': 'conversation_store_comparison',
    'cuts': 'cutting',
    'describe_tasks': 'tasks',
    'every_cut': 'cutting',
    'record': 'recording',
    'reply': 'cutting',
}


def __getattr__(name: str) -> object:
    if name == 'virtual_time':
        return import_module(f'{__name__}.virtual_time')
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_MODULES[name]}'), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
