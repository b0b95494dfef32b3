"""A structured output as a table that fills in: `table_html`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final, cast

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from ..partials.invalid import Path
from ..partials.partial_output import FieldState, PartialOutput

__all__ = ['table_html']

MARKS: Final[dict[FieldState, str]] = {'missing': '·', 'streaming': '▸', 'complete': '✓', 'invalid': '✗'}
COLOURS: Final[dict[FieldState, str]] = {
    'missing': '#a1a1aa',
    'streaming': '#2563eb',
    'complete': '#16a34a',
    'invalid': '#dc2626',
}
CELL: Final = 'padding:2px .6em;text-align:left;vertical-align:top;white-space:pre-wrap'
DEEPEST: Final = 3
"""Tables in tables in tables; what is deeper is shown as JSON."""


def table_html(partial: PartialOutput[Any]) -> str:
    """Make a table of an output as far as it has come.

    An object has a row for each field, with a mark for its state; a list of objects has a row for each and a column for
    each of their fields. What is invalid is there with what is wrong with it.
    """
    return _Table(partial).of(partial.value, ())


class _Table:
    def __init__(self, partial: PartialOutput[Any]) -> None:
        self._partial = partial
        self._wrong = {error.path: f'{error.input!r}: {error.message}' for error in partial.errors}

    def of(self, value: Any, path: Path) -> str:
        fields = _fields(value)
        if fields is not None:
            rows = ''.join(self._row(name, part, (*path, name)) for name, part in fields.items())
            return _table(rows)
        items = _objects(value)
        if items is not None:
            names = list(dict.fromkeys(name for item in items for name in item))
            head = ''.join(f'<th style="{CELL}">{escape(str(name))}</th>' for name in names)
            rows = ''.join(
                f'<tr>{self._mark((*path, index))}'
                + ''.join(self._cell(item.get(name), (*path, index, name)) for name in names)
                + '</tr>'
                for index, item in enumerate(items)
            )
            return _table(f'<tr><th></th>{head}</tr>{rows}')
        return _table(f'<tr>{self._mark(path)}{self._cell(value, path, nested=False)}</tr>')

    def _row(self, name: Any, part: Any, path: Path) -> str:
        return f'<tr>{self._mark(path)}<th style="{CELL}">{escape(str(name))}</th>{self._cell(part, path)}</tr>'

    def _mark(self, path: Path) -> str:
        state = self._partial.state(path)
        return f'<td title="{state}" style="{CELL};color:{COLOURS[state]}">{MARKS[state]}</td>'

    def _cell(self, value: Any, path: Path, *, nested: bool = True) -> str:
        state = self._partial.state(path)
        if (wrong := self._wrong.get(path)) is not None:
            inside = f'<span style="color:{COLOURS["invalid"]}">{escape(wrong)}</span>'
        elif state == 'missing':
            inside = ''
        elif nested and len(path) < 2 * DEEPEST and (_fields(value) or _objects(value)):
            inside = self.of(value, path)
        else:
            inside = escape(_text(value))
        return f'<td style="{CELL}">{inside}{"▏" if state == "streaming" and isinstance(value, str) else ""}</td>'


def _table(rows: str) -> str:
    return f'<table style="border-collapse:collapse;font:13px/1.4 system-ui,sans-serif">{rows}</table>'


def _fields(value: Any) -> Mapping[Any, Any] | None:
    """The parts of an object by their names."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name, None) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    return cast('Mapping[Any, Any]', value) if isinstance(value, Mapping) else None


def _objects(value: Any) -> Sequence[Mapping[Any, Any]] | None:
    """The elements of a list of objects; `None` for what is none, and for an empty list."""
    if not isinstance(value, list | tuple) or not value:
        return None
    items = [_fields(item) for item in cast('Sequence[Any]', value)]
    return None if any(item is None for item in items) else cast('Sequence[Mapping[Any, Any]]', items)


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ''
    plain = to_jsonable_python(value, fallback=str, inf_nan_mode='strings', bytes_mode='base64')
    if isinstance(plain, list) and all(isinstance(item, str) for item in cast('list[Any]', plain)):
        return ', '.join(cast('list[str]', plain))
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
