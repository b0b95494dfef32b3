"""Finds the JSON in the text of a response where pydantic-ai finds it: `TextEntry`."""

from __future__ import annotations

import re
from typing import Final

from ..core.json_entry import JsonEntry

__all__ = ['TextEntry']

# As `pydantic_ai._utils.strip_markdown_fences` has it.
_FENCE: Final = re.compile(r'```\w{0,40}\r?\n(?=\{)')
_MAYBE_FENCE: Final = re.compile(r'(?:`{1,2}|```\w{0,40}\r?\n?)\Z')


class TextEntry(JsonEntry):
    r"""Leaves out what comes before JSON that pydantic-ai takes for the output: at the beginning, or in a code fence.

    Braces in prose are not it, so what a model says before it calls a tool is not read as its output.

    Example:
        >>> entry = TextEntry()
        >>> [entry.feed(text) for text in ('I take {} and ``', '`json\n', '{"a": 1}')]
        ['', '', '{"a": 1}']
    """

    __slots__ = ('_begun',)

    def __init__(self) -> None:
        super().__init__()
        self._begun = False  # whether there was anything but white space

    def feed(self, text: str) -> str:
        """Take a slice of the text; returns what of it belongs to the JSON."""
        if self.found:
            return text
        if not self._begun:
            text = text.lstrip()
            self._begun, self.found = bool(text), text[:1] == '{'
            if self.found:
                return text
        text = self._held + text
        fence = _FENCE.search(text)
        if fence is not None:
            self.found, self._held = True, ''
            return text[fence.end() :]
        undecided = _MAYBE_FENCE.search(text)
        self._held = '' if undecided is None else undecided.group()
        return ''
