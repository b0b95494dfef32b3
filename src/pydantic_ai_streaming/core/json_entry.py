"""Finds the JSON in text that a model was asked to answer with JSON: `JsonEntry`."""

from __future__ import annotations

import re

__all__ = ['JsonEntry']

# An object begins with a key or ends at once: braces in prose do neither.
_entry = {
    '{': re.compile(r'\{(?=[ \t\r\n]*["}])'),
    '{[': re.compile(r'\{(?=[ \t\r\n]*["}])|\[(?=[ \t\r\n]*["{\[\]\-0-9tfn])'),
}
_undecided = re.compile(r'[{\[][ \t\r\n]*\Z')


class JsonEntry:
    r"""Leaves out what a model says before the JSON: prose, a code fence.

    Where the JSON ends, its parser knows; what comes after that is nobody's.

    Args:
        arrays: Whether the JSON may be an array. By default it is an object.

    Example:
        >>> entry = JsonEntry()
        >>> [entry.feed(text) for text in ('Here {you} are:\n``', '`json\n{', '"a": 1}', '\n```')]
        ['', '', '{"a": 1}', '\n```']
    """

    __slots__ = ('_find', '_held', 'found')

    def __init__(self, *, arrays: bool = False) -> None:
        self._find = _entry['{[' if arrays else '{'].search
        self._held = ''
        self.found = False

    def feed(self, text: str) -> str:
        """Take a slice of the text; returns what of it, and of what was held back, belongs to the JSON."""
        if self.found:
            return text
        if self._held and not text.strip(' \t\r\n'):
            # Some models send blanks without end.
            self._held += text
            return ''
        text = self._held + text
        entry = self._find(text)
        if entry is not None:
            self.found, self._held = True, ''
            return text[entry.start() :]
        undecided = _undecided.search(text)
        self._held = '' if undecided is None else undecided.group()
        return ''
