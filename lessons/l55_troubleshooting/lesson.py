"""Seven answers, of which four look the same for two seconds. What is wrong with each, and what does it say of that?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import EndEarly, Step, Text, Thinking, ToolCall, reply

QUESTION = 'Which boat takes bicycles? In one sentence.'
ANSWER = 'The boat at 13:15 takes twelve of them, free of charge.'
WORDS = reply(ANSWER, cut='words')
THOUGHTS = [Thinking('hm ', wait=0.2) for _ in range(9)]
Script = Sequence[Sequence[Step | str]]
CASES: dict[str, Script] = {
    'fine': [WORDS],
    'queue': [[Text(WORDS[0], wait=1.85), *WORDS[1:]]],
    'thoughts': [[*THOUGHTS, *WORDS]],
    'tool': [[ToolCall('boats', {'day': 'Friday'}, pieces=5)], WORDS],
    'proxy': [[Text(ANSWER, wait=1.85)]],
    'hiccup': [[*WORDS[:4], Text(WORDS[4], wait=1.8), *WORDS[5:]]],
    'cut off': [[*WORDS[:6], EndEarly()]],
}


async def boats(day: str) -> str:
    """Look the boats of a day up."""
    await asyncio.sleep(1.5)
    return '13:15'


# %% What one sees, and what one is often told
def naive(first_text: float) -> str:
    return 'use a faster model' if first_text > 1 else 'all is well'


# %% What the figures say
def right(stream: RunStream[str]) -> str:
    stats, timeline = stream.stats, stream.timeline
    if stream.finish != 'complete':
        return f'{stream.finish} after {stats.text_characters} characters'
    if stats.pieces == 1 and stats.characters > 20:
        return f'1 piece of {stats.characters} characters: something between gathers them'
    if timeline.share('tool') > 1:
        return f'a tool for {timeline.share("tool"):.1f} s: {", ".join(call.name for call in timeline.calls)}'
    if timeline.share('thinking') > 1:
        return f'thoughts for {timeline.share("thinking"):.1f} s: show stream.thinking()'
    if stats.longest_gap > 1:
        return f'a gap of {stats.longest_gap:.1f} s while it wrote'
    if timeline.share('waiting') > 1:
        return f'nothing at all for {timeline.share("waiting"):.1f} s: the model, or the way to it'
    return 'all is well'


# %% All of them, side by side
async def watched(script: Script) -> RunStream[str]:
    agent = Agent(lesson_model(*script, gap=0.05), tools=[boats])
    async with RunStream(agent.run_stream_events(QUESTION), on_truncation='mark') as stream:
        await stream.get_output()
    return stream


async def main() -> None:
    streams = await asyncio.gather(*map(watched, CASES.values()))
    for case, stream in zip(CASES, streams, strict=True):
        first = stream.stats.first_text or 0
        print(f'{case:9} first text {first:.1f} s: {naive(first):18} | {right(stream)}')
    spans = streams[list(CASES).index('tool')].timeline.spans
    print('tool:', ', '.join(f'{span.activity} {span.end - span.start:.1f} s' for span in spans))


if __name__ == '__main__':
    asyncio.run(main())
