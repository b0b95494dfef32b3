"""Answer a question from the command line, for people and for other programs. Give back the exit code.

What leaves by stdout, as it comes, is the answer, ended by a newline, and nothing else. What else there is to say goes
to stderr. The code is 0 if the answer is whole, 130 after Ctrl-C, which reaches you as a cancellation, and 1 if
anything else is wrong, with a line that says what. If whoever reads goes away (a BrokenPipeError), it ends at once,
with 1.
"""

from __future__ import annotations

from pydantic_ai import Agent


async def ask(agent: Agent, question: str) -> int:
    # TODO: made for somebody who looks at it, on a day when all goes well.
    print('\x1b[2mAsking the model ...\x1b[0m')
    try:
        async with agent.run_stream(question) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                print(piece, end='')
    except Exception as error:
        print(f'\x1b[31mError: {error}\x1b[0m')
    print('\nDone!')
    return 0
