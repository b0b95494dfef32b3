"""Markdown of a model as HTML that is safe to show: `markdown_html`."""

from __future__ import annotations

from html import escape
from importlib import import_module
from typing import Any

__all__ = ['markdown_html']


def markdown_html(text: str) -> str:
    r"""Make HTML of Markdown that somebody else has written, complete or not.

    HTML in it is shown, not obeyed; there are no images, which would tell other servers of the reader; links lead
    nowhere but to addresses of the usual kinds. Without the package `markdown-it-py` (of the extra `notebook`) the text
    is shown as it was written.

    Example:
        >>> markdown_html('*now* <script>')
        '<p><em>now</em> &lt;script&gt;</p>\n'
    """
    try:
        parser: Any = import_module('markdown_it').MarkdownIt
    except ImportError:
        return f'<div style="white-space:pre-wrap">{escape(text)}</div>'
    # Notebooks show Markdown by rules of their own, and obey the scripts in it.
    return parser('commonmark', {'html': False}).enable(['table', 'strikethrough']).disable('image').render(text)
