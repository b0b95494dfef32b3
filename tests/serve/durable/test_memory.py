"""What clients cost the process that serves them, by the count of what is allocated."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

import pytest

from pydantic_ai_streaming.logs import SQLiteLog
from pydantic_ai_streaming.serve import durable_streams
from pydantic_ai_streaming.serve.durable.live import ANSWER_SIZE
from pydantic_ai_streaming.serve.durable.offsets import token_of
from tests.serve.durable.calls import Call, begin


@pytest.mark.parametrize('query', ['live=sse', 'live=long-poll', ''])
async def test_clients_that_do_not_read_hold_little_each_however_far_they_are_behind(
    tmp_path: Path, query: str
) -> None:
    size, entries, clients = 2**16, 256, 16
    async with SQLiteLog(tmp_path / 'streams.db') as log:
        app = durable_streams(log, content_type='application/octet-stream')
        producer = await log.create('s')
        for number in range(0, entries, 16):
            await producer.append([bytes([number + n]) * size for n in range(16)])
        await producer.close()
        tracemalloc.start()
        calls: list[Call] = []
        for number in range(clients):
            call = begin(app, 'GET', f'/s?offset={token_of(number * 4)}&{query}')
            call.forgets = True
            call.reading.clear()
            calls.append(call)
        await asyncio.sleep(0.5)
        before, _ = tracemalloc.get_traced_memory()
        for call in calls:  # as far as a client that takes one piece, and no more
            call.reading.set()
            await call.came.wait()
            call.reading.clear()
        await asyncio.sleep(0.5)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        for call in calls:
            call.leave()
            call.reading.set()
            await call.done()
    # What is shared: a window of the stream, and events for the next client.

    assert max(before, held) < 12 * 2**20 + clients * (ANSWER_SIZE + 2 * size if 'sse' not in query else 4 * size)
