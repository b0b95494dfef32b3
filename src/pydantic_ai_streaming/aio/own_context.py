"""One context (`contextvars`) for all that an async iterator does, whoever pulls it: `OwnContext`."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from contextvars import Context, copy_context
from typing import Any, Generic, TypeVar

__all__ = ['OwnContext']

T = TypeVar('T')

_MISSING = object()


class OwnContext:
    """Has awaitables do their work in one context, a copy of the one in which this is made.

    A generator that sets a context variable around a `yield`, as a span of OpenTelemetry does that is the current one,
    sets it back where it is read to its end. If it is read in one task at first and in another later, the variable
    stays set in the first, and a token of the first is refused in the second
    (https://peps.python.org/pep-0789/ has more of the kind). So the source is always read in the same context, which a
    task can be given too: `asyncio.create_task(..., context=own.context)`.
    """

    def __init__(self) -> None:
        self._before = copy_context()
        self.context = self._before.copy()

    def within(self, work: Awaitable[T]) -> Awaitable[T]:
        """Wait for something in the current task, whose every step is taken in the context."""
        return _Within(self.context, work)

    def carry_over(self) -> None:
        """Set what was set in the context and not set back in the current one too: later steps of a run may read it."""
        changes = [(var, value) for var, value in self.context.items() if self._before.get(var, _MISSING) is not value]
        self._before = self.context.copy()
        for var, value in changes:
            var.set(value)


class _Within(Awaitable[T], Generic[T]):
    def __init__(self, context: Context, work: Awaitable[T]) -> None:
        self._run = context.run
        self._work = work

    def __await__(self) -> Generator[Any, Any, T]:
        # `yield from`, taken apart: each step enters the context, and leaves it while the task waits.
        run, steps = self._run, self._work.__await__()
        try:
            waits_for = run(next, steps)
            while True:
                try:
                    yield waits_for
                except GeneratorExit:
                    run(steps.close)
                    raise
                except BaseException as error:
                    waits_for = run(steps.throw, error)
                else:
                    waits_for = run(next, steps)
        except StopIteration as end:
            return end.value
