"""Functions of the user: asked once per value, with what they expect, and whatever they raise."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, cast

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    OnErrorOmit,
    PlainValidator,
    ValidationInfo,
    WrapValidator,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError, PydanticOmit, PydanticUseDefault

from pydantic_ai_streaming.partials.document import PartialDocument
from pydantic_ai_streaming.partials.filling import Results
from pydantic_ai_streaming.partials.shapes import MISSING
from pydantic_ai_streaming.partials.shaping import shape_of
from tests.partials.reading import check, complaints, found, read, slices, structure

ASKED: Counter[str] = Counter()


def counted(name: str) -> Any:
    def function(value: Any) -> Any:
        ASKED[name] += 1
        return value

    return AfterValidator(function)


def before(name: str) -> Any:
    def function(value: Any) -> Any:
        ASKED[name] += 1
        return value

    return BeforeValidator(function)


def around(name: str) -> Any:
    def function(value: Any, handler: Any) -> Any:
        ASKED[name] += 1
        return handler(value)

    return WrapValidator(function)


class Inner(BaseModel):
    text: Annotated[str, counted('inner text')]

    @model_validator(mode='after')
    def whole(self) -> Inner:
        ASKED['inner'] += 1
        return self


class Before(BaseModel):
    text: Annotated[str, counted('before text')]

    @model_validator(mode='before')
    @classmethod
    def whole(cls, value: Any) -> Any:
        ASKED['before'] += 1
        return value


@dataclass
class Data:
    number: Annotated[int, counted('data number')]

    def __post_init__(self) -> None:
        ASKED['data'] += 1


class Outer(BaseModel):
    number: Annotated[int, counted('number')]
    raw: Annotated[int, before('raw')]
    wrapped: Annotated[str, around('wrapped')]
    plain: Annotated[Any, PlainValidator(lambda value: (ASKED.update(['plain']), value)[1])]
    items: Annotated[list[Annotated[int, counted('item')]], counted('items')]
    keys: dict[Annotated[str, counted('key')], Annotated[int, counted('value')]]
    inner: Annotated[Inner, counted('annotated inner')]
    inners: list[Inner]
    either: Inner | Annotated[int, counted('either')]
    prior: Before
    datas: list[Data]
    asked: str = 'x'
    late: int = 0
    default: Annotated[list[int], counted('default')] = Field(default=[1], validate_default=True)

    @field_validator('asked', 'late')
    @classmethod
    def looks(cls, value: Any, info: ValidationInfo) -> Any:
        ASKED[f'{info.field_name}'] += 1
        assert 'number' in info.data
        return value

    def model_post_init(self, context: Any, /) -> None:
        ASKED['post init'] += 1


OUTER = (
    '{"late":1,"number":1,"raw":2,"wrapped":"w","plain":[1],"items":[1,2,3],"keys":{"a":1,"b":2},"inner":{"text":"abc"},'
    '"inners":[{"text":"a"},{"text":"b"}],"either":{"text":"c"},"prior":{"text":"d"},"datas":[{"number":1},{"number":2}],'
    '"asked":"y"}'
)


def expected_counts() -> Counter[str]:
    ASKED.clear()
    Outer.model_validate_json(OUTER)
    return ASKED.copy()


@pytest.mark.parametrize('size', [1, 3, 1000])
def test_each_function_is_asked_once_per_value(size: int) -> None:
    expected = expected_counts()
    shape_of(Outer)
    ASKED.clear()
    reading = read(Outer, OUTER, size)
    assert expected == ASKED
    assert structure(reading.final) == structure(Outer.model_validate_json(OUTER))


@pytest.mark.parametrize('text', [OUTER, OUTER.replace('"c"', '7'), OUTER.replace('"number":2', '"number":"x"')])
def test_a_second_reader_of_the_same_document_asks_nobody(text: str) -> None:
    results: Results = []
    ASKED.clear()
    first, second = (PartialDocument(shape_of(Outer), results=results) for _ in range(2))
    for piece in slices(text, 5):
        first.feed(piece)
    asked = ASKED.copy()
    for piece in slices(text, 1):
        second.feed(piece)
    assert asked == ASKED
    assert structure(first.value()) == structure(second.value())
    assert [(part.type, part.path) for part in first.errors] == [(part.type, part.path) for part in second.errors]


def test_two_readers_that_take_turns_ask_once() -> None:
    expected = expected_counts()
    results: Results = []
    ASKED.clear()
    readers = [PartialDocument(shape_of(Outer), results=results) for _ in range(2)]
    for at, piece in enumerate(slices(OUTER, 3)):
        readers[at % 2].feed(piece)
        readers[1 - at % 2].feed(piece)
    assert expected == ASKED
    assert structure(readers[0].value()) == structure(readers[1].value())


class Looking(BaseModel):
    first: int
    second: str = 'two'
    third: list[int] = []
    nested: dict[str, int] = {}

    @field_validator('third', 'nested')
    @classmethod
    def looks(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.data['second'] is not None
        if info.data['first'] > 1:
            raise ValueError(f'{info.field_name} after {info.data}')
        return value


@pytest.mark.parametrize(
    'text',
    [
        '{"first":1,"second":"a","third":[1,2],"nested":{"a":1}}',
        '{"nested":{"a":1},"third":[1,2],"second":"a","first":1}',
        '{"third":[1],"first":1}',
        '{"first":1}',
    ],
)
def test_a_function_sees_the_fields_before_its_own_in_whatever_order_they_come(text: str) -> None:
    check(Looking, text)
    check(list[Looking], f'[{text},{text}]')


def look(value: Any, info: ValidationInfo) -> Any:
    return value


CONFIGS: list[ConfigDict] = [
    {'strict': True},
    {'str_strip_whitespace': True},
    {'str_to_lower': True},
    {'str_max_length': 3},
    {'coerce_numbers_to_str': True},
    {'val_json_bytes': 'base64'},
    {'allow_inf_nan': False},
    {'extra': 'forbid'},
    {'extra': 'allow'},
    {'validate_by_name': True},
    {'validate_by_name': True, 'validate_by_alias': False},
]


@pytest.mark.parametrize('config', CONFIGS, ids=str)
@pytest.mark.parametrize(
    'text',
    ['{"A":" XyzW "}', '{"a":"q"}', '{"A":5}', '{"number":"5"}', '{"raw":"aGk="}', '{"rate":1e999}', '{"q":1,"A":"x"}'],
)
def test_the_configuration_holds_for_fields_that_look_at_others(config: ConfigDict, text: str) -> None:
    fields: dict[str, Any] = {
        'a': (Annotated[str, AfterValidator(look)], Field('-', alias='A')),
        'number': (Annotated[int, AfterValidator(look)], 0),
        'raw': (Annotated[bytes, AfterValidator(look)], b''),
        'rate': (Annotated[float, AfterValidator(look)], 0.0),
    }
    kind = create_model('Looked', __config__=config, **fields)
    reading = read(kind, text)
    assert found(reading) == complaints(kind, text)
    if not found(reading):
        check(kind, text)


def test_a_field_that_looks_at_others_is_validated_as_soon_as_they_are_there() -> None:
    reading = read(Looking, '{"first":2,"second":"a","third":[1] ,"nested":{}}', [35])
    assert [(part.type, part.path) for part in reading.errors[0]] == [('value_error', ('third',))]
    late = read(Looking, '{"third":[1] ,"first":2,"second":"a","nested":{}}', [48])
    assert late.errors[0] == ()
    assert found(late) == {('value_error', ('third',)), ('value_error', ('nested',))}
    assert "{'first': 2, 'second': 'a'}" in late.errors[-1][0].message


def test_functions_get_the_context() -> None:
    def scaled(value: int, info: ValidationInfo) -> int:
        return value * cast('dict[str, int]', info.context)['by']

    class Scaled(BaseModel):
        a: Annotated[int, AfterValidator(scaled)]
        b: list[Annotated[int, AfterValidator(scaled)]]

        @model_validator(mode='after')
        def whole(self, info: ValidationInfo) -> Scaled:
            assert info.context == {'by': 3}
            return self

    for text in ('{"a":1,"b":[2]}', '{"b":[2],"a":1}'):
        assert read(Scaled, text, context={'by': 3}).final == Scaled.model_construct(a=3, b=[6])


class Unusual(Exception):
    pass


@pytest.mark.parametrize(
    ('error', 'kind'),
    [
        (ValueError('no'), 'value_error'),
        (AssertionError('no'), 'assertion_error'),
        (RuntimeError('no'), 'RuntimeError'),
        (Unusual('no'), 'Unusual'),
        (KeyError('no'), 'KeyError'),
        (PydanticCustomError('own', 'no'), 'own'),
    ],
)
def test_whatever_a_function_raises_is_an_error_of_its_value(error: Exception, kind: str) -> None:
    def refuse(value: Any) -> Any:
        raise error

    class Model(BaseModel):
        a: Annotated[int, AfterValidator(refuse)]
        b: list[Annotated[str, BeforeValidator(refuse)]]
        c: Annotated[Inner, AfterValidator(refuse)]
        d: dict[Annotated[str, AfterValidator(refuse)], int] = {}

    for size in (1, 3, 1000):
        reading = read(Model, '{"a":1,"b":["x"],"c":{"text":"x"},"d":{"k":1}}', size)
        assert {part.path[:2] for part in reading.errors[-1]} == {('a',), ('b', 0), ('c',), ('d', 'k')}
        assert {part.type for part in reading.errors[-1]} == {kind}
        assert reading.document.done


def leave_out_zero(value: Any) -> Any:
    if not value:
        raise PydanticOmit
    return value


def default_for_zero(value: Any) -> Any:
    if not value:
        raise PydanticUseDefault
    return value


Omitted = Annotated[int, AfterValidator(leave_out_zero)]


class Defaulted(BaseModel):
    a: Annotated[int, AfterValidator(default_for_zero)] = 7
    b: Annotated[int, BeforeValidator(default_for_zero)] = 8
    c: Annotated[list[int], AfterValidator(default_for_zero)] = [9]


@pytest.mark.parametrize(
    ('kind', 'text'),
    [
        (list[Omitted], '[0,1,0,2,0]'),
        (set[Omitted], '[0,1]'),
        (dict[str, Omitted], '{"a":0,"b":1}'),
        (list[OnErrorOmit[int]], '["x",1,[2],{"a":3},4]'),
        (list[Annotated[list[int], AfterValidator(leave_out_zero)]], '[[1],[],[2]]'),
        (Defaulted, '{"a":0,"b":0,"c":[]}'),
        (Defaulted, '{"a":1,"b":2,"c":[3]}'),
    ],
)
def test_what_a_function_leaves_out_is_left_out(kind: Any, text: str) -> None:
    check(kind, text, transforms=True)


def test_a_function_that_changes_a_model_changes_the_complete_one_only() -> None:
    def renamed(inner: Inner) -> Inner:
        return Inner.model_construct(text=inner.text.upper())

    reading = read(list[Annotated[Inner, AfterValidator(renamed)]], '[{"text":"abc"},{"text":"d"', 4)
    texts = [[inner.text for inner in value] for value in reading.values if value is not MISSING]
    assert texts[-1] == ['ABC', 'd']
