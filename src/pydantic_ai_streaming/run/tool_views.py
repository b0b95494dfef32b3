"""Tool calls that one can see: a view of a run's, and `observe_tools` for any iterator of events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence

from ..aio.closing import close
from ..aio.cursor import Cursor
from ..partials.shapes import Shape
from ..reduce.events import RunEvent
from ..reduce.tool_call import ToolCall
from ..reduce.tool_watch import ToolWatch

__all__ = ['ToolCallView', 'observe_tools']


class ToolCallView(AsyncIterator[ToolCall]):
    """Yields a tool call whenever something becomes of it. Holds no task and no scope: it can be dropped anywhere."""

    __slots__ = ('_changed', '_cursor', '_ended', '_started', '_watch')

    def __init__(
        self, cursor: Cursor[RunEvent], started: float, shape_of: Callable[[str], Shape | None] | None = None
    ) -> None:
        self._cursor = cursor
        self._started = started
        self._watch = ToolWatch(shape_of)
        self._changed: deque[ToolCall] = deque()
        self._ended = False

    def __aiter__(self) -> ToolCallView:
        return self

    async def __anext__(self) -> ToolCall:
        cursor = self._cursor
        while not self._changed:
            arrived = cursor.take()
            for at, event in arrived:
                self._changed.extend(self._watch.add(event, at - self._started))
            if arrived:
                continue
            if not cursor.exhausted:
                await cursor.wait()
            elif self._ended:
                cursor.end()
            else:
                self._changed.extend(self._finish())
        return self._changed.popleft()

    def step(self) -> Sequence[ToolCall]:
        """What the next event shows, without waiting; at the end of the run the calls that did not get to theirs."""
        for at, event in self._cursor.take(1):
            return self._watch.add(event, at - self._started)
        return self._finish() if self._cursor.exhausted and not self._ended else ()

    def _finish(self) -> Sequence[ToolCall]:
        # What did not get to its end is told before the end is.
        self._ended = True
        return self._watch.finish((self._cursor.closed_at or self._started) - self._started)


async def observe_tools(
    events: AsyncIterable[object], *, shape_of: Callable[[str], Shape | None] | None = None
) -> AsyncGenerator[ToolCall]:
    """Follow the tool calls in an iterator of pydantic-ai's events.

    For an `event_stream_handler`, or whatever else has events and no `RunStream`. Times are those at which the events
    were read, in seconds since the first was asked for. The source is closed with this iterator.

    Args:
        events: Where the events come from.
        shape_of: The shapes of tools' arguments.

    Example:
        ```python
        import asyncio

        from pydantic_ai import Agent
        from pydantic_ai_streaming import observe_tools
        from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

        agent = Agent(ScriptedModel([ToolCall('dice', {'sides': 6})], ['Four.']))


        @agent.tool_plain
        def dice(sides: int) -> int:
            return 4


        async def main():
            async with agent.run_stream_events('Roll') as events:
                async for call in observe_tools(events):
                    print(call.name, call.state, call.result)


        asyncio.run(main())
        #> dice calling None
        #> dice called None
        #> dice running None
        #> dice returned 4
        ```
    """
    clock = asyncio.get_running_loop().time
    watch, started = ToolWatch(shape_of), clock()
    iterator = aiter(events)
    try:
        async for event in iterator:
            for call in watch.add(event, clock() - started):
                yield call
        for call in watch.finish(clock() - started):
            yield call
    finally:
        await close(iterator)
