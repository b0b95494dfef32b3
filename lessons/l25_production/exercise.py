"""A service that answers questions, three at a time; the others wait their turn.

`answer` gives back the text that came, however it ended: nothing is raised but the cancellation by whoever asked. No
answer may be silent for longer than ten seconds, or take longer than two minutes. `kept` has the history of each
question that a model was asked, and `log` is called once for each answer, with its `finish` and no word of its text.

`shut_down` ends the service. A question that comes later is not asked. What is open has `grace` seconds to come to its
end, and is stopped then. When it returns, nothing is open any more, and all is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model


class Service:
    # TODO: no limits, a log that tells too much and too little, and no end.
    def __init__(self, model: Model, log: Callable[[str], None]) -> None:
        self.kept: dict[str, list[ModelMessage]] = {}
        self.agent = Agent(model)
        self.log = log

    async def answer(self, question: str) -> str:
        """Answer a question."""
        try:
            async with self.agent.run_stream(question) as result:
                text = ''.join([piece async for piece in result.stream_text(delta=True, debounce_by=None)])
                self.kept[question] = result.all_messages()
                self.log(f'{question}: {text}')
                return text
        except Exception as error:
            self.log(f'Error: {error}')
            return ''

    async def shut_down(self, grace: float) -> None:
        """End the service."""
