"""Read the lines of an event stream, as httpx's `response.aiter_lines()` gives them, and show each piece of text.

A line `data: TEXT` holds a piece. All others are none: empty lines, comments such as `: ping`, and a `data: ` without
text.
Give back how it ended, and the text that came. It ended 'complete', or 'silent' after ten seconds without a piece, or
'total' after two minutes. Close `lines` in each case. However long `show` takes, it is no silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable


async def read(lines: AsyncGenerator[str], show: Callable[[str], Awaitable[None]]) -> tuple[str, str]:
    # TODO: a clock that one looks at when something comes does not strike when nothing does.
    text = ''
    clock = asyncio.get_running_loop().time
    last = clock()
    try:
        async with asyncio.timeout(120):
            async for line in lines:
                if clock() - last > 10:
                    return 'silent', text
                last = clock()
                if line.startswith('data: '):
                    text += line.removeprefix('data: ')
                    await show(line.removeprefix('data: '))
    except TimeoutError:
        return 'total', text
    return 'complete', text
