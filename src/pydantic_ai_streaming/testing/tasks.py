"""Where a waiting task stands: its name and the chain of awaits down to what it waits for.

`Task.print_stack()` shows only the outermost coroutine of a suspended task, which says where a test began and not
what it waits for.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable, Iterator
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import cast

__all__ = ['describe_tasks']

_MAX_DEPTH = 100
_AWAITED = {
    'async_generator',
    'async_generator_asend',
    'async_generator_athrow',
    'coroutine',
    'coroutine_wrapper',
    'generator',
}


def describe_tasks(tasks: Iterable[asyncio.Task[object]]) -> str:
    r"""Name each task and list the lines at which it waits, the innermost last.

    Args:
        tasks: Tasks that are not running at this moment.

    Returns:
        A text of several lines, the tasks in the order of their names; empty without tasks.

    Example:
        ```python
        import asyncio

        from pydantic_ai_streaming.testing import describe_tasks


        async def main() -> str:
            task = asyncio.create_task(asyncio.sleep(1), name='nap')
            await asyncio.sleep(0)
            text = describe_tasks([task])
            task.cancel()
            return text


        assert asyncio.run(main()).startswith('nap\n')
        ```
    """
    return '\n'.join(_describe(task) for task in sorted(tasks, key=lambda task: task.get_name()))


def _describe(task: asyncio.Task[object]) -> str:
    lines = [task.get_name()]
    for frame in _frames(task.get_coro()):
        code = frame.f_code
        lines.append(f'  {code.co_filename}:{frame.f_lineno} in {code.co_qualname}')
    return '\n'.join(lines)


def _frames(awaited: object) -> Iterator[FrameType]:
    for _ in range(_MAX_DEPTH):
        frame: FrameType | None = None
        below: object = None
        if isinstance(awaited, CoroutineType):
            frame, below = awaited.cr_frame, awaited.cr_await
        elif isinstance(awaited, AsyncGeneratorType):
            frame, below = awaited.ag_frame, awaited.ag_await
        elif isinstance(awaited, GeneratorType):
            frame = awaited.gi_frame
            below = cast('object', awaited.gi_yieldfrom)
        elif not isinstance(awaited, asyncio.Future):
            below = _behind(awaited)
        if frame is not None:
            yield frame
        if below is None:
            return
        awaited = below


def _behind(awaited: object) -> object:
    """What an `asend()` or a coroutine's `__await__()` stands for: they do not tell, but the collector knows."""
    referents: list[object] = gc.get_referents(awaited)
    return next((referent for referent in referents if type(referent).__name__ in _AWAITED), None)
