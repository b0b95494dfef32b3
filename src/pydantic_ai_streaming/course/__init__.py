"""The course: what its lessons and their checks are written with. `pydantic-ai-streaming lessons` runs it.

The lessons themselves are in `lessons/` of the repository, and come with the package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .articles import ArticleServer, Page, article_text
    from .connections import WebResponse, WebSocketClient, events_in
    from .event_source import EventSourceStandIn
    from .exercise import Exercise, NotYet
    from .model import lesson_model
    from .outputs import Output, Outputs
    from .screen import Screen, Shown
    from .terminal import Pipe, Terminal
    from .web import WebApp, WebClient, serving

__all__ = [
    'ArticleServer',
    'EventSourceStandIn',
    'Exercise',
    'NotYet',
    'Output',
    'Outputs',
    'Page',
    'Pipe',
    'Screen',
    'Shown',
    'Terminal',
    'WebApp',
    'WebClient',
    'WebResponse',
    'WebSocketClient',
    'article_text',
    'events_in',
    'lesson_model',
    'serving',
]

# Loaded when first asked for: `lessons --help` need not wait for pydantic-ai.
_WHERE = {
    'ArticleServer': 'articles',
    'EventSourceStandIn': 'event_source',
    'Exercise': 'exercise',
    'NotYet': 'exercise',
    'Output': 'outputs',
    'Outputs': 'outputs',
    'Page': 'articles',
    'Pipe': 'terminal',
    'Screen': 'screen',
    'Shown': 'screen',
    'Terminal': 'terminal',
    'WebApp': 'web',
    'WebClient': 'web',
    'WebResponse': 'connections',
    'WebSocketClient': 'connections',
    'article_text': 'articles',
    'events_in': 'connections',
    'lesson_model': 'model',
    'serving': 'web',
}


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_WHERE[name]}'), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
