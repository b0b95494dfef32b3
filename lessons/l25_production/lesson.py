"""Six questions at once, of which one is never answered whole, and in the middle of it the service is told to end."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from pydantic_ai import Agent, AgentRunError, ConcurrencyLimit, ModelSettings, UsageLimits
from pydantic_ai.models import Model
from pydantic_ai.models.concurrency import limit_model_concurrency

from pydantic_ai_streaming import Deadlines, RunStream, StreamingError
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.integrations.telemetry import Telemetry
from pydantic_ai_streaming.testing import Stall

SHORT, LONG = ['word '] * 10, ['word '] * 60
SCRIPTS = [SHORT, SHORT, [*SHORT[:4], Stall()], LONG, SHORT, SHORT]  # for A to F
PATIENCE = 15 if 'LESSONS_LIVE' in os.environ else 0.3  # seconds of silence
log: list[str] = []


def provider() -> Model:
    """Takes three requests at a time, as an account with a provider does, and refuses the others."""
    model = lesson_model(*SCRIPTS, gap=0.05)
    return limit_model_concurrency(model, ConcurrencyLimit(max_running=3, max_queued=0))


# %% As it is often written
async def naive(agent: Agent, name: str) -> None:
    try:
        async with agent.run_stream('Ten words, please.') as result:
            async for _piece in result.stream_text(delta=True, debounce_by=None):
                pass  # show it
        log.append(f'naive {name} complete')
    except Exception as error:
        log.append(f'naive {name} {type(error).__name__}')


# %% With limits, a line in the log for each, and an end
class Service:
    def __init__(self, model: Model) -> None:
        seats = ConcurrencyLimit(max_running=3, max_queued=20)
        self.agent = Agent(model, max_concurrency=seats, model_settings=ModelSettings(max_tokens=1000))
        self.open: dict[asyncio.Task[Any] | None, RunStream[str]] = {}
        self.leaving = False

    async def answer(self, name: str) -> None:
        """Show an answer, if it may still begin."""
        if self.leaving:
            return log.append(f'right {name} not begun')  # 503: ask another server
        run = self.agent.run_stream_events('Ten words, please.', usage_limits=UsageLimits(request_limit=5))
        stream = RunStream(run, deadlines=Deadlines(first=60, idle=PATIENCE, total=120))
        self.open[asyncio.current_task()] = stream
        try:
            async with stream:
                async for _piece in stream.text():
                    pass  # show it
        except (StreamingError, AgentRunError):
            pass  # whoever asked is told in other words than the log
        finally:
            del self.open[asyncio.current_task()]
            first, whole = stream.stats.first_text or 0, stream.stats.duration
            log.append(f'right {name} {stream.finish}, first word {first:.1f} s, {whole:.1f} s in all')

    async def shut_down(self, grace: float) -> None:
        """Begin no more, and end what is open after a while."""
        self.leaving = True
        if self.open:
            await asyncio.wait([task for task in self.open if task], timeout=grace)
        await asyncio.gather(*(stream.stop() for stream in list(self.open.values())))


# %% SIGTERM comes after 0.7 s, and G after that
async def main() -> None:
    agent = Agent(provider())
    asked = {name: asyncio.create_task(naive(agent, name)) for name in 'ABCDEF'}
    await asyncio.sleep(0.7)
    log.extend(f'naive {name} gone with the process' for name, task in asked.items() if task.cancel())
    service = Service(provider())
    with Telemetry().active():  # a span and figures of each, if something records them
        tasks = [asyncio.create_task(service.answer(name)) for name in 'ABCDEF']
        await asyncio.sleep(0.7)
        await asyncio.gather(service.shut_down(grace=0.6), service.answer('G'), *tasks)
    print(*sorted(log), sep='\n')


if __name__ == '__main__':
    asyncio.run(main())
