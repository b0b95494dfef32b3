"""`guard` around the lines, and a function that says which of them are content."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from pydantic_ai_streaming import Deadlines, StreamTimeout, guard


def piece(line: str) -> str:
    return line.removeprefix('data: ') if line.startswith('data: ') else ''


def length(line: str) -> int:
    return len(piece(line))


async def read(lines: AsyncGenerator[str], show: Callable[[str], Awaitable[None]]) -> tuple[str, str]:
    text = ''
    deadlines = Deadlines(first=10, idle=10, total=120)
    try:
        async with aclosing(guard(lines, deadlines, content=length)) as guarded:
            async for line in guarded:
                if piece(line):
                    text += piece(line)
                    await show(piece(line))
    except StreamTimeout as error:
        return 'total' if error.phase == 'total' else 'silent', text
    return 'complete', text
