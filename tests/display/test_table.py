"""Outputs as tables that fill in, and Markdown that obeys nobody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
from pydantic import BaseModel, Field

from pydantic_ai_streaming import partial_outputs
from pydantic_ai_streaming.display.markdown import markdown_html
from pydantic_ai_streaming.display.notebook import Throttle
from pydantic_ai_streaming.display.table import table_html


class Item(BaseModel):
    name: str
    price: int = Field(gt=0)


class Order(BaseModel):
    customer: str
    items: list[Item]
    tags: list[str] = []


@dataclass
class Place:
    name: str
    where: dict[str, int]


def words(html: str) -> str:
    return ' '.join(unescape(re.sub(r'<[^>]*>', ' ', html)).split())


def tables(document: str, output_type: Any, *, step: int = 1) -> list[str]:
    pieces = [document[at : at + step] for at in range(0, len(document), step)]
    return [words(table_html(partial)) for partial in partial_outputs(pieces, output_type)]


def test_a_table_fills_in_field_by_field_and_row_by_row() -> None:
    items = '[{"name": "pump", "price": 3}, {"name": "<tent>", "price": 4}]'
    document = f'{{"customer": "Ada", "items": {items}, "tags": ["a", "b"]}}'
    seen = list(dict.fromkeys(tables(document, Order)))
    assert seen[0] == '· customer · items · tags'
    assert '▸ customer Ad▏ · items · tags' in seen
    assert '✓ customer Ada ▸ items name price ▸ pump · tags' in [one.replace('▏', '') for one in seen]
    assert seen[-1] == '✓ customer Ada ✓ items name price ✓ pump 3 ✓ <tent> 4 ✓ tags a, b'


def test_what_is_invalid_is_shown_with_what_is_wrong() -> None:
    seen = tables('{"name": "pump", "price": -1, ', Item)
    assert seen[-1] == '✓ name pump ✗ price -1: Input should be greater than 0'


@pytest.mark.parametrize(
    ('document', 'output_type', 'shown'),
    [
        ('[{"name": "a", "price": 1}, {"name": "b", "price": 2}]', list[Item], 'name price ✓ a 1 ✓ b 2'),
        ('{"name": "Farland", "where": {"x": 1, "y": 2}}', Place, '✓ name Farland ✓ where ✓ x 1 ✓ y 2'),
        ('[1, 2]', list[int], '✓ [1, 2]'),
        ('[]', list[Item], '✓'),
        ('12', int, '✓ 12'),
        ('"text"', str, '✓ text'),
        ('{"a": null}', dict[str, int | None], '✓ a'),
    ],
)
def test_outputs_of_every_kind_have_a_table(document: str, output_type: Any, shown: str) -> None:
    assert tables(document, output_type)[-1] == shown


def test_a_deep_output_ends_as_json() -> None:
    document = '{"a":' * 30 + '1' + '}' * 30
    (last,) = tables(document, Any, step=1000)[-1:]
    assert '{"a": {"a": ' in last


@pytest.mark.parametrize(
    'text',
    [
        '<script>alert(1)</script>',
        '<img src=x onerror=alert(1)>',
        '![x](http://elsewhere/x.png)',
        '[x](javascript:alert(1))',
    ],
)
def test_markdown_of_a_model_obeys_nobody(text: str) -> None:
    html = markdown_html(f'Some *text*.\n\n{text}\n\n```\n{text}\n')
    assert '<em>text</em>' in html
    assert not re.search(r'<(script|img)|href="javascript', html)


def test_a_table_in_markdown_is_a_table() -> None:
    assert '<td>1</td>' in markdown_html('| a |\n|---|\n| 1 |\n')


def test_without_the_markdown_package_text_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__('sys').modules, 'markdown_it', None)
    assert markdown_html('*a* <b>') == '<div style="white-space:pre-wrap">*a* &lt;b&gt;</div>'


def test_updates_are_limited_in_number_in_bytes_and_in_work() -> None:
    throttle = Throttle()
    for size, took, pause in ((0, 0.0, 1 / 15), (400_000, 0.0, 1.0), (0, 0.1, 0.4)):
        throttle.updated(100.0, size=size, took=took)
        assert throttle.next == pytest.approx(100 + pause)
