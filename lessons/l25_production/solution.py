"""Seats, deadlines, a `finally` that keeps and logs, and a list of what is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic_ai import Agent, AgentRunError
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model

from pydantic_ai_streaming import Deadlines, RunStream, StreamingError


class Service:
    def __init__(self, model: Model, log: Callable[[str], None]) -> None:
        self.kept: dict[str, list[ModelMessage]] = {}
        self.agent = Agent(model, max_concurrency=3)
        self.log = log
        self.open: dict[asyncio.Task[Any] | None, RunStream[str]] = {}
        self.leaving = False

    async def answer(self, question: str) -> str:
        """Answer a question."""
        if self.leaving:
            self.log('refused')
            return ''
        deadlines = Deadlines(first=10, idle=10, total=120)
        stream = RunStream(self.agent.run_stream_events(question), deadlines=deadlines)
        self.open[asyncio.current_task()] = stream
        try:
            async with stream:
                async for _piece in stream.text():
                    pass  # show it
        except (StreamingError, AgentRunError):
            pass  # the log has it
        finally:
            del self.open[asyncio.current_task()]
            self.kept[question] = list(stream.messages)
            self.log(f'{stream.finish}: {stream.stats}')
        return stream.text_so_far

    async def shut_down(self, grace: float) -> None:
        """End the service."""
        self.leaving = True
        tasks = [task for task in self.open if task]
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
            await asyncio.gather(*(stream.stop() for stream in list(self.open.values())))
            await asyncio.wait(tasks)
