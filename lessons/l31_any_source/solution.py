"""`guard` is told what counts as content, and stands around the source; `smooth` gets text, and only that."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass

from pydantic_ai_streaming import Deadlines, StreamTimeout, guard, smooth


@dataclass(frozen=True)
class Update:
    """What the other client yields. In some there is no text: they only say that the client is still there."""

    text: str | None


def characters(update: Update) -> int:
    return len(update.text or '')


async def pieces(updates: AsyncIterable[Update]) -> AsyncGenerator[str]:
    async with aclosing(guard(updates, Deadlines(first=10, idle=10), content=characters)) as guarded:
        async for update in guarded:
            if update.text:
                yield update.text


async def tell(updates: AsyncIterable[Update]) -> str:
    text = ''
    try:
        async for piece in smooth(pieces(updates)):
            print(piece, end='', flush=True)
            text += piece
    except StreamTimeout:
        pass
    return text
