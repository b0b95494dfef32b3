"""Answer a request of MLflow's Responses protocol, event by event.

- A `response.output_text.delta` for each piece of a text; the texts of a run have an id each.
- A `response.output_item.done` for each text, call and result of a tool: after its deltas, and with the whole.
- The request has the conversation in its input, and the last message is to be answered in its light.
- What goes wrong is raised. An answer that was cut off has no `done`. Whoever leaves early ends the run.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from mlflow.types import responses
from pydantic_ai import Agent


async def stream(agent: Agent, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    # TODO: the pieces repeat what came, nothing has an end, and all but the last message is forgotten.
    async with agent.run_stream(request['input'][-1]['content']) as result:
        async for text in result.stream_text(debounce_by=None):
            yield responses.create_text_delta(text, item_id='1')
