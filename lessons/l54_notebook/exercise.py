"""Print an answer as it comes and give it back, from a plain function: in a script, and in a cell of a notebook.

An answer that is cut off is an error: what came is printed, and the error is raised.
"""

from __future__ import annotations

from pydantic_ai import Agent


def tell(agent: Agent, question: str) -> str:
    # TODO: in a script it works. In a notebook a loop runs already, and it raises before the first word.
    result = agent.run_stream_sync(question)
    for piece in result.stream_text(delta=True):
        print(piece, end='', flush=True)
    return result.get_output()
