"""What a perfect reader could show of each prefix of a document: `Oracle`.

It knows the whole document, reads it with `json` from the standard library, and finds by a scan of its own where each
value ends. Nothing of the package is used.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, TypeAlias, cast

from benchmarks.documents import Document

__all__ = ['Leaf', 'Oracle', 'Path']

Path: TypeAlias = tuple[str | int, ...]

_space = re.compile(r'[ \t\r\n]*')
_string = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_scalar = re.compile(r'[^ \t\r\n,\]}]+')
# What a string is read in: two escapes that make one character, an escape, a character.
_unit = re.compile(r'\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]', re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One value that holds no others. Offsets are lengths of prefixes of the document.

    Attributes:
        path: Where it is.
        raw: What `json` makes of it.
        announced: The shortest prefix that tells that it is coming: by its key, or by its first character.
        complete: The shortest prefix that has all of it. A number is complete when something follows.
        shown_at: For each of its characters, the shortest prefix of which a perfect reader shows it. Text that does not
            grow has them all when it is complete.
        grows: Whether it shows while it is open.
    """

    path: Path
    raw: Any
    announced: int
    complete: int
    shown_at: Sequence[int]
    grows: bool

    def readable(self, prefix: int) -> int:
        """How many of its characters a perfect reader shows of a prefix."""
        return bisect_right(self.shown_at, prefix)

    def not_before(self, offset: int) -> Leaf:
        """The same if nothing of it can be told in shorter prefixes."""
        shown_at = [max(at, offset) for at in self.shown_at]
        return replace(self, complete=max(self.complete, offset), shown_at=shown_at)


class Oracle:
    """The values of a document, each with the prefixes that have it.

    Raises:
        ValueError: The scan and `json` do not agree: the oracle is wrong.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._text = document.text
        self.leaves: list[Leaf] = []
        end = self._value(0, (), 1)
        if self._text[end:].strip() or [leaf.raw for leaf in self.leaves] != list(_values(json.loads(self._text))):
            raise ValueError(f'{document.name}: the oracle does not read what json reads')

    @cached_property
    def at(self) -> dict[Path, list[Leaf]]:
        """The leaves at each path and below."""
        found: dict[Path, list[Leaf]] = {}
        for leaf in self.leaves:
            for length in range(len(leaf.path) + 1):
                found.setdefault(leaf.path[:length], []).append(leaf)
        return found

    @cached_property
    def readable(self) -> list[int]:
        """For each length of a prefix, the characters that a perfect reader shows of it."""
        new = [0] * (len(self._text) + 1)
        for leaf in self.leaves:
            for offset in leaf.shown_at:
                new[offset] += 1
        return list(accumulate(new))

    def _value(self, at: int, path: Path, announced: int) -> int:
        at = self._skip(at)
        if self._text[at] == '{':
            return self._object(at + 1, path)
        if self._text[at] == '[':
            return self._array(at + 1, path)
        if self._text[at] == '"':
            return self._text_leaf(at, path, announced)
        token = _scalar.match(self._text, at)
        assert token is not None
        end = token.end()
        is_number = token.group() not in ('true', 'false', 'null')
        complete = min(end + is_number, len(self._text))
        self._add(path, json.loads(token.group()), announced, [complete] * (end - at), complete, grows=False)
        return end

    def _text_leaf(self, at: int, path: Path, announced: int) -> int:
        token = _string.match(self._text, at)
        assert token is not None
        key = next((step for step in reversed(path) if isinstance(step, str)), '')
        raw, end = json.loads(token.group()), token.end()
        if key in self._document.whole:
            self._add(path, raw, announced, [end] * len(raw), end, grows=False)
        else:
            units = [unit.end() for unit in _unit.finditer(self._text, *token.span(1))]
            if len(units) != len(raw):
                raise ValueError(f'{self._document.name}: the oracle does not read {raw!r}')
            self._add(path, raw, announced, units, end, grows=True)
        return end

    def _add(self, path: Path, raw: Any, announced: int, shown_at: list[int], complete: int, *, grows: bool) -> None:
        leaf = Leaf(path=path, raw=raw, announced=announced, complete=complete, shown_at=shown_at, grows=grows)
        self.leaves.append(leaf)

    def _object(self, at: int, path: Path) -> int:
        first, told = len(self.leaves), 0
        at = self._skip(at)
        while self._text[at] != '}':
            token = _string.match(self._text, self._skip(at))
            assert token is not None
            key = json.loads(token.group())
            at = self._value(self._skip(token.end()) + 1, (*path, key), token.end())
            if key in self._document.tags:
                told = at
            at = self._after(at)
        self.leaves[first:] = [leaf.not_before(told) for leaf in self.leaves[first:]] if told else self.leaves[first:]
        return at + 1

    def _array(self, at: int, path: Path) -> int:
        at, index = self._skip(at), 0
        while self._text[at] != ']':
            at = self._after(self._value(at, (*path, index), self._skip(at) + 1))
            index += 1
        return at + 1

    def _after(self, at: int) -> int:
        at = self._skip(at)
        return at + 1 if self._text[at] == ',' else at

    def _skip(self, at: int) -> int:
        space = _space.match(self._text, at)
        assert space is not None
        return space.end()


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for part in cast('dict[str, Any]', value).values():
            yield from _values(part)
    elif isinstance(value, list):
        for part in cast('list[Any]', value):
            yield from _values(part)
    else:
        yield value
