"""Deadlines, truncation and recovery for every run of an agent: `StreamGuard`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.capabilities import AbstractCapability, CapabilityOrdering
from pydantic_ai.tools import RunContext

from ..aio.clock import running_loop
from ..core.deadlines import Deadlines
from ..reduce.recovery import Recovery
from ..run.misuse import check_settings
from ..run.watch import OnTruncation
from .guarded_run import GuardedRun
from .mounted import refuse_class

__all__ = ['StreamGuard']


@dataclass
class StreamGuard(AbstractCapability[Any]):
    """Gives every run of an agent deadlines, has it see truncation, and lets it go on after a response breaks off.

    It works the same under `agent.run()`, `run_stream`, `run_stream_events`, `iter` and the UI adapters: it stands
    between the run and its model. `agent.run()` streams then. A model that cannot stream is asked for a whole response.

    `first`, `idle` and `min_rate` count as in `RunStream`: while a tool runs, while whoever reads the run is slow, or
    while nobody reads it, nothing counts but `total`. `total` counts from the beginning of the run and ends it where it
    waits: for the model, or for a tool. A function in a thread cannot be ended: it goes on there, and the run ends
    without it.

    With `RunStream` over such an agent the tighter deadlines count, but those of `RunStream` end the run, and only
    those of the guard are recovered from. One of the two may have a `Recovery`.

    Args:
        deadlines: The limits.
        on_truncation: What to do when a response ends without a finish reason: `'raise'` raises `StreamTruncated` (or
            recovers), `'mark'` takes the reply as it is.
        recovery: How to go on after a response that breaks off; by default the run fails.

    A run raises:
        StreamTimeout: A deadline has passed, and there is no recovery, or no more. It has text, messages and usage.
        StreamTruncated: A reply was cut off, in the same way.
        StreamUsageError: The guard is mounted twice, runs outside of asyncio, or in a durable workflow; or `RunStream`
            has a recovery too.

    Example:
        ```python
        import asyncio

        from pydantic_ai import Agent
        from pydantic_ai_streaming import Deadlines, Recovery
        from pydantic_ai_streaming.capabilities import StreamGuard
        from pydantic_ai_streaming.testing import ScriptedModel, Stall

        model = ScriptedModel(['Once upon ', Stall()], ['a time.'])
        agent = Agent(model, capabilities=[StreamGuard(Deadlines(idle=0.1), recovery=Recovery(by='continue'))])
        print(asyncio.run(agent.run('A story')).output)
        #> Once upon a time.
        ```
    """

    deadlines: Deadlines = field(default_factory=Deadlines)
    on_truncation: OnTruncation = field(default='raise', kw_only=True)
    recovery: Recovery | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        refuse_class(self.deadlines, 'StreamGuard(Deadlines(...))')
        check_settings(self.deadlines, self.on_truncation, self.recovery)

    @classmethod
    def from_spec(
        cls,
        deadlines: Mapping[str, float] | None = None,
        *,
        on_truncation: OnTruncation = 'raise',
        recovery: Mapping[str, Any] | None = None,
    ) -> StreamGuard:
        """Make one of an agent spec: the settings are mappings, models are names.

        Raises:
            TypeError: A setting is no mapping, or names something that there is not.

        Example:
            >>> StreamGuard.from_spec({'idle': 15}, recovery={'by': 'restart'}).recovery.by
            'restart'
        """
        _check_mapping('deadlines', deadlines, "{'idle': 15}")
        _check_mapping('recovery', recovery, "{'by': 'restart'}")
        return cls(
            Deadlines(**(deadlines or {})),
            on_truncation=on_truncation,
            recovery=None if recovery is None else Recovery(**recovery),
        )

    def get_ordering(self) -> CapabilityOrdering:
        """Next to the model: what others do with a response takes no time of the provider."""
        return CapabilityOrdering(position='innermost')

    async def for_run(self, ctx: RunContext[Any]) -> AbstractCapability[Any]:
        """The watch of one run."""
        running_loop('StreamGuard')
        return GuardedRun(on_truncation=self.on_truncation, recovery=self.recovery, deadlines=self.deadlines)


def _check_mapping(name: str, setting: object, example: str) -> None:
    if not isinstance(setting, Mapping | None):
        raise TypeError(f'{name}={setting!r} is no mapping: use one such as {example}')
