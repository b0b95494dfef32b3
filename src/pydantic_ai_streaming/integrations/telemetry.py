"""Telemetry of streams on OpenTelemetry: what a person saw of a run, beside what pydantic-ai tells of it.

pydantic-ai has a span for the run (`invoke_agent`), for each request (`chat`) and each tool (`execute_tool`), with
messages and tokens, and `gen_ai.client.operation.time_to_first_chunk`. This module repeats none of it. Its span stands
around that of the run, in the same trace, and says how the stream went and why it ended.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from importlib.metadata import version
from typing import Any

from opentelemetry.context import attach
from opentelemetry.metrics import MeterProvider, get_meter_provider
from opentelemetry.trace import TracerProvider, get_tracer_provider, set_span_in_context

from ..core.numbers import check_number
from ..run.observers import observe_runs, observing_runs
from ..run.pump import Pump
from .conventions import Attributes, Instruments
from .observation import Observation

__all__ = ['Telemetry', 'instrument_streams']


class Telemetry:
    """A span and figures for each run that one watches: `RunStream`, turns of a `Chat`, `merge`, `run_stream_sync`.

    Turn it on for the whole process with `instrument_streams`, or for a block of code with `active`. Without a provider
    of OpenTelemetry that records anything, a run costs nothing more.

    The span ends exactly once, on every way out, and says how it was: `pydantic_ai_streaming.outcome` is
    `RunStream.finish`, a run that failed has the status `ERROR` and an `error.type`. It holds sizes and times; texts
    only with `include_content`.

    Args:
        tracer_provider: Where spans go. The global one by default, which `logfire.configure()` sets.
        meter_provider: Where figures go. The global one by default, as above.
        include_content: Whether the text, and the reasons and messages that may quote it, go into the span. pydantic-ai
            decides for its own spans: `InstrumentationSettings(include_content=False)`.
        stall_after: Seconds without content, while the provider is waited for, that count as a stall.

    Raises:
        TypeError: `stall_after` is not a number.
        ValueError: `stall_after` is not positive.

    Example:
        ```python
        import asyncio

        import logfire
        from logfire.testing import TestExporter
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from pydantic_ai import Agent
        from pydantic_ai_streaming import RunStream
        from pydantic_ai_streaming.integrations.telemetry import Telemetry
        from pydantic_ai_streaming.testing import ScriptedModel

        spans = TestExporter()
        logfire.configure(
            send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(spans)]
        )
        agent = Agent(ScriptedModel(['It can ', 'be measured.']), name='writer')


        async def main():
            with Telemetry().active():
                async with RunStream(agent.run_stream_events('Go')) as stream:
                    await stream.get_output()


        asyncio.run(main())
        for span in spans.exported_spans_as_dict():
            print(span['name'], span['attributes']['pydantic_ai_streaming.outcome'])
        #> stream writer complete
        ```
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        include_content: bool = False,
        stall_after: float = 5.0,
    ) -> None:
        check_number('stall_after', stall_after)
        if not 0 < stall_after < float('inf'):
            raise ValueError(f'stall_after={stall_after!r}: use a positive number of seconds')
        scope, release = 'pydantic-ai-streaming', version('pydantic-ai-streaming')
        self._meter_provider = meter_provider
        self._tracer = (tracer_provider or get_tracer_provider()).get_tracer(scope, release)
        self._instruments = Instruments((meter_provider or get_meter_provider()).get_meter(scope, release))
        self._include_content = include_content
        self._stall_after = stall_after

    def active(self) -> AbstractContextManager[None]:
        """Have the runs observed that begin in a block of code, and in the tasks that begin there.

        In the block it stands in place of the telemetry of the process, if there is one.
        """
        return observing_runs(self)

    def run_begins(self, run: Pump[Any]) -> Context | None:
        """Called by each run that begins; not for you."""
        attributes: Attributes = {'logfire.msg': f'stream of {run.agent_name or "agent"}'}
        span = self._tracer.start_span(f'stream {run.agent_name or "agent"}', attributes=attributes)
        if not span.is_recording() and not self._counts():
            return None
        Observation(
            run, span, self._instruments, stall_after=self._stall_after, include_content=self._include_content
        ).watch()
        context = copy_context()
        context.run(lambda: attach(set_span_in_context(span)))
        return context

    def _counts(self) -> bool:
        """Whether figures go anywhere. The providers that come with the API itself forget them."""
        provider = self._meter_provider or get_meter_provider()
        return not type(provider).__module__.startswith('opentelemetry.metrics')


def instrument_streams(telemetry: Telemetry | None = None) -> Callable[[], None]:
    """Turn telemetry on for every stream of the process that begins from now on.

    It is to streams what `logfire.instrument_pydantic_ai()` is to agents; use both. Call it once, after
    `logfire.configure()` or what else sets the providers. Of several, the last one counts.

    Args:
        telemetry: What to record, and where; `Telemetry()` by default.

    Returns:
        A function that turns it off again.

    Raises:
        TypeError: `telemetry` is something else.

    Example:
        ```python
        from pydantic_ai_streaming.integrations.telemetry import instrument_streams

        turn_off = instrument_streams()
        ...
        turn_off()
        ```
    """
    if not isinstance(telemetry, Telemetry | None):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
        raise TypeError(
            f'instrument_streams({telemetry!r}): use Telemetry(...), or nothing for its defaults; the function that it '
            'returns turns telemetry off again.'
        )
    return observe_runs(telemetry or Telemetry())
