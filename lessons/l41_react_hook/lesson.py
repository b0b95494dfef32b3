"""A page is told of an answer: of some pieces twice, of one never, and half of it is taken back. What does it show?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce

from pydantic_ai import Agent, ModelRetry

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.serve import LiveStreams

FIRST, SECOND = ['Who ', 'knows.'], ['Do ', 'not ', 'pass ', 'to port.']
Arrival = tuple[str, int, dict[str, str]]  # the stream, the number of the frame in it, and the frame


# %% What a server sends of an answer; of two, the first is rejected by an output validator
async def sent(*responses: list[str]) -> list[Arrival]:
    agent = Agent(lesson_model(*responses, gap=0.02))

    @agent.output_validator
    def careful(output: str) -> str:
        if len(responses) > 1 and output == 'Who knows.':
            raise ModelRetry('Look at the chart again.')
        return output

    async with LiveStreams() as streams:
        live = streams.start(RunStream(agent.run_stream_events('Do I pass the buoy to port? In a few words.')))
        frames = [json.loads(frame) async for frame in live.read(0)]
    return [(live.id, number, frame) for number, frame in enumerate(frames)]


# %% As it is often written: what comes is added to the last message
def naive(arrivals: Iterable[Arrival]) -> str:
    return ''.join(frame['text'] for _, _, frame in arrivals if frame['type'] == 'text')


# %% A reducer: the state so far and a frame make the next state
@dataclass(frozen=True)
class Message:
    text: str = ''
    state: str = 'waiting'
    next: int = 0  # the number of the frame that is to come


def reduced(messages: dict[str, Message], arrival: Arrival) -> dict[str, Message]:
    stream, number, frame = arrival
    message = messages.get(stream, Message())
    if number != message.next:
        return messages  # it was there before, or one that belongs before it is missing
    message = replace(message, next=number + 1)
    if frame['type'] == 'text':
        message = replace(message, text=message.text + frame['text'], state='writing')
    elif frame['type'] == 'retraction':
        message = replace(message, text=message.text.removesuffix(frame['text']), state='waiting')
    elif frame['type'] in ('end', 'error'):
        message = replace(message, state=frame['finish'])
    return {**messages, stream: message}


# %% The hook: what comes goes through the reducer, and where that stands still, it asks again from there
def right(arrivals: Iterable[Arrival], server: dict[str, list[Arrival]]) -> str:
    messages = reduce(reduced, arrivals, dict[str, Message]())
    for stream in list(messages):  # a request with Last-Event-ID
        messages = reduce(reduced, server[stream][messages[stream].next :], messages)
    return ' | '.join(f'{message.text} ({message.state})' for message in messages.values())


# %% Six ways in which frames arrive
async def main() -> None:
    one, other, both = await asyncio.gather(sent(SECOND), sent(FIRST), sent(FIRST, SECOND))
    server = {arrivals[0][0]: arrivals for arrivals in (one, other, both)}
    cases = {
        'in order': one,
        'connected twice': [arrival for arrival in one for _ in range(2)],
        'lost, and back': [*one[:4], *one[2:]],
        'one never came': [*one[:2], *one[3:]],
        'taken back': both,
        'two answers': [arrival for pair in zip(one, other, strict=False) for arrival in pair] + one[len(other) :],
    }
    for name, arrivals in cases.items():
        print(f'{name:15} naive: {naive(arrivals)}\n{name:15} right: {right(arrivals, server)}')


if __name__ == '__main__':
    asyncio.run(main())
