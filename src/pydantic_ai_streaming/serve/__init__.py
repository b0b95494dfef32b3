"""Runs sent to browsers, for Starlette and FastAPI: server-sent events, a WebSocket, Durable Streams.

The names are loaded when they are first used: Starlette, of the extra `serve`, is needed by `SSEResponse`,
`serve_websocket` and `durable_streams` only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .asked import Asked
    from .browser import BROWSER_CLIENT
    from .durable.app import DurableStreams, DurableStreamsLimits, durable_streams
    from .frames import Frame, FrameType, FrameView
    from .live import LiveStream, LiveStreams
    from .router import stream_router
    from .runner import StreamRunner
    from .source import Source
    from .sse_response import SSEResponse
    from .ui_wire import AGUI, AISDK
    from .websocket import serve_websocket
    from .wire import Frames, WireFormat
    from .workflow_streams import WorkflowStep, WorkflowStreams

__all__ = [
    'AGUI',
    'AISDK',
    'BROWSER_CLIENT',
    'Asked',
    'DurableStreams',
    'DurableStreamsLimits',
    'Frame',
    'FrameType',
    'FrameView',
    'Frames',
    'LiveStream',
    'LiveStreams',
    'SSEResponse',
    'Source',
    'StreamRunner',
    'WireFormat',
    'WorkflowStep',
    'WorkflowStreams',
    'durable_streams',
    'serve_websocket',
    'stream_router',
]

_MODULES = {
    'AGUI': 'ui_wire',
    'AISDK': 'ui_wire',
    'Asked': 'asked',
    'BROWSER_CLIENT': 'browser',
    'DurableStreams': 'durable.app',
    'DurableStreamsLimits': 'durable.app',
    'Frame': 'frames',
    'FrameType': 'frames',
    'FrameView': 'frames',
    'Frames': 'wire',
    'LiveStream': 'live',
    'LiveStreams': 'live',
    'SSEResponse': 'sse_response',
    'Source': 'source',
    'StreamRunner': 'runner',
    'WireFormat': 'wire',
    'WorkflowStep': 'workflow_streams',
    'WorkflowStreams': 'workflow_streams',
    'durable_streams': 'durable.app',
    'serve_websocket': 'websocket',
    'stream_router': 'router',
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    try:
        module = import_module(f'{__name__}.{_MODULES[name]}')
    except ImportError as error:
        if (error.name or '').partition('.')[0] != 'starlette':
            raise
        raise ImportError(f"{name} needs Starlette: pip install 'pydantic-ai-streaming[serve]'. {error}") from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
