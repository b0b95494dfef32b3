"""A web of a few pages, in place of the network, and the text of a page."""

from __future__ import annotations

import asyncio
import codecs
import gzip
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal

import httpx2

__all__ = ['ArticleServer', 'Page', 'article_text']

SKIPPED = {'script', 'style', 'template', 'noscript', 'nav', 'footer', 'aside', 'form', 'svg', 'iframe'}
"""Elements of which nothing is read to anybody."""
DECLARED = re.compile(rb'<meta[^>]+charset=["\']?([\w-]+)', re.IGNORECASE)
BLOCKS = {
    'p',
    'h1',
    'h2',
    'h3',
    'h4',
    'li',
    'div',
    'section',
    'article',
    'main',
    'blockquote',
    'figcaption',
    'br',
    'tr',
}
"""Elements that begin a line."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a server answers, and how it arrives.

    Attributes:
        body: The page, or `str` for UTF-8.
        kind: Its `Content-Type`; empty for a server that says nothing.
        status: The HTTP status.
        headers: Further headers, such as the `Location` of another page.
        piece: Bytes that arrive at once.
        gap: Seconds of silence before each piece.
        pieces: How many of them arrive; by default all.
        then: What happens after these: the page ends, the server falls silent, or the connection breaks.
        zipped: Whether it is sent with gzip.
    """

    body: str | bytes
    kind: str = 'text/html; charset=utf-8'
    status: int = 200
    headers: Mapping[str, str] | None = None
    piece: int = 1000
    gap: float = 0.1
    pieces: int | None = None
    then: Literal['end', 'silence', 'cut'] = 'end'
    zipped: bool = False

    @property
    def data(self) -> bytes:
        """What is sent."""
        body = self.body.encode() if isinstance(self.body, str) else self.body
        return gzip.compress(body, mtime=0) if self.zipped else body


class ArticleServer(httpx2.AsyncBaseTransport):
    """Answers as a server does, piece by piece and with its faults, but without a network, so also in virtual time.

    It takes the place of the network in a client, whose timeouts hold as they do there.

    Args:
        pages: The pages for the paths of their URLs. Whatever else is asked for is a 404; its host does not matter.

    Attributes:
        sent: Bytes that were sent of the page of a path.

    Example:
        ```python
        import asyncio

        import httpx2

        from pydantic_ai_streaming.course import ArticleServer, Page


        async def main() -> None:
            pages = {'/news': Page(body='<p>Rain.</p>')}
            async with httpx2.AsyncClient(transport=ArticleServer(pages)) as web:
                assert (await web.get('https://paper.example/news')).text == '<p>Rain.</p>'
                assert (await web.get('https://paper.example/')).status_code == 404


        asyncio.run(main())
        ```
    """

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self.sent: dict[str, int] = {}
        self._pages = dict(pages)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        if request.url.scheme not in ('http', 'https') or not request.url.host:
            raise httpx2.UnsupportedProtocol(f'There is no way to {str(request.url)!r}')
        path = request.url.path
        page = self._pages.get(path) or Page(body='<title>404</title><p>There is no such page.</p>', status=404)
        headers = {'Content-Length': str(len(page.data)), **(page.headers or {})}
        if page.kind:
            headers['Content-Type'] = page.kind
        if page.zipped:
            headers['Content-Encoding'] = 'gzip'
        patience: float | None = request.extensions.get('timeout', {}).get('read')
        return httpx2.Response(page.status, headers=headers, stream=_Body(self, path, page, patience), request=request)


class _Body(httpx2.AsyncByteStream):
    """The body of a page, as it arrives for a reader who waits so many seconds for a piece of it."""

    def __init__(self, server: ArticleServer, path: str, page: Page, patience: float | None) -> None:
        self._server, self._path, self._page, self._patience = server, path, page, patience

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        page, data = self._page, self._page.data
        starts = range(0, len(data), page.piece)[: page.pieces]
        self._server.sent[self._path] = 0
        for start in starts:
            await self._silence(page.gap)
            piece = data[start : start + page.piece]
            self._server.sent[self._path] += len(piece)
            yield piece
        if page.then == 'silence':
            await self._silence(float('inf'))
        elif page.then == 'cut':
            raise httpx2.ReadError('The connection was closed by the other side')

    async def _silence(self, seconds: float) -> None:
        if self._patience is not None and seconds > self._patience:
            await asyncio.sleep(self._patience)
            raise httpx2.ReadTimeout('Nothing came any more')
        await asyncio.sleep(seconds)


def article_text(page: bytes | bytearray, charset: str | None = None) -> str:
    r"""The title and the text of a page of HTML, a paragraph a line, without its menus, scripts and forms.

    If the page says which part of it is the article (`<article>` or `<main>`), it is the text of that. A page that
    broke off is read as far as it goes. For pages that are less well-behaved, there are packages that guess.

    Args:
        page: The bytes of it, as many as there are.
        charset: What the server says of them. Otherwise what the page says of itself counts, and then UTF-8. What is
            not of that charset becomes U+FFFD.

    Example:
        >>> article_text(b'<title>Rain</title><nav>Home</nav><article><p>It <b>rains</b>.<p>Still.</article>')
        'Rain\nIt rains.\nStill.'
    """
    reader = _Reader()
    # Never closed: what stands after the last whole tag of a page that broke off would come as text.
    reader.feed(_decoded(page, charset))
    lines = ''.join(reader.article if ''.join(reader.article).strip() else reader.page).split('\n')
    text = [' '.join(line.split()) for line in (''.join(reader.title), *lines)]
    return '\n'.join(line for line in text if line)


def _decoded(page: bytes | bytearray, charset: str | None) -> str:
    declared = DECLARED.search(page[:1024])
    if page.startswith(codecs.BOM_UTF8):
        charset = 'utf-8-sig'
    elif charset is None and declared:
        charset = declared[1].decode()
    try:
        name = codecs.lookup(charset or 'utf-8').name
        # Browsers take the one for the other, so pages do, too: https://encoding.spec.whatwg.org/#names-and-labels
        return page.decode('cp1252' if name in ('iso8859-1', 'ascii') else name, 'replace')
    except LookupError:  # there is no such charset, or it is none of text
        return page.decode('utf-8', 'replace')


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.article: list[str] = []
        self.page: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS:
            self.handle_data('\n')
        if tag in SKIPPED | {'title', 'article', 'main'}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            # What was left open inside of it ends with it.
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]
        if tag in BLOCKS:
            self.handle_data('\n')

    def handle_data(self, data: str) -> None:
        # A line of the source is no line of the text.
        words = data if data == '\n' else re.sub(r'\s', ' ', data)
        if SKIPPED & set(self._open):
            return
        if 'title' in self._open:
            self.title.append(words)
            return
        self.page.append(words)
        if self._open:
            self.article.append(words)
