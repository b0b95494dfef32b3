"""Show the text of another client's stream at a pace that one can read, and give it back.

If no text has come for ten seconds, the stream is to be given up and closed. What had come is given back then too.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Update:
    """What the other client yields. In some there is no text: they only say that the client is still there."""

    text: str | None


async def tell(updates: AsyncIterable[Update]) -> str:
    # TODO: it jumps from batch to batch, and waits as long as anything comes, even if that is nothing.
    text = ''
    async for update in updates:
        if update.text:
            print(update.text, end='', flush=True)
            text += update.text
    return text
