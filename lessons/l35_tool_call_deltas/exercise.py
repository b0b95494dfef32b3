"""Show the letters that a model sends with its tool `send(to, text)` while it writes them, and give back those sent.

Print `To: ADDRESS` in a line of its own when the address is sure, and then the text as it grows. An address of which
half is there may be somebody else's. A letter is sent when the tool has returned, and is given back as {'to', 'text'}.
"""

from __future__ import annotations

import json

from pydantic_ai import Agent


async def watch(agent: Agent, question: str) -> list[dict[str, str]]:
    # TODO: nothing shows until a call is whole, and the index of a call is that of the next response's call too.
    calls: dict[int, str] = {}
    letters: list[dict[str, str]] = []
    async with agent.run_stream_events(question) as events:
        async for event in events:
            if event.event_kind == 'part_delta' and event.delta.part_delta_kind == 'tool_call':
                calls[event.index] = calls.get(event.index, '') + str(event.delta.args_delta)
                try:
                    letter = json.loads(calls[event.index])
                except ValueError:
                    continue
                print(f'\nTo: {letter["to"]}\n{letter["text"]}', end='', flush=True)
                letters.append(letter)
    return letters
