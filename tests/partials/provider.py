"""A provider that calls the output tool, piece by piece, and keeps a log of what it had sent when the client left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.material import closing

__all__ = ['Exchange', 'provider_that_calls']

HEAD = b'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n'
PIECE = 40
GAP = 0.004
"""Seconds between two pieces of the first half: time enough to leave. Whoever has not, gets the rest at once."""


@dataclass
class Exchange:
    """One request, and how it was answered.

    Attributes:
        request: The body of the request.
        document: Characters of the output that the provider would send.
        sent: Of these, what it had sent when the exchange was over.
        sent_bytes: What went over the wire for that.
        left: Whether the client closed the connection before all was sent.
    """

    request: dict[str, Any] = field(repr=False)
    document: int
    sent: int = 0
    sent_bytes: int = 0
    left: bool = False

    @property
    def share(self) -> float:
        """Of the document that was sent."""
        return self.sent / self.document


@asynccontextmanager
async def provider_that_calls(tool: str, documents: Sequence[str]) -> AsyncGenerator[tuple[Model, list[Exchange]]]:
    """OpenAI's client of a server that answers the first request with the first document, and so on."""
    log: list[Exchange] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        document = documents[len(log)]
        exchange = Exchange(await _request(reader), len(document))
        log.append(exchange)
        gone = asyncio.ensure_future(reader.read())  # ends when the client hangs up
        call = {'index': 0, 'id': f'call_{len(log)}', 'type': 'function', 'function': {'name': tool, 'arguments': ''}}
        writer.write(HEAD + _event({'role': 'assistant', 'tool_calls': [call]}))
        for start in range(0, len(document), PIECE):
            await asyncio.wait([gone], timeout=GAP if start < len(document) / 2 else 0)
            if gone.done():
                exchange.left = True
                break
            piece = document[start : start + PIECE]
            block = _event({'tool_calls': [{'index': 0, 'function': {'arguments': piece}}]})
            writer.write(block)
            exchange.sent += len(piece)
            exchange.sent_bytes += len(block)
        else:
            writer.write(_event({}, 'tool_calls') + b'data: [DONE]\n\n')
        gone.cancel()
        writer.close()

    async with await asyncio.start_server(serve, '127.0.0.1', 0) as server:
        base = f'http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1'
        async with closing(OpenAIChatModel('gpt-x', provider=OpenAIProvider(base_url=base, api_key='none'))) as model:
            yield model, log


async def _request(reader: asyncio.StreamReader) -> dict[str, Any]:
    head = (await reader.readuntil(b'\r\n\r\n')).decode().lower()
    length = next(line.split(':')[1] for line in head.splitlines() if line.startswith('content-length:'))
    return json.loads(await reader.readexactly(int(length)))


def _event(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {'index': 0, 'delta': delta, 'finish_reason': finish_reason}
    body = {'id': 'x', 'object': 'chat.completion.chunk', 'created': 1, 'model': 'gpt-x', 'choices': [choice]}
    return b'data: ' + json.dumps(body).encode() + b'\n\n'
