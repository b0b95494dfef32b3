"""`run_stream_sync` has the run in a thread of its own, so it does not matter who runs a loop."""

from __future__ import annotations

from pydantic_ai import Agent

from pydantic_ai_streaming import run_stream_sync


def tell(agent: Agent, question: str) -> str:
    with run_stream_sync(agent.run_stream_events(question)) as stream:
        for piece in stream.text():
            print(piece, end='', flush=True)
        return stream.get_output()
