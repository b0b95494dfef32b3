"""The notebook of a lesson, made from the same file, and a kernel to run it in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_client.asynchronous.client import AsyncKernelClient

__all__ = ['Kernel', 'cells', 'kernel', 'kernels_ready', 'notebook']

MARK = re.compile(r'^# %%(?: (.*))?$', re.MULTILINE)
ENTRY = re.compile(r"^if __name__ == '__main__':\n    asyncio\.run\(main\(\)\)\n?", re.MULTILINE)
LIMIT = 120
"""Seconds that a cell may take."""


def notebook(source: str, title: str) -> dict[str, Any]:
    """The notebook (nbformat 4.5) of a lesson.

    Args:
        source: The text of `lesson.py`. `# %%` begins a cell, `# %% [markdown]` one of comments; the docstring becomes
            the first; where the script calls `asyncio.run(main())`, the notebook awaits `main()`.
        title: A heading for the first cell.
    """
    return {
        'cells': [_cell(number, kind, text) for number, (kind, text) in enumerate(cells(source, title))],
        'metadata': {
            'kernelspec': {'display_name': 'Python 3', 'language': 'python', 'name': 'python3'},
            'language_info': {'name': 'python'},
        },
        'nbformat': 4,
        'nbformat_minor': 5,
    }


def cells(source: str, title: str) -> Iterator[tuple[str, str]]:
    """The cells of a file: (`'code'` or `'markdown'`, text)."""
    head, *parts = MARK.split(source)
    # Between two marks stand the words of the first of them, or nothing, and the text.
    marks, texts = parts[::2], parts[1::2]
    docstring = re.match(r'\s*"""(.*?)"""', head, re.DOTALL)
    yield 'markdown', f'# {title}\n\n{docstring[1].strip() if docstring else ""}'.strip()
    if code := _code(head[docstring.end() :] if docstring else head):
        yield 'code', code
    for mark, text in zip(marks, texts, strict=True):
        words = mark or ''
        if words.startswith('[markdown]'):
            yield 'markdown', re.sub(r'^# ?', '', text.strip('\n'), flags=re.MULTILINE)
        else:
            if words:
                yield 'markdown', f'## {words}'
            if code := _code(text):
                yield 'code', code


def _code(text: str) -> str:
    return ENTRY.sub('await main()\n', text).strip('\n')


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {'cell_type': kind, 'id': f'cell-{number}', 'metadata': {}, 'source': text.splitlines(True)}
    return {**cell, 'execution_count': None, 'outputs': []} if kind == 'code' else cell


class Kernel:
    """A Jupyter kernel. Each notebook begins with nothing defined.

    Args:
        client: Connected and ready.
    """

    def __init__(self, client: AsyncKernelClient) -> None:
        self._client = client

    async def printed(self, book: dict[str, Any]) -> str:
        """What the cells of a notebook print; an error in one ends it, and is the last line.

        Raises:
            queue.Empty: A cell prints nothing for two minutes and does not end.
        """
        text = ''
        await self.run('%reset -f')
        for cell in book['cells']:
            if cell['cell_type'] == 'code':
                printed, failed = await self.run(''.join(cell['source']))
                text += printed
                if failed:
                    return f'{text}\n{failed}'
        return text

    async def run(self, code: str) -> tuple[str, str]:
        """What some code prints, and the error that ended it, if one did.

        Raises:
            queue.Empty: It prints nothing for two minutes and does not end.
        """
        asked, text, failed = self._client.execute(code, store_history=False), '', ''
        while True:
            message: dict[str, Any] = await self._client.get_iopub_msg(timeout=LIMIT)
            if message['parent_header'].get('msg_id') != asked:
                continue
            kind, content = message['msg_type'], message['content']
            if kind == 'stream' and content['name'] == 'stdout':
                text += content['text']
            elif kind == 'error':
                failed = f'{content["ename"]}: {content["evalue"]}'
            elif kind == 'status' and content['execution_state'] == 'idle':
                return text, failed


@asynccontextmanager
async def kernel() -> AsyncGenerator[Kernel]:
    """Start a kernel of this Python, and end it.

    Raises:
        ImportError: ipykernel or jupyter_client is not installed.
    """
    from jupyter_client.manager import AsyncKernelManager

    if find_spec('ipykernel') is None:
        raise ImportError('ipykernel is not installed')
    manager: Any = AsyncKernelManager()  # its methods are typed in part only
    # Its warning is about other people on this machine, who are told enough by the lessons themselves.
    await manager.start_kernel(extra_arguments=['--IPKernelApp.log_level=40'])
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        yield Kernel(client)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


@asynccontextmanager
async def kernels_ready(count: int, warm_up: str) -> AsyncGenerator[list[Kernel]]:
    """Start several kernels at once, and end them.

    Args:
        count: How many.
        warm_up: Code that each runs before it is given, such as imports that take a while.

    Raises:
        ImportError: As `kernel`.
    """
    async with AsyncExitStack() as stack:

        async def start() -> Kernel:
            one = await stack.enter_async_context(kernel())
            await one.run(warm_up)
            return one

        starting = [asyncio.create_task(start()) for _ in range(count)]
        try:
            ready = await asyncio.gather(*starting)
        except BaseException:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            raise
        yield ready
