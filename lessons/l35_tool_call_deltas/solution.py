"""`tool_calls()` knows one call from another, and `partial.state` which of its arguments are whole."""

from __future__ import annotations

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


async def watch(agent: Agent, question: str) -> list[dict[str, str]]:
    letters: list[dict[str, str]] = []
    shown: dict[int, str] = {}  # of each call, by its number
    async with RunStream(agent.run_stream_events(question)) as stream:
        async for call in stream.tool_calls():
            if call.name != 'send' or call.partial is None:
                continue
            letter = call.partial.value
            if call.partial.state('to') == 'complete':
                lines = f'\nTo: {letter["to"]}\n{letter["text"] or ""}'
                print(lines[len(shown.get(call.number, '')) :], end='', flush=True)
                shown[call.number] = lines
            if call.state == 'returned':
                letters.append({'to': letter['to'], 'text': letter['text']})
    return letters
