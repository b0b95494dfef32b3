"""Any stream of text at a pace that one can read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable

from ..core.pacing import Smoothing
from ..core.record import Record
from ..core.wording import a
from .clock import running_loop
from .closing import close, close_after, drain
from .cursor import Cursor
from .paced import Paced

__all__ = ['smooth']


async def smooth(source: AsyncIterable[str], smoothing: Smoothing | None = None) -> AsyncGenerator[str]:
    """Re-time a stream of text: the same text, in pieces that come evenly.

    The source is read at its own speed by a task beside the pacing, so smoothing never slows it down. The pieces
    joined are the text of the source, however it ends. On every way out (end, error, `aclose`, cancellation, and
    `break` as soon as the generator is collected) the source is closed and the task is gone.

    Args:
        source: Pieces of text: `StreamedRunResult.stream_text(delta=True)`, or any other async iterable of `str`. It
            is read in another task than the caller's.
        smoothing: How to pace it; by default `Smoothing()`.

    Yields:
        Pieces of text, at most `Smoothing.fps` of them a second.

    Raises:
        TypeError: The source yields something that is not text.
        Exception: Whatever the source raises, after all the text that came before it.

    Example:
        >>> async def source():
        ...     for piece in ('Stream', 'ing is ', 'easy.'):
        ...         yield piece
        >>> async def main():
        ...     return ''.join([piece async for piece in smooth(source())])
        >>> asyncio.run(main())
        'Streaming is easy.'
    """
    if smoothing is not None and not isinstance(smoothing, Smoothing):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
        raise TypeError(f'smooth() needs Smoothing(...), not {smoothing!r}')
    record = Record[str]()
    feeder = running_loop('smooth()').create_task(_feed(source, record), name='pydantic-ai-streaming smooth')
    try:
        async for piece in Paced(Cursor(record), str, smoothing or Smoothing()):
            yield piece
    finally:
        await drain(feeder)


async def _feed(source: AsyncIterable[str], record: Record[str]) -> None:
    clock = asyncio.get_running_loop().time
    task = asyncio.current_task()
    try:
        iterator = aiter(source)
        try:
            async for text in iterator:
                if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
                    raise TypeError(f'smooth() needs pieces of text, and the source yielded {a(text)}')
                record.append(text, clock())
        except BaseException as error:
            await close_after(iterator, error)
            raise
        await close(iterator)
    except asyncio.CancelledError as error:
        # Ours ends a reader who has gone; one that the source raises by itself is its failure.
        if task is not None and task.cancelling():
            raise
        record.close(error, now=clock())
    except Exception as error:
        record.close(error, now=clock())
    finally:
        record.close(now=clock())
