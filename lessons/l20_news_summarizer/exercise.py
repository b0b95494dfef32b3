"""Summarize the article at a URL, and give what there is, whatever becomes of the page or of the model.

1. Print `N bytes` whenever more of the page has come: how many bytes have.
2. Have its text summarized. Print the title and the key points as they are written, each point in a line of its own.
3. Give back a `Report`. Nothing is raised; what is wrong is one of its `problems`, in words.

Wait for no page longer than 10 s in silence or 30 s in all, and for no model longer than 10 s in silence. Of a page,
read no more than 200,000 bytes, and give no more than 20,000 characters to the model. What came until then counts. A
page that is no article costs no request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2
from pydantic import BaseModel
from pydantic_ai import Agent


class NewsSummary(BaseModel):
    title: str
    key_points: list[str]
    sentiment: Literal['positive', 'neutral', 'negative']
    category: Literal['politics', 'business', 'science', 'culture', 'sports', 'other']


@dataclass
class Report:
    """What there is of a summary.

    `summary` is there if it is whole and valid. `came` has the fields that are whole, by their names, and of
    `key_points` the points that are.
    """

    summary: NewsSummary | None = None
    came: dict[str, Any] = field(default_factory=dict[str, Any])
    problems: list[str] = field(default_factory=list[str])


async def summarize(web: httpx2.AsyncClient, agent: Agent[None, NewsSummary], url: str) -> Report:
    # TODO: it is blind until all is there, believes every page, and keeps nothing.
    # (`from pydantic_ai_streaming.course import article_text` has what makes text of the bytes of a page.)
    report = Report()
    try:
        print('Fetching...')
        page = await web.get(url)
        async with agent.run_stream(f'Summarize this article: {page.text}') as result:
            async for summary in result.stream_output():
                print(summary)
            report.summary = await result.get_output()
    except Exception as error:
        report.problems.append(f'Error: {error}')
    return report
