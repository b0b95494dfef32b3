"""What `RunStream` does for one caller, mounted on an agent: in every run, and in the UI adapters.

Each capability is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .partial_outputs import PartialOutputs
    from .shown import PartialOutputEvent, ShownEvent, TimelineEvent, ToolCallUpdateEvent
    from .smooth_text import SmoothText
    from .stream_guard import StreamGuard
    from .tool_timeline import ToolTimeline

__all__ = [
    'PartialOutputEvent',
    'PartialOutputs',
    'ShownEvent',
    'SmoothText',
    'StreamGuard',
    'TimelineEvent',
    'ToolCallUpdateEvent',
    'ToolTimeline',
]

_MODULES = {
    'PartialOutputEvent': 'shown',
    'PartialOutputs': 'partial_outputs',
    'ShownEvent': 'shown',
    'SmoothText': 'smooth_text',
    'StreamGuard': 'stream_guard',
    'TimelineEvent': 'shown',
    'ToolCallUpdateEvent': 'shown',
    'ToolTimeline': 'tool_timeline',
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_MODULES[name]}'), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
