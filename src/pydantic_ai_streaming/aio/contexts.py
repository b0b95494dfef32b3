"""The context (`contextvars`) of whoever runs, to be shared with a task: `current_context`."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextvars import Context, ContextVar, copy_context
from typing import Any

__all__ = ['current_context']

_probe: ContextVar[object] = ContextVar('pydantic_ai_streaming_probe')


def current_context() -> Context:
    """The context of the current task itself, where `copy_context` gives a copy of it.

    A generator that sets a context variable around a `yield`, as a span of OpenTelemetry does that is the current one,
    sets it back where it is read to its end. If it is read by one task at first and by another later, the variable
    stays set for the first, and its token is refused in the second. So a task that goes on with the reading is given
    this one: `asyncio.Task(reading, context=current_context())`. The two never run at the same time.

    Where it cannot be had, this is a copy.
    """
    task = asyncio.current_task()
    context = None if task is None else _context_of(task)
    return context if context is not None and _is_current(context) else copy_context()


def _context_of(task: asyncio.Task[Any]) -> Context | None:
    if sys.version_info >= (3, 12):
        return task.get_context()
    # Python 3.11 has no method for it. A task that is written in C refers to its context before all others.
    found = (one for one in gc.get_referents(task) if isinstance(one, Context))
    return getattr(task, '_context', None) or next(found, None)


def _is_current(context: Context) -> bool:
    mark = object()
    token = _probe.set(mark)
    try:
        return context.get(_probe) is mark
    finally:
        _probe.reset(token)
