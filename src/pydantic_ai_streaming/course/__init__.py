"""The course: what its lessons and their checks are written with. `pydantic-ai-streaming lessons` runs it.

The lessons themselves are in `lessons/` of the repository, and come with the package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exercise import Exercise, NotYet
    from .model import lesson_model
    from .screen import Screen, Shown
    from .web import ArticleServer, Page, article_text

__all__ = ['ArticleServer', 'Exercise', 'NotYet', 'Page', 'Screen', 'Shown', 'article_text', 'lesson_model']

# Loaded when first asked for: `lessons --help` need not wait for pydantic-ai.
_WHERE = {
    'ArticleServer': 'web',
    'Exercise': 'exercise',
    'NotYet': 'exercise',
    'Page': 'web',
    'Screen': 'screen',
    'Shown': 'screen',
    'article_text': 'web',
    'lesson_model': 'model',
}


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_WHERE[name]}'), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
