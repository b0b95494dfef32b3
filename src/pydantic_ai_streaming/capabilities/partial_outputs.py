"""A structured output that fills in, wherever an agent's events are read: `PartialOutputs`."""

from __future__ import annotations

import math
from collections.abc import AsyncIterable
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Self

from pydantic_ai.capabilities import CapabilityOrdering, WrapOutputProcessHandler
from pydantic_ai.messages import AgentStreamEvent
from pydantic_ai.models import ModelRequestContext
from pydantic_ai.output import OutputContext
from pydantic_ai.tools import RunContext

from ..aio.timed import Timed
from ..core.numbers import check_number
from ..partials.outputs import TEXT, Outputs
from .mounted import Mounted, Rejections, in_workflow
from .output_events import OutputEvents
from .smooth_text import SmoothText

__all__ = ['PartialOutputs']


@dataclass
class PartialOutputs(Mounted):
    """Adds `PartialOutputEvent`s to an agent's runs: the structured output as far as it has come.

    They reach whoever reads the events of a run, and through `VercelAIAdapter` and `AGUIAdapter` the browser, all of a
    run with one `id`. A run whose output is plain text has none. An attempt that is rejected is followed by the next in
    its place. The last one, with `is_final`, has the validated output; `agent.run_stream` ends before there is one.

    To send all that there is each time would take bytes that grow with the square of the output, so the time between
    two events grows with it: see `rate`. What is withheld comes when its time has come, and at the end of the response.

    Mounted twice, the later one counts; one that is passed to a run counts in place of the agent's. Inside a durable
    workflow a response comes whole, and so does the output.

    Args:
        every: Seconds between two events at least.
        rate: Bytes per second that the events take at most, in the long run: after one of 10,000 bytes, 0.2 seconds
            pass before the next.
        patches: Whether to send what has changed in place of all that there is: few bytes, but whoever reads them has
            to apply each. The last event has the whole value all the same.
        output_type: What the run answers with, if not what its agent says: where `agent.run(output_type=...)` says
            something else, nothing is shown unless it is repeated here.

    Raises:
        TypeError: `every` or `rate` is not a number, or `patches` is neither true nor false.
        ValueError: `every` is negative, `rate` is not positive, or one is not finite.

    Example:
        ```python
        import asyncio

        from pydantic import BaseModel
        from pydantic_ai import Agent
        from pydantic_ai_streaming.capabilities import PartialOutputEvent, PartialOutputs
        from pydantic_ai_streaming.testing import ScriptedModel, ToolCall


        class Movie(BaseModel):
            title: str
            year: int


        pieces = ['{"title": "Du', 'ne", "year"', ': 1965}']
        model = ScriptedModel([ToolCall('final_result', pieces=pieces)], gap=0.05)
        agent = Agent(model, output_type=Movie, capabilities=[PartialOutputs(every=0)])


        async def main():
            async with agent.run_stream_events('Which movie?') as events:
                async for event in events:
                    if isinstance(event, PartialOutputEvent):
                        print(event.value, event.streaming, event.is_final)


        asyncio.run(main())
        #> {'title': 'Du'} /title False
        #> {'title': 'Dune'} /year False
        #> {'title': 'Dune', 'year': 1965} None False
        #> {'title': 'Dune', 'year': 1965} None True
        ```
    """

    _: KW_ONLY

    every: float = 0.1
    rate: float = 50_000
    patches: bool = False
    output_type: Any = None

    id: str | None = 'partial_outputs'

    _events: OutputEvents | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.patches, bool):  # pyright: ignore[reportUnnecessaryIsInstance] - an agent's spec has no types
            raise TypeError(f'patches={self.patches!r}: use True or False')
        check_number('every', self.every)
        check_number('rate', self.rate)
        if not 0 <= self.every < math.inf:
            raise ValueError(f'every={self.every!r}: use a finite number of seconds that is not negative')
        if not 0 < self.rate < math.inf:
            raise ValueError(f'rate={self.rate!r}: use a finite, positive number of bytes per second')

    @classmethod
    def from_spec(cls, *, every: float = 0.1, rate: float = 50_000, patches: bool = False) -> Self:
        """Make one of what an agent's spec says."""
        return cls(every=every, rate=rate, patches=patches)

    def get_ordering(self) -> CapabilityOrdering:
        """Inside `SmoothText`: the output shows as it comes, and among the text where it came."""
        return CapabilityOrdering(wrapped_by=[SmoothText])

    def begun(self, ctx: RunContext[Any], now: float) -> Self:
        """The copy for one run."""
        copy = replace(self)
        output_type = self.output_type or (None if ctx.agent is None else ctx.agent.output_type)
        outputs = None if output_type is None else Outputs.of(output_type)
        if outputs is not None and outputs.structured:
            copy._events = OutputEvents(
                outputs,
                Rejections(ctx),
                id=f'{ctx.run_id}:output',
                every=self.every,
                rate=self.rate,
                patches=self.patches,
                context=lambda: ctx.validation_context,
            )
        return copy

    async def prepare_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """See whether the run answers with what is known here."""
        parameters = request_context.model_request_parameters
        if self._events is not None:
            schemas = {tool.name: tool.parameters_json_schema for tool in parameters.output_tools}
            if not schemas and parameters.output_object is not None:
                schemas = {TEXT: parameters.output_object.json_schema}
            self._events.asked(schemas)
        return request_context

    async def wrap_output_process(
        self, ctx: RunContext[Any], *, output_context: OutputContext, output: Any, handler: WrapOutputProcessHandler
    ) -> Any:
        """Learn what the validated output is."""
        result = await handler(output)
        if self._events is not None and not ctx.partial_output:
            call = output_context.tool_call
            self._events.accept(result, '' if call is None else call.tool_call_id)
        return result

    def wrap_run_event_stream(
        self, ctx: RunContext[Any], *, stream: AsyncIterable[AgentStreamEvent]
    ) -> AsyncIterable[AgentStreamEvent]:
        """Add to the events of one node."""
        if self._events is None:
            return stream
        self._events.begin(ctx)
        return Timed(stream, self._events, ahead=not in_workflow(ctx))
