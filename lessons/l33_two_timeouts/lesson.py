"""A provider behind a real connection falls silent: without a byte, or with pings. Which timeout notices, and when?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import httpx

from pydantic_ai_streaming import Deadlines, StreamTimeout, guard

SILENCE, TOTAL = 0.3, 1.2  # seconds; 15 and 120 in earnest
Read = Callable[[str], Awaitable[None]]


# %% A provider: a server in this program, with server-sent events
async def provider(request: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
    ending = (await request.readuntil(b'\r\n\r\n')).split()[1]
    answer.write(b'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n')
    for word in ('High ', 'tide ', 'now. '):
        answer.write(f'data: {word}\n\n'.encode())
        await asyncio.sleep(0.02)
    while ending != b'/whole' and not request.at_eof():  # until the client has gone
        if ending == b'/pings':
            answer.write(b': ping\n\n')
        await asyncio.sleep(0.05)
    answer.close()


async def words(url: str, timeout: float | None = None) -> AsyncGenerator[str]:
    async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client, client.stream('GET', url) as response:
        async for line in response.aiter_lines():
            if line.startswith('data: '):
                yield line.removeprefix('data: ')


# %% As it is often written: whenever something comes, see how long it took
async def naive(url: str, read: Read) -> None:
    clock = asyncio.get_running_loop().time
    async with asyncio.timeout(TOTAL), aclosing(words(url)) as source:
        last = clock()
        async for word in source:
            if clock() - last > SILENCE:
                raise TimeoutError('idle')
            last = clock()
            await read(word)


# %% The timeout of the connection
async def connection(url: str, read: Read) -> None:
    async with asyncio.timeout(TOTAL), aclosing(words(url, timeout=SILENCE)) as source:
        async for word in source:
            await read(word)


# %% With this library: a timeout of the content
async def right(url: str, read: Read) -> None:
    async for word in guard(words(url), Deadlines(first=SILENCE, idle=SILENCE, total=TOTAL)):
        await read(word)


# %% Three answers, side by side
async def told(way: Callable[[str, Read], Awaitable[None]], url: str, reading: float) -> str:
    clock = asyncio.get_running_loop().time
    began, how = clock(), 'complete'
    try:
        await way(url, lambda _: asyncio.sleep(reading))
    except httpx.ReadTimeout:
        how = 'idle'
    except TimeoutError as error:
        how = error.phase if isinstance(error, StreamTimeout) else str(error) or 'total'
    return f'{how} after {clock() - began:.1f} s'


async def main() -> None:
    server = await asyncio.start_server(provider, '127.0.0.1', 0)
    address = f'http://127.0.0.1:{server.sockets[0].getsockname()[1]}'
    answers = (('no bytes', 'dead', 0), ('pings', 'pings', 0), ('slow reader', 'whole', 0.36))
    for way in (naive, connection, right):
        row = await asyncio.gather(*(told(way, f'{address}/{ending}', reading) for _, ending, reading in answers))
        print(
            f'{way.__name__:12}' + ', '.join(f'{name}: {how}' for (name, _, _), how in zip(answers, row, strict=True))
        )
    server.close()


if __name__ == '__main__':
    asyncio.run(main())
