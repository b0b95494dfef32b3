"""A provider behind a real connection falls silent: without a byte, or with pings. Which timeout notices, and when?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial

import httpx

from pydantic_ai_streaming import Deadlines, StreamTimeout, guard

SILENCE, TOTAL = 0.4, 1.5  # seconds; 15 and 120 in earnest
Read = Callable[[str], Awaitable[None]]
Source = Callable[..., AsyncGenerator[str]]  # the words of an answer; the client's timeout, if there is one


# %% A provider: a server in this program, with server-sent events
async def provider(request: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
    ending = (await request.readuntil(b'\r\n\r\n')).split()[1]
    answer.write(b'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n')
    for word in ('High ', 'tide. '):
        answer.write(f'data: {word}\n\n'.encode())
        await asyncio.sleep(0.02)
    while ending != b'/whole' and not request.at_eof():  # until the client has gone
        if ending == b'/pings':
            answer.write(b': ping\n\n')
        await asyncio.sleep(0.05)
    answer.close()


async def words(client: httpx.AsyncClient, url: str, timeout: float | None = None) -> AsyncGenerator[str]:
    async with client.stream('GET', url, timeout=timeout) as response:
        async for line in response.aiter_lines():
            if line.startswith('data: '):
                yield line.removeprefix('data: ')


# %% As it is often written: whenever something comes, see how long it took
async def naive(answer: Source, read: Read) -> None:
    clock = asyncio.get_running_loop().time
    async with asyncio.timeout(TOTAL), aclosing(answer()) as source:
        last = clock()
        async for word in source:
            if clock() - last > SILENCE:
                raise TimeoutError('idle')
            last = clock()
            await read(word)


# %% The timeout of the connection
async def connection(answer: Source, read: Read) -> None:
    async with asyncio.timeout(TOTAL), aclosing(answer(timeout=SILENCE)) as source:
        async for word in source:
            await read(word)


# %% With this library: a timeout of the content
async def right(answer: Source, read: Read) -> None:
    async for word in guard(answer(), Deadlines(first=SILENCE, idle=SILENCE, total=TOTAL)):
        await read(word)


# %% Three answers, side by side
async def told(way: Callable[[Source, Read], Awaitable[None]], answer: Source, reading: float) -> str:
    clock = asyncio.get_running_loop().time
    began, how = clock(), 'complete'
    try:
        await way(answer, lambda _: asyncio.sleep(reading))
    except httpx.ReadTimeout:
        how = 'idle'
    except TimeoutError as error:
        how = error.phase if isinstance(error, StreamTimeout) else str(error) or 'total'
    return f'{how} after {clock() - began:.1f} s'


async def main() -> None:
    server = await asyncio.start_server(provider, '127.0.0.1', 0)
    address = f'http://127.0.0.1:{server.sockets[0].getsockname()[1]}'
    async with httpx.AsyncClient(trust_env=False) as client:
        dead, pings, whole = (partial(words, client, f'{address}/{path}') for path in ('dead', 'pings', 'whole'))
        for way in (naive, connection, right):
            row = await asyncio.gather(told(way, dead, 0), told(way, pings, 0), told(way, whole, 0.45))
            print(f'{way.__name__:12}no bytes: {row[0]}, pings: {row[1]}, slow reader: {row[2]}')
    server.close()


if __name__ == '__main__':
    asyncio.run(main())
