"""The web of the course: its server, with the faults that it is told to have, and the text of pages of all kinds."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from pydantic_ai_streaming.course import ArticleServer, Page, article_text

URL = 'https://paper.example/news'


async def arrived(page: Page, *, timeout: float | None = None) -> list[tuple[float, object]]:
    """When the pieces of a page come, and how many bytes each has; at the end the error, if there is one."""
    pieces: list[tuple[float, object]] = []
    began = asyncio.get_running_loop().time()

    def note(what: object) -> None:
        pieces.append((asyncio.get_running_loop().time() - began, what))

    async with httpx2.AsyncClient(transport=ArticleServer({'/news': page}), timeout=timeout) as web:
        try:
            async with web.stream('GET', URL) as response:
                async for piece in response.aiter_bytes():
                    note(len(piece))
        except httpx2.HTTPError as error:
            note(type(error))
    return pieces


@pytest.mark.virtual_time
async def test_a_page_comes_piece_by_piece_and_not_at_once() -> None:
    assert await arrived(Page(body='x' * 250, piece=100, gap=2)) == [(2, 100), (4, 100), (6, 50)]


@pytest.mark.virtual_time
async def test_the_timeout_of_the_client_counts_a_silence_as_it_does_in_a_network() -> None:
    page = Page(body='x' * 250, piece=100, gap=2, pieces=1, then='silence')
    assert await arrived(page, timeout=5) == [(2, 100), (7, httpx2.ReadTimeout)]
    assert await arrived(Page(body='x', gap=9), timeout=5) == [(5, httpx2.ReadTimeout)]


@pytest.mark.virtual_time
async def test_a_cut_keeps_what_had_come() -> None:
    page = Page(body='x' * 250, piece=100, gap=1, pieces=2, then='cut')
    assert await arrived(page) == [(1, 100), (2, 100), (2, httpx2.ReadError)]


@pytest.mark.virtual_time
async def test_what_a_reader_leaves_is_not_sent() -> None:
    server = ArticleServer({'/news': Page(body='x' * 1000, piece=100)})
    async with httpx2.AsyncClient(transport=server) as web, web.stream('GET', URL) as response:
        async for _ in response.aiter_bytes():
            break
    assert server.sent['/news'] == 100


@pytest.mark.virtual_time
async def test_a_zipped_page_is_shorter_on_the_way_than_in_the_hand() -> None:
    server = ArticleServer({'/news': Page(body='x' * 5000, zipped=True)})
    async with httpx2.AsyncClient(transport=server) as web, web.stream('GET', URL) as response:
        body = b''.join([piece async for piece in response.aiter_bytes()])
    assert (len(body), response.num_bytes_downloaded) == (5000, int(response.headers['content-length']))
    assert server.sent['/news'] < 100


@pytest.mark.parametrize('url', ['ftp://paper.example/news', '/news', 'mailto:paper@paper.example'])
async def test_there_is_no_way_to_what_is_not_of_the_web(url: str) -> None:
    async with httpx2.AsyncClient(transport=ArticleServer({'/news': Page(body='')})) as web:
        with pytest.raises(httpx2.UnsupportedProtocol):
            await web.get(url)


CAFE = '<p>café – 5 €</p>'


@pytest.mark.parametrize(
    ('page', 'charset'),
    [
        (CAFE.encode(), None),
        (CAFE.encode('utf-8-sig'), 'cp1252'),
        (CAFE.encode('cp1252'), 'windows-1252'),
        (CAFE.encode('cp1252'), 'iso-8859-1'),
        (b'<meta charset=windows-1252>' + CAFE.encode('cp1252'), None),
        (b'<META http-equiv="Content-Type" content="text/html; charset=ISO-8859-1">' + CAFE.encode('cp1252'), None),
        (b'<meta charset="koi8-r">' + CAFE.encode(), 'utf-8'),
        (CAFE.encode(), 'utf-9'),
        (CAFE.encode(), 'base64'),
    ],
)
def test_a_charset_is_found_where_it_stands(page: bytes, charset: str | None) -> None:
    assert article_text(page, charset) == 'café – 5 €'


@pytest.mark.parametrize(
    ('html', 'text'),
    [
        ('<article><p>One <b>two</b><p>three</article><footer>Imprint</footer>', 'One two\nthree'),
        ('<p>No article<script>if (a < b) run("</p>")</script>', 'No article'),
        ('<nav>Home</nav><main><p>Rain &amp; wind&nbsp;!</main>', 'Rain & wind !'),
        ('<p>Before<article><p>In it</article><p>After', 'In it'),
        ('<title>T</title><article></article><p>Outside of it', 'T\nOutside of it'),
        ('<p>It broke off <a href="https://paper.exa', 'It broke off'),
        ('<p>It broke off <script>count(', 'It broke off'),
        ('<div>a\n\n   b</div><div>c<br>d</div>', 'a b\nc\nd'),
        ('just words', 'just words'),
        ('', ''),
    ],
)
def test_the_text_is_that_of_the_article_as_far_as_it_goes(html: str, text: str) -> None:
    assert article_text(html.encode()) == text


def test_every_prefix_of_a_page_can_be_read() -> None:
    page = f'<!doctype html><title>Rain</title><!-- x --><article><h1>Rain</h1>{CAFE}&lt;</article>'.encode()
    texts = [article_text(page[:end]) for end in range(len(page) + 1)]
    assert texts[-1].startswith('Rain\nRain\ncafé')
    assert not any('<p' in text or 'doctype' in text or ' x ' in text for text in texts)
