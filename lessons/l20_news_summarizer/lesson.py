"""A URL goes in, and a validated summary comes out: of a good page, and of those that are not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2
from pydantic import BaseModel
from pydantic_ai import Agent, AgentRunError

from pydantic_ai_streaming import Deadlines, PartialOutput, RunStream, StreamingError
from pydantic_ai_streaming.course import ArticleServer, Page, article_text, lesson_model
from pydantic_ai_streaming.testing import Stall, ToolCall

URL = os.environ.get('LESSONS_URL')  # a page of the real web, in place of those below
PATIENCE = 15 if URL or 'LESSONS_LIVE' in os.environ else 0.5  # seconds of silence, of a server or a model

# %% A small web, of pages that each have something of their own
STORY = 'The café by the harbour opens again on Friday. The storm of March had broken its roof. ' * 12
HTML = f'<title>The café is back</title><script>count(1)</script><nav>Home</nav><article><p>{STORY}</p></article>'
PAGES = {
    '/good': Page(body=HTML, piece=400, gap=0.05),
    '/old': Page(body=f'<meta charset="windows-1252">{HTML}'.encode('cp1252'), kind='text/html'),
    '/gone': Page(body='<title>Not here</title><p>This page has moved, or never was.</p>', status=404),
    '/paper': Page(body=b'%PDF-1.7 ' + bytes(range(256)) * 40, kind='application/pdf', piece=5000),
    '/huge': Page(body=HTML.replace('</article>', f'<p>{STORY}</p>' * 1000), piece=50_000, gap=0.01),
    '/silent': Page(body=HTML, piece=400, pieces=2, then='silence'),
    '/stalled': Page(body=HTML),  # here, it is the model that falls silent
}


class NewsSummary(BaseModel):
    title: str
    key_points: list[str]
    sentiment: Literal['positive', 'neutral', 'negative']
    category: Literal['politics', 'business', 'science', 'culture', 'sports', 'other']


@dataclass
class Report:
    summary: NewsSummary | None = None  # if it is whole and valid
    came: dict[str, Any] = field(default_factory=dict[str, Any])  # the fields that are whole
    problems: list[str] = field(default_factory=list[str])


KNOWN = '{"title": "The harbour café reopens", "key_points": ["It opens on Friday.", "A storm'
ANSWER = KNOWN + ' broke its roof."], "sentiment": "positive", "category": "business"}'
HALF = [ToolCall('final_result', KNOWN, pieces=12), Stall()]
read: dict[str, str] = {}  # what a model was given to read, for each URL
Show = Callable[[str], None]


def new_agent(url: str) -> Agent[None, NewsSummary]:
    script = HALF if url.endswith('/stalled') else [ToolCall('final_result', ANSWER, pieces=12)]
    return Agent(lesson_model(script, gap=0.02), output_type=NewsSummary)


def prompt(url: str, text: str) -> str:
    read[url] = text
    return f'Summarize this article in two to five key points.\n\n<article>\n{text}\n</article>'


# %% As it is often written
async def naive(web: httpx2.AsyncClient, url: str, show: Show) -> Report:
    try:
        async with asyncio.timeout(3 * PATIENCE):
            page = await web.get(url)
            async with new_agent(url).run_stream(prompt(url, page.text)) as result:
                async for summary in result.stream_output():
                    show(str(summary))
                return Report(await result.get_output())
    except Exception as error:
        return Report(problems=[type(error).__name__])


# %% The page, as much of it as comes
async def fetch(web: httpx2.AsyncClient, url: str, report: Report, show: Show) -> str:
    body, charset = bytearray(), None
    try:
        async with asyncio.timeout(30), web.stream('GET', url) as response:
            kind = response.headers.get('content-type', 'text/html').partition(';')[0]
            if not response.is_success or kind not in ('text/html', 'application/xhtml+xml'):
                report.problems.append(f'no article: {response.status_code}, {kind}')
                return ''
            charset = response.charset_encoding
            async for piece in response.aiter_bytes():
                body += piece
                show(f'{response.num_bytes_downloaded} of {response.headers.get("content-length", "some")} bytes\n')
                if len(body) >= 200_000:
                    report.problems.append('the rest was left')
                    break
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
        report.problems.append(f'{type(error).__name__} after {len(body)} bytes')
    return article_text(body, charset)


# %% The summary, as much of it as comes
async def right(web: httpx2.AsyncClient, url: str, show: Show) -> Report:
    report, shown = Report(), ''
    if not (text := await fetch(web, url, report, show)):
        return Report(problems=report.problems or ['no text'])
    run = new_agent(url).run_stream_events(prompt(url, text[:20_000]))
    try:
        async with RunStream(run, deadlines=Deadlines(first=60, idle=PATIENCE, total=120)) as stream:
            async for partial in stream.partial_outputs():
                report.came = whole(partial)
                written = '\n- '.join([partial.value.title or '', *(partial.value.key_points or [])])
                again = not written.startswith(shown)  # another attempt, in place of one that was not valid
                show(f'\nOnce more:\n{written}' if again else written[len(shown) :])
                shown = written
            report.summary = await stream.get_output()
    except (StreamingError, AgentRunError) as error:
        report.problems.append(f'{type(error).__name__} in the summary')
    return report


def whole(partial: PartialOutput[NewsSummary]) -> dict[str, Any]:
    came = {name: value for name, value in partial.value if partial.state(name) == 'complete'}
    points = enumerate(partial.value.key_points or [])
    came['key_points'] = [point for index, point in points if partial.state(('key_points', index)) == 'complete']
    return came


# %% One page on the screen, then all of them side by side
def row(url: str, report: Report) -> str:
    text, got = read.get(url, ''), 'a summary' if report.summary else report.came or 'nothing'
    lost = f', {count} of them lost' if (count := text.count('\ufffd')) else ''
    asked = f'{len(text)} characters{lost}' if text else 'not asked'
    return f'{url.rpartition("/")[2]:8}{asked} -> {"; ".join([str(got), *report.problems])}'


async def main() -> None:
    transport = None if URL else ArticleServer(PAGES)  # None: the network
    async with httpx2.AsyncClient(transport=transport, follow_redirects=True, timeout=PATIENCE) as web:
        report = await right(web, URL or 'https://news.example/good', lambda text: print(text, end='', flush=True))
        print(f'\n\n{report.summary or report.came!r}', *report.problems, '', sep='\n')
        urls = [] if URL else [f'https://news.example{path}' for path in PAGES]
        for name, way in (('naive', naive), ('right', right)):
            read.clear()
            reports = await asyncio.gather(*(way(web, url, lambda _: None) for url in urls))
            for url, report in zip(urls, reports, strict=True):
                print(name, row(url, report))


if __name__ == '__main__':
    asyncio.run(main())
