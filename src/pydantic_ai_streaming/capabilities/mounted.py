"""What the capabilities that change a run's events have in common: `Mounted`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import AgentStreamEvent, ModelRequest, OutputToolResultEvent
from pydantic_ai.models import Model
from pydantic_ai.tools import RunContext

from ..aio.clock import running_loop
from ..reduce.events import AttemptRejectedEvent, takes_back
from ..reduce.history import reason_of, rejection_in
from ..run.durable import is_durable
from ..run.whole_response import WholeResponses

__all__ = ['Mounted', 'Rejections', 'in_workflow', 'refuse_class']


@dataclass
class Mounted(AbstractCapability[Any]):
    """A capability that wraps a run's events. A model that cannot stream stays usable with it."""

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Refuse to be made of the class: what `__init__` would say of its argument helps nobody.

        Raises:
            TypeError: pydantic-ai has called the class, which was mounted in place of an instance.
        """
        refuse_class(args[0] if args else None, f'{cls.__name__}()')
        return super().__new__(cls)

    def begun(self, ctx: RunContext[Any], now: float) -> Self:
        """The copy for one run, which begins at `now` (seconds)."""
        return self

    async def for_run(self, ctx: RunContext[Any]) -> Self:
        """Return the copy that holds the state of one run.

        Raises:
            StreamUsageError: No event loop of asyncio is running.
        """
        return self.begun(ctx, running_loop(type(self).__name__).time())

    @cached_property
    def _listens(self) -> bool:
        return self.has_on_event

    def listens_to(self, event: AgentStreamEvent) -> bool:
        """Whether a subclass listens: pydantic-ai asks for each event, and would look through the class each time."""
        return self._listens and super().listens_to(event)

    def get_wrapper_model(self, model: Model) -> Model | None:
        """Let a model that cannot stream answer whole: this capability makes every run stream."""
        return WholeResponses.of(model)


def refuse_class(argument: object, written: str) -> None:
    """Raise `TypeError` for a capability that pydantic-ai makes of its class, as of a function, with the run's context.

    Args:
        argument: The first argument of the capability.
        written: How an instance is written.
    """
    if isinstance(argument, RunContext):
        raise TypeError(f'A capability is mounted as an instance, not as its class: capabilities=[{written}].')


def in_workflow(ctx: RunContext[Any]) -> bool:
    """Whether a run goes on inside a durable workflow or flow, where events are replayed when a response is whole."""
    return is_durable(ctx.root_capability)


class Rejections:
    """Finds out that an attempt at the output was rejected, which no event says."""

    def __init__(self, ctx: RunContext[Any]) -> None:
        self._seen = rejection_in(ctx.messages)
        self._refused: tuple[str, str] | None = None
        self._taken_back = 0

    def see(self, event: AgentStreamEvent) -> None:
        """Take in an event: it may say that an output tool was not accepted, or that a response begins anew."""
        self._taken_back += takes_back(event)
        if type(event) is OutputToolResultEvent and event.part.outcome == 'retried':
            self._refused = self._refused or (str(event.part.content), event.part.tool_name)

    def asked(self, ctx: RunContext[Any]) -> AttemptRejectedEvent | None:
        """The model is asked. Returns what was rejected, if that is why."""
        if not ctx.messages or not isinstance(ctx.messages[-1], ModelRequest):
            return None
        feedback, refused = rejection_in(ctx.messages), self._refused
        self._refused = None
        if feedback is not None and feedback is not self._seen:
            self._seen = feedback
            refused = reason_of(feedback), ''
        if refused is None:
            return None
        self._taken_back += 1
        reason, tool_name = refused
        return AttemptRejectedEvent(
            attempt=self._taken_back, text='', start=0, reason=reason, tool_name=tool_name or None
        )
