"""The five requirements, with pages and models that do not make them easy."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx2
from pydantic_ai import Agent

from pydantic_ai_streaming.course import ArticleServer, Exercise, NotYet, Page, Screen
from pydantic_ai_streaming.testing import EndEarly, ScriptedModel, Stall, Step, ToolCall

STORY = 'The café at the harbour opens on Friday. ' * 100
HTML = f'<title>The café</title><script>count(1)</script><nav>Home</nav><article><p>{STORY}</p></article>'
POINTS = ['The café opens on Friday.', 'A storm had broken its roof.']
ANSWER = {'title': 'The café is back', 'key_points': POINTS, 'sentiment': 'positive', 'category': 'business'}
SUMMARY = ToolCall('final_result', ANSWER, pieces=10)
HALF = '{"title": "The café is back", "key_points": ["The café opens on Friday.", "A storm had bro'


class Summarized:
    """An article, summarized by the exercise, and what came of it."""

    def __init__(self, page: Page, *script: Step) -> None:
        self.server = ArticleServer({'/news': page})
        self.model = ScriptedModel(list(script or [SUMMARY]), gap=0.1, loop=True)
        self.took = 0.0

    async def by(self, exercise: Exercise, url: str = 'https://paper.example/news') -> Summarized:
        """Have it done."""
        agent: Any = Agent(self.model, output_type=exercise.get('NewsSummary'))
        clock = asyncio.get_running_loop().time
        async with httpx2.AsyncClient(transport=self.server, timeout=None) as web:
            with Screen() as self.screen:
                began = clock()
                try:
                    async with asyncio.timeout(600):
                        self.report = await exercise.call('summarize', web, agent, url)
                except TimeoutError:
                    raise NotYet('After ten minutes, your function still waits: for the page, or the model.') from None
                except Exception as error:
                    raise NotYet(
                        f'Your function raised {type(error).__name__} ({error}), where a report says what there is.'
                    ) from error
                self.took = clock() - began
        if not isinstance(self.report, exercise.get('Report')):
            raise NotYet(f'`summarize` is to give back a Report, and gives {self.report!r}.')
        return self

    @property
    def read(self) -> str:
        """What the model was given to read."""
        return ' '.join(str(getattr(part, 'content', '')) for m in self.model.requests[0].messages for part in m.parts)

    def summarized(self, what: str) -> None:
        """See to it that there is a summary."""
        assert self.report.summary is not None, f'{what}, and there is no summary: {self.report}'

    def told(self, what: str) -> None:
        """See to it that the report says so."""
        assert self.report.problems, f'{what}, and the report has no problem to tell.'


def bare(text: str) -> str:
    """Without what some put between thousands."""
    return re.sub(r'(?<=\d)[,_.](?=\d)', '', text)


async def check_the_page_is_seen_to_come(exercise: Exercise) -> None:
    size = len(HTML.encode())
    done = await Summarized(Page(body=HTML, gap=1)).by(exercise)
    seen = [(shown.at, int(n)) for shown in done.screen.shown for n in re.findall(r'(\d+) bytes', bare(shown.text))]
    assert seen, f'The page took {size // 1000 + 1} s to come, and the screen never said "... bytes".'
    assert seen[0][0] < 2.5, f'The page began to come after 1 s, and the first count is seen after {seen[0][0]:.1f} s.'
    assert seen[-1][1] == size, f'The page has {size} bytes, and the last count is {seen[-1][1]}.'


async def check_the_summary_is_seen_to_be_written(exercise: Exercise) -> None:
    done = await Summarized(Page(body=HTML, gap=0)).by(exercise)
    text = done.screen.text
    for line in ('The café is back', *POINTS):
        times = text.count(line)
        assert times == 1, f'The screen is to show {line!r} once, and shows it {times} times.'
    first = next(shown.at for shown in done.screen.shown if 'T' in shown.text)
    assert first < 0.8, f'The title was being written after 0.3 s, and is on the screen at {first:.1f} s.'
    last = done.screen.shown[-1].at
    assert last > first + 0.5, f'All of it appears at once, at {last:.1f} s: it is to grow.'


async def check_the_summary_is_an_instance(exercise: Exercise) -> None:
    done = await Summarized(Page(body=HTML)).by(exercise)
    expected = exercise.get('NewsSummary').model_validate(ANSWER)
    assert done.report.summary == expected, f'The report has {done.report.summary!r} where {expected!r} came.'
    assert not done.report.problems, f'All went well, and the report tells of problems: {done.report.problems}'


async def check_the_model_reads_the_text_and_not_the_page(exercise: Exercise) -> None:
    done = await Summarized(Page(body=HTML)).by(exercise)
    assert 'opens on Friday' in done.read, f'The model was not given the article, but {done.read[:80]!r}.'
    assert 'count(1)' not in done.read, 'The model was given the scripts of the page to read: `article_text` helps.'


async def check_an_error_page_is_no_article(exercise: Exercise) -> None:
    for status in (404, 503):
        done = await Summarized(Page(body=HTML, status=status)).by(exercise)
        assert not done.model.requests, f'The server said {status}, and you paid for a summary of its error page.'
        done.told(f'The server said {status}')


async def check_what_is_not_html_is_no_article(exercise: Exercise) -> None:
    done = await Summarized(Page(body=b'%PDF-1.7 ' + bytes(range(256)) * 9, kind='application/pdf')).by(exercise)
    assert not done.model.requests, f'It is a PDF, and you had a model read {done.read[:60]!r}.'
    done.told('It is a PDF')


async def check_a_page_without_text_is_no_article(exercise: Exercise) -> None:
    done = await Summarized(Page(body='<title></title><script>render()</script>')).by(exercise)
    assert not done.model.requests, 'There is no text in the page, only a script, and you asked for a summary of that.'
    done.told('There is no text in the page')


async def check_a_url_that_leads_nowhere(exercise: Exercise) -> None:
    for url in ('https://paper.example/else', 'news', 'https://paper.example:port/news', 'ftp://paper.example/news'):
        done = await Summarized(Page(body=HTML)).by(exercise, url)
        assert not done.model.requests, f'There is nothing at {url!r}, and you asked for a summary of that.'
        done.told(f'There is nothing at {url!r}')


async def check_the_charset_is_what_the_page_says(exercise: Exercise) -> None:
    body = f'<meta charset="windows-1252">{HTML}'.encode('cp1252')
    done = await Summarized(Page(body=body, kind='text/html')).by(exercise)
    cafe = done.read[done.read.find('caf') :][:4]
    assert cafe == 'café', (
        f'The page says of itself that it is windows-1252, and the model reads {cafe!r}, where there is a café. '
        'Of a header that does not say it, `response.text` makes UTF-8.'
    )
    done = await Summarized(Page(body=HTML.encode(), kind='text/html; charset=utf-9')).by(exercise)
    done.summarized('The server names a charset that does not exist')


async def check_a_huge_page_is_not_read_to_its_end(exercise: Exercise) -> None:
    huge = HTML.replace('</article>', f'<p>{STORY}</p>' * 500)
    done = await Summarized(Page(body=huge, piece=10_000, gap=0)).by(exercise)
    sent = done.server.sent['/news']
    assert sent <= 220_000, f'The page has {len(huge.encode())} bytes, and you read {sent} of them.'
    read = len(done.read)
    assert read < 21_000, f'You gave {read} characters to the model, where 20,000 are enough for a summary.'
    done.summarized('200,000 bytes of the page came')
    done.told('It is not all of the page')


async def check_a_page_that_falls_silent_counts_as_far_as_it_came(exercise: Exercise) -> None:
    done = await Summarized(Page(body=HTML, pieces=2, then='silence')).by(exercise)
    assert done.took < 25, f'The page fell silent after 0.2 s, and you waited for {done.took:.0f} s.'
    done.summarized('The first half of the page came')
    done.told('Half of the page is missing')


async def check_a_page_that_trickles_counts_as_far_as_it_came(exercise: Exercise) -> None:
    done = await Summarized(Page(body=HTML, piece=40, gap=4)).by(exercise)
    assert done.took < 45, f'The page trickled on for {done.took:.0f} s, and you waited: 30 s are to be enough.'
    done.summarized('The beginning of the page came')
    done.told('The rest of the page is missing')


async def check_a_connection_that_breaks_counts_as_far_as_it_came(exercise: Exercise) -> None:
    done = await Summarized(Page(body=HTML, pieces=2, then='cut')).by(exercise)
    done.summarized('The first half of the page came')
    done.told('The connection broke')


async def check_a_model_that_falls_silent_counts_as_far_as_it_came(exercise: Exercise) -> None:
    script = [ToolCall('final_result', HALF, pieces=10), Stall()]
    done = await Summarized(Page(body=HTML), *script).by(exercise)
    assert done.took < 25, f'The model fell silent after a second, and you waited for {done.took:.0f} s.'
    kept_what_came(done)


async def check_a_summary_that_is_cut_off_is_none(exercise: Exercise) -> None:
    script = [ToolCall('final_result', HALF, pieces=10), EndEarly()]
    kept_what_came(await Summarized(Page(body=HTML), *script).by(exercise))


async def check_half_a_title_is_none(exercise: Exercise) -> None:
    script = [ToolCall('final_result', HALF[: HALF.index(' is back')], pieces=3), Stall()]
    report = (await Summarized(Page(body=HTML), *script).by(exercise)).report
    assert 'title' not in report.came, (
        f'Of "The café is back", "The café" had come, and the report has {report.came}. A value that is there may be '
        'half of it: ask for its state.'
    )


def kept_what_came(done: Summarized) -> None:
    report = done.report
    assert report.summary is None, f'Half of the summary came, and you give it back as if it were one: {report}'
    assert report.came.get('title') == ANSWER['title'], f'The title had come, and the report has {report.came}.'
    assert list(report.came.get('key_points', [])) == POINTS[:1], (
        f'One point was whole and one was not, and the report has {report.came.get("key_points")}.'
    )
    done.told('The summary is not whole')


async def check_a_summary_that_is_not_valid_is_none(exercise: Exercise) -> None:
    wrong = ToolCall('final_result', {**ANSWER, 'sentiment': 'meh'}, pieces=10)
    done = await Summarized(Page(body=HTML), wrong).by(exercise)
    report = done.report
    assert report.summary is None, f'"meh" is no sentiment, and the report has a summary: {report}'
    assert report.came.get('key_points') == POINTS, f'The points had come, and the report has {report.came}.'
    assert 'sentiment' not in report.came, f'"meh" is no sentiment, and the report has {report.came}.'
    done.told('"meh" is no sentiment')
