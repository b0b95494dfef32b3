"""One question from the command line: into a file, into `head`, cut off, and with Ctrl-C. What is in the file then?"""

from __future__ import annotations

import asyncio
import sys

from pydantic_ai import Agent, AgentRunError

from pydantic_ai_streaming import RunStream, StreamingError
from pydantic_ai_streaming.course import Outputs, lesson_model
from pydantic_ai_streaming.testing import EndEarly, reply

QUESTION = 'When can I walk over to the island? In five words.'
ANSWER = 'From ten, back by two.'
WORDS = reply(ANSWER, cut='words')
CASES = {'> file': WORDS, 'cut off': [*WORDS[:4], EndEarly()], 'Ctrl-C': WORDS, '| head': WORDS}


# %% As it is often written
async def naive(agent: Agent) -> int:
    print('\x1b[2mAsking the model ...\x1b[0m')
    async with agent.run_stream(QUESTION) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            print(f'\x1b[36m{piece}\x1b[0m', end='')
    print('\nDone!')
    return 0


# %% With this library: the answer to stdout, everything else to stderr, and an exit code that is true
async def right(agent: Agent) -> int:
    stream = RunStream(agent.run_stream_events(QUESTION))
    try:
        async with stream:
            async for piece in stream.text():
                print(piece, end='', flush=True)
            print(flush=True)
    except BrokenPipeError:
        return 1  # whoever read this has gone: there is nobody to tell
    except (StreamingError, AgentRunError) as error:
        print(f'\n{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    except asyncio.CancelledError:  # what asyncio.run makes of Ctrl-C
        print('\nstopped', file=sys.stderr)
        return 130
    print(stream.stats, file=sys.stderr)
    return 0


# %% What each of them leaves
def ended(task: asyncio.Task[int]) -> str:
    error = None if task.cancelled() else task.exception()
    if task.cancelled() or error is not None:
        return 'a traceback'
    return f'exit code {task.result()}'


async def main() -> None:
    loop = asyncio.get_running_loop()
    for way in (naive, right):
        for case, script in CASES.items():
            with Outputs(reads=1 if case == '| head' else None) as outputs:
                task = asyncio.create_task(way(Agent(lesson_model(script, gap=0.1))))
                if case == 'Ctrl-C':
                    loop.call_later(0.35, task.cancel)
                await asyncio.wait([task])
            out, err = outputs.out, outputs.err
            extra = out.text.count('\x1b')
            print(f'{way.__name__:6}{case:8} {ended(task):14}{len(out.text):3} characters, {extra:2} escapes', end='')
            print(f', from {out.shown[0].at:.1f} s {err.text.strip().partition(",")[0]}'.rstrip())


if __name__ == '__main__':
    asyncio.run(main())
