"""Patches applied, in order and to nothing, make the document that the snapshots show: also where it is invalid."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pydantic_ai_streaming import Show, json_patch, partial_outputs
from pydantic_ai_streaming.core.json_entry import JsonEntry
from pydantic_ai_streaming.partials.outputs import Outputs


def applied(document: Any, operations: list[dict[str, Any]]) -> Any:
    """What RFC 6902 makes of it, with the one extension for text. Raises for what cannot be applied."""
    holder: dict[str, Any] = {'': document}
    for operation in operations:
        *above, last = ['', *(step.replace('~1', '/').replace('~0', '~') for step in operation['path'].split('/')[1:])]
        place: Any = holder
        for step in above:
            place = place[int(step) if type(place) is list else step]
        kind, value = operation['op'], operation.get('value')
        if isinstance(place, list):
            elements, index = cast('list[Any]', place), int(last)
            assert 0 <= index <= len(elements) - (kind != 'add'), f'{operation} is beyond {elements}'
            if kind == 'add':
                elements.insert(index, value)
            else:
                elements[index] = value if kind == 'replace' else elements[index] + operation['str']
        else:
            assert kind == 'add' or last in place, f'{operation} changes what is not there'
            if kind == 'remove':
                del place[last]
            else:
                place[last] = place[last] + operation['str'] if kind == 'str_ins' else value
    return holder['']


class Row(BaseModel):
    name: str
    numbers: list[int]


class Raw(BaseModel):
    model_config = ConfigDict(val_json_bytes='base64')
    raw: bytes


SHOUTED = list[Annotated[str, AfterValidator(str.upper), Show('growing')]]


@pytest.mark.parametrize('text', ['replace', 'str_ins'])
@pytest.mark.parametrize('size', [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ('output_type', 'document', 'expected'),
    [
        (list[int], '[1, "x", 3]', [1, None, 3]),
        (list[int], '["x"]', [None]),
        (Row, '{"name": "a", "numbers": [1, "x", 3]}', {'name': 'a', 'numbers': [1, None, 3]}),
        (SHOUTED, '["abc", "def"]', ['ABC', 'DEF']),
        (list[str], '["abc", "def"]', ['abc', 'def']),
        (list[Annotated[str, AfterValidator(int), Show('growing')]], '["a", "7"]', [None, 7]),
        (dict[str, Annotated[str, Field(max_length=2)]], '{"a": "long", "b": "ok"}', {'b': 'ok'}),
        (list[Raw], '[{"raw": "aGk="}, {"raw": "-_8="}]', [{'raw': 'hi'}, {'raw': '-_8='}]),
    ],
)
def test_every_patch_can_be_applied(
    output_type: Any, document: str, expected: Any, size: int, text: Literal['replace', 'str_ins']
) -> None:
    built: Any = None
    for partial in partial_outputs([document[at : at + size] for at in range(0, len(document), size)], output_type):
        built = applied(built, json_patch(partial, text=text))
    assert built == expected


def test_an_invalid_element_is_told_as_a_gap_and_not_as_complete() -> None:
    changes = [change for partial in partial_outputs(['[1, "x", 3]'], list[int]) for change in partial.changes]
    assert [(change.op, change.path, change.value) for change in changes if change.path == (1,)] == [
        ('append', (1,), None)
    ]


def test_text_that_turns_out_to_be_invalid_is_told_to_be_gone() -> None:
    short = dict[str, Annotated[str, Field(max_length=2)]]
    snapshots = list(partial_outputs(['{"a": "lo', 'ng"', '}'], short))
    assert [partial.value for partial in snapshots] == [{'a': 'lo'}, {}]
    assert [(change.op, change.path, change.value) for change in snapshots[1].changes] == [('set', ('a',), None)]
    assert [partial.state('a') for partial in snapshots] == ['streaming', 'invalid']


def test_text_that_a_validator_changes_is_appended_once() -> None:
    changes = [change for partial in partial_outputs(['["ab', 'c"]'], SHOUTED) for change in partial.changes]
    assert [(change.op, change.value) for change in changes if change.path == (0,)] == [
        ('append', 'ab'),
        ('extend', 'c'),
        ('set', 'ABC'),
        ('complete', 'ABC'),
    ]


def test_blanks_without_end_are_held_and_lost_to_nobody() -> None:
    entry = JsonEntry()
    assert [entry.feed(text) for text in ('Sure: {', *' \n' * 50)] == [''] * 101
    assert entry.feed('"a": 1}') == '{' + ' \n' * 50 + '"a": 1}'


def test_an_output_type_is_read_once_and_told_from_its_equals() -> None:
    one, other = int | str, str | int
    assert one == other
    assert Outputs.of(one) is Outputs.of(one)
    assert Outputs.of(one) is not Outputs.of(other)
