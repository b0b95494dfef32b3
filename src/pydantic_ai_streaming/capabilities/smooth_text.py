"""Text at a readable pace, wherever an agent's events are read: `SmoothText`."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Self

from pydantic_ai.messages import AgentStreamEvent
from pydantic_ai.tools import RunContext

from ..aio.timed import Timed
from ..core.cutting import Unit
from ..core.pacing import Smoothing
from ..reduce.paced_events import PacedEvents
from .mounted import Mounted, in_workflow

__all__ = ['SmoothText']


@dataclass
class SmoothText(Mounted):
    """Has the text of an agent's runs come at a pace that one can read.

    The text is the same, cut anew: in `run_stream`, `run_stream_events`, `iter`, an event stream handler and the UI
    adapters. The output and the history are not touched. The model is read at its own speed meanwhile: once text comes,
    a task beside the run reads ahead. Other events keep their places; a tool call waits for the text before it, which
    is then due within `Smoothing.drain`. If the run fails, what has been read comes first, at once.

    Mounted twice, the later one counts; one that is passed to a run counts in place of the agent's. Inside a durable
    workflow events pass unchanged, as they come when the response is whole.

    Args:
        smoothing: The pace.

    Raises:
        TypeError: `smoothing` is something else.

    Example:
        ```python
        import asyncio

        from pydantic_ai import Agent
        from pydantic_ai_streaming import Smoothing
        from pydantic_ai_streaming.capabilities import SmoothText
        from pydantic_ai_streaming.testing import ScriptedModel

        agent = Agent(ScriptedModel(['It comes in ', 'one burst.']), capabilities=[SmoothText(Smoothing(by='word'))])


        async def main():
            async with agent.run_stream('Go') as result:
                async for piece in result.stream_text(delta=True, debounce_by=None):
                    print(repr(piece))


        asyncio.run(main())
        ```
    """

    smoothing: Smoothing = field(default_factory=Smoothing)

    _: KW_ONLY

    id: str | None = 'smooth_text'

    def __post_init__(self) -> None:
        if not isinstance(self.smoothing, Smoothing):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
            raise TypeError(f'SmoothText() needs Smoothing(...), not {self.smoothing!r}')

    @classmethod
    def from_spec(
        cls,
        *,
        by: Unit = 'word',
        max_lag: float = 0.4,
        drain: float = 0.114,
        max_hold: float = 0.6,
        fps: float = 60,
    ) -> Self:
        """Make one of what an agent's spec says, in the words of `Smoothing`."""
        return cls(Smoothing(by=by, max_lag=max_lag, drain=drain, max_hold=max_hold, fps=fps))

    def wrap_run_event_stream(
        self, ctx: RunContext[Any], *, stream: AsyncIterable[AgentStreamEvent]
    ) -> AsyncIterable[AgentStreamEvent]:
        """Pace the text of one node."""
        return stream if in_workflow(ctx) else Timed(stream, PacedEvents(self.smoothing))
