"""Two halves, each of which keeps what has come: `read` for the page, `summarize` for the model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import AgentRunError

from pydantic_ai_streaming import Deadlines, RunStream, StreamingError
from pydantic_ai_streaming.course import article_text


class NewsSummary(BaseModel):
    title: str
    key_points: list[str]
    sentiment: Literal['positive', 'neutral', 'negative']
    category: Literal['politics', 'business', 'science', 'culture', 'sports', 'other']


@dataclass
class Report:
    summary: NewsSummary | None = None
    came: dict[str, Any] = field(default_factory=dict[str, Any])
    problems: list[str] = field(default_factory=list[str])


async def read(web: httpx2.AsyncClient, url: str, problems: list[str]) -> str:
    """The text of a page, as much as came."""
    body, charset = bytearray(), None
    try:
        async with asyncio.timeout(30), web.stream('GET', url, follow_redirects=True, timeout=10) as response:
            kind = response.headers.get('content-type', 'text/html')
            if response.is_error or not kind.startswith('text/html'):
                problems.append(f'It is no article, but {kind}, with status {response.status_code}.')
                return ''
            charset = response.charset_encoding
            async for piece in response.aiter_bytes():
                body += piece
                print(f'{len(body)} bytes', flush=True)
                if len(body) >= 200_000:
                    problems.append('It is longer than 200,000 bytes.')
                    break
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
        problems.append(f'It broke off after {len(body)} bytes: {type(error).__name__}.')
    return article_text(body, charset)


async def summarize(web: httpx2.AsyncClient, agent: Agent[None, NewsSummary], url: str) -> Report:
    report, shown = Report(), ''
    text = await read(web, url, report.problems)
    if not text:
        report.problems.append('There is nothing to summarize.')
        return report
    if len(text) > 20_000:
        report.problems.append('The end of it was not summarized.')
    run = agent.run_stream_events(f'Summarize this article.\n\n<article>\n{text[:20_000]}\n</article>')
    try:
        async with RunStream(run, deadlines=Deadlines(first=10, idle=10)) as stream:
            async for partial in stream.partial_outputs():
                points = list(partial.value.key_points or [])
                written = '\n- '.join([partial.value.title or '', *points])
                if not written.startswith(shown):
                    print('\nOnce more:')
                    shown = ''
                print(written[len(shown) :], end='', flush=True)
                shown = written
                report.came = {name: value for name, value in partial.value if partial.state(name) == 'complete'}
                if whole := [p for n, p in enumerate(points) if partial.state(('key_points', n)) == 'complete']:
                    report.came['key_points'] = whole
            report.summary = await stream.get_output()
    except (StreamingError, AgentRunError) as error:
        report.problems.append(f'The summary is not whole: {error}')
    return report
