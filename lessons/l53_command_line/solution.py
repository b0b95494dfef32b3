"""Each way to end has a code; the answer is alone on stdout, and leaves as it comes."""

from __future__ import annotations

import asyncio
import sys

from pydantic_ai import Agent, AgentRunError

from pydantic_ai_streaming import RunStream, StreamingError


async def ask(agent: Agent, question: str) -> int:
    try:
        async with RunStream(agent.run_stream_events(question)) as stream:
            async for piece in stream.text():
                print(piece, end='', flush=True)
            print(flush=True)
    except BrokenPipeError:
        return 1
    except (StreamingError, AgentRunError) as error:
        print(f'\n{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        print('\nstopped', file=sys.stderr)
        return 130
    return 0
