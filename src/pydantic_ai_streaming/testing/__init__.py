"""What tests of streamed runs need: scripted models, cuts, virtual time, recordings.

The names are loaded when they are first used, so that the pytest plugin costs nothing in a run that does not need it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_ai_streaming.testing import virtual_time
    from pydantic_ai_streaming.testing.cutting import cuts, every_cut, reply
    from pydantic_ai_streaming.testing.recording import RecordingModel, record
    from pydantic_ai_streaming.testing.recording_file import RecordingError
    from pydantic_ai_streaming.testing.replay import ReplayModel
    from pydantic_ai_streaming.testing.requests import CloseReason, RecordedRequest
    from pydantic_ai_streaming.testing.scripted import Script, ScriptedModel, ScriptEndedError
    from pydantic_ai_streaming.testing.scripted_stream import StreamClosedError
    from pydantic_ai_streaming.testing.steps import (
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
    from pydantic_ai_streaming.testing.tasks import describe_tasks
    from pydantic_ai_streaming.testing.virtual_time import DeadlockError, VirtualTimeLoop

__all__ = [
    'CloseReason',
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
    'Text',
    'Thinking',
    'ToolCall',
    'Usage',
    'VirtualTimeLoop',
    'cuts',
    'describe_tasks',
    'every_cut',
    'record',
    'reply',
    'virtual_time',
]

_MODULES = {
    'CloseReason': 'requests',
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
    'Text': 'steps',
    'Thinking': 'steps',
    'ToolCall': 'steps',
    'Usage': 'steps',
    'VirtualTimeLoop': 'virtual_time',
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
