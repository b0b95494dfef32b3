"""Who is told of every run that begins: one observer for the whole process, or another one for a block of code."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from .pump import Pump

__all__ = ['ModelNames', 'RunObserver', 'observe_runs', 'observing_runs', 'run_begins']


class ModelNames(NamedTuple):
    """Who was asked last, and who answers; `None` where it is not known."""

    provider: str | None = None
    requested: str | None = None
    responding: str | None = None


class RunObserver(Protocol):
    """Told of each run before its first event. What comes of it is in its record, which can be watched."""

    def run_begins(self, run: Pump[Any]) -> Context | None:
        """A run begins. The context is the one to run it in; `None` for a copy of the current one."""
        ...


_everywhere: list[RunObserver] = []
"""The observers of the process; the last one counts."""

_here: ContextVar[RunObserver | None] = ContextVar('pydantic_ai_streaming_observer', default=None)
"""The observer of the current block of code, in place of the process's."""


def observe_runs(observer: RunObserver) -> Callable[[], None]:
    """Have `observer` told of every run of the process from now on, until what is returned is called."""
    _everywhere.append(observer)

    def end() -> None:
        for index, other in enumerate(_everywhere):
            if other is observer:
                del _everywhere[index]
                break

    return end


@contextmanager
def observing_runs(observer: RunObserver) -> Generator[None]:
    """Have `observer` told of the runs that begin in a block of code, and in the tasks that begin there."""
    token = _here.set(observer)
    try:
        yield
    finally:
        _here.reset(token)


def run_begins(run: Pump[Any]) -> Context | None:
    """Tell the observer, if there is one. Returns the context to run the run in."""
    observer = _here.get() or (_everywhere[-1] if _everywhere else None)
    return None if observer is None else observer.run_begins(run)
