"""Runs sent to browsers: server-sent events and a WebSocket, for Starlette and FastAPI. See the extra `serve`.

The names are loaded when they are first used: Starlette is needed by `SSEResponse` and `serve_websocket` only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .browser import BROWSER_CLIENT
    from .frames import Frame, FrameType, FrameView
    from .live import LiveStream, LiveStreams, Source
    from .sse_response import SSEResponse
    from .websocket import serve_websocket

__all__ = [
    'BROWSER_CLIENT',
    'Frame',
    'FrameType',
    'FrameView',
    'LiveStream',
    'LiveStreams',
    'SSEResponse',
    'Source',
    'serve_websocket',
]

_MODULES = {
    'BROWSER_CLIENT': 'browser',
    'Frame': 'frames',
    'FrameType': 'frames',
    'FrameView': 'frames',
    'LiveStream': 'live',
    'LiveStreams': 'live',
    'SSEResponse': 'sse_response',
    'Source': 'live',
    'serve_websocket': 'websocket',
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
