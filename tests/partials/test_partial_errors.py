"""Invalid documents: each fault is known in the slice that closes the value, with its path and pydantic's own error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    AliasChoices,
    AnyUrl,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FutureDate,
    Json,
    RootModel,
    Strict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from pydantic_ai_streaming.core.json_parser import JsonError
from tests.partials.outputs import (
    Address,
    Addresses,
    Box,
    ByName,
    Closed,
    Colour,
    Home,
    Movie,
    Names,
    Node,
    OpenTyped,
    Pair,
    Partial,
    Person,
    Pet,
    Point,
    StrictOne,
    Text,
)
from tests.partials.reading import NOTHING, complaints, found, read, slices, structure

Constrained = Annotated[int, Field(gt=0, lt=10, multiple_of=2)]


class Range(BaseModel):
    low: int
    high: int

    @model_validator(mode='after')
    def in_order(self) -> Range:
        if self.low > self.high:
            raise ValueError('low is above high')
        return self


@dataclass
class Even:
    number: int

    def __post_init__(self) -> None:
        assert self.number % 2 == 0


class Both(BaseModel):
    a: int | list[int]
    b: dict[int, str]


class Plain(Enum):
    ONE = 'one'
    TWO = 'two'


class One(BaseModel):
    tag: Literal[Plain.ONE]


class Two(BaseModel):
    tag: Literal[Plain.TWO]


Path = tuple[str | int, ...]
# A type, a document with `~` after the character that makes the fault certain, and (error type, path).
INVALID: dict[str, tuple[Any, str, str, Path]] = {
    'a number that is text': (Point, '{"x":"one"~,"y":1}', 'int_parsing', ('x',)),
    'a number that is an object': (Point, '{"x":{"a":[1]}~,"y":1}', 'int_type', ('x',)),
    'a number that is an array': (Point, '{"x":[[1]]~}', 'int_type', ('x',)),
    'a number that is null': (Point, '{"x":null~}', 'int_type', ('x',)),
    'a fraction for a whole number': (list[int], '[1,1.5,~2]', 'int_from_float', (1,)),
    'text that is a number': (Address, '{"street":1,~"city":"x"}', 'string_type', ('street',)),
    'text that is true': (Address, '{"street":true~}', 'string_type', ('street',)),
    'text that is an object': (Address, '{"street":{}~}', 'string_type', ('street',)),
    'true that is text': (dict[str, bool], '{"a":"maybe"~}', 'bool_parsing', ('a',)),
    'null that is none': (list[None], '[null,0,~null]', 'none_required', (1,)),
    'a model that is a list': (Person, '{"address":[]~,"name":"x","age":1}', 'model_type', ('address',)),
    'a model that is text': (Person, '{"address":"here"~,"name":"x","age":1}', 'model_type', ('address',)),
    'a list that is an object': (
        Person,
        '{"nick_names":{}~,"name":"x","age":1,"address":{"street":""}}',
        'list_type',
        ('nick_names',),
    ),
    'too small': (list[Constrained], '[2,0,~4]', 'greater_than', (1,)),
    'too large': (list[Constrained], '[2,10]~', 'less_than', (1,)),
    'no multiple': (list[Constrained], '[3,~2]', 'multiple_of', (0,)),
    'too short': (list[Annotated[str, Field(min_length=2)]], '["ab","a"~]', 'string_too_short', (1,)),
    'too long': (dict[str, Annotated[str, Field(max_length=2)]], '{"k":"abc"~}', 'string_too_long', ('k',)),
    'another pattern': (
        list[Annotated[str, StringConstraints(pattern='^a+$')]],
        '["aaa","b"~]',
        'string_pattern_mismatch',
        (1,),
    ),
    'another literal': (list[Literal['a', 1]], '["a","b"~,1]', 'literal_error', (1,)),
    'another member': (list[Colour], '["red","green"~]', 'enum', (1,)),
    'no date': (list[date], '["2024-01-01","2024-02-30"~]', 'date_from_datetime_parsing', (1,)),
    'no date to come': (list[FutureDate], '["2001-01-01"~]', 'date_future', (0,)),
    'no time zone': (list[AwareDatetime], '["2001-01-01T00:00:00"~]', 'timezone_aware', (0,)),
    'no uuid': (list[UUID], '["123"~]', 'uuid_parsing', (0,)),
    'no address': (list[AnyUrl], '["nowhere"~]', 'url_parsing', (0,)),
    'no decimal': (list[Decimal], '["1.0","1.x"~]', 'decimal_parsing', (1,)),
    'too many digits': (list[Annotated[Decimal, Field(max_digits=3)]], '["12.34"~]', 'decimal_max_digits', (0,)),
    'no JSON in text': (list[Json[int]], '["1","x"~]', 'json_invalid', (1,)),
    'strict whole numbers': (list[Annotated[int, Strict()]], '[1,"2"~]', 'int_type', (1,)),
    'a strict model': (
        StrictOne,
        '{"name":1,~"day":"2024-02-29","unique":"12345678-1234-5678-1234-567812345678","amount":"1","colour":"red",'
        '"some":[1,"x"],"many":[],"raw":"","pause":"PT1S"}',
        'string_type',
        ('name',),
    ),
    'a strict model, deep': (
        StrictOne,
        '{"some":["1"~,"x"],"name":"","day":"2024-02-29","unique":"12345678-1234-5678-1234-567812345678","amount":"1",'
        '"colour":"red","many":[],"raw":"","pause":"PT1S"}',
        'int_type',
        ('some', 0),
    ),
    'a key that is missing': (list[Point], '[{"x":1},{"y":1}~,{"x":2}]', 'missing', (1, 'x')),
    'a key that is missing, deep': (
        Person,
        '{"name":"a","age":1,"address":{"city":"b"}~}',
        'missing',
        ('address', 'street'),
    ),
    'an alias that is missing': (ByName, '{"theRest":[]}~', 'missing', ('firstName',)),
    'a field under its name': (ByName, '{"first":1,~"theRest":[]}', 'string_type', ('first',)),
    'an unknown key with a number': (Closed, '{"zzz":1,~"a":"","b":[]}', 'extra_forbidden', ('zzz',)),
    'an unknown key with text': (Closed, '{"a":"","zzz":"text"~,"b":[]}', 'extra_forbidden', ('zzz',)),
    'an unknown key with an object': (Closed, '{"a":"","b":[],"zzz":{"a":[{}]}~}', 'extra_forbidden', ('zzz',)),
    'an extra of another type': (OpenTyped, '{"a":1,"q":{"street":1}~}', 'string_type', ('q', 'street')),
    'an extra that is no object': (OpenTyped, '{"a":1,"q":1}~', 'model_type', ('q',)),
    'an unknown tag': (list[Pet], '[{"kind":"bird"~,"lives":1}]', 'union_tag_invalid', (0,)),
    'an unknown tag at the end': (list[Pet], '[{"lives":[{"a":1}],"kind":"bird"~}]', 'union_tag_invalid', (0,)),
    'no tag': (list[Pet], '[{"lives":1}~]', 'union_tag_not_found', (0,)),
    'a tag that is no text': (list[Pet], '[{"kind":{"a":1}~}]', 'union_tag_invalid', (0,)),
    'a tag that is a member of an enum, which JSON has not': (
        list[Annotated[One | Two, Field(discriminator='tag')]],
        '[{"tag":"one"~,"x":1}]',
        'union_tag_invalid',
        (0,),
    ),
    'what came before its tag': (
        Home,
        '{"pet":{"lives":"x","kind":"cat"~},"pets":[]}',
        'int_parsing',
        ('pet', 'lives'),
    ),
    'what came after its tag': (
        Home,
        '{"pet":{"kind":"dog","barks":["a",1]~},"pets":[]}',
        'string_type',
        ('pet', 'barks', 1),
    ),
    'neither of a union': (Both, '{"a":"x"~,"b":{}}', 'int_parsing', ('a', 'int')),
    'inside the only array of a union': (Both, '{"a":[1,"x"~],"b":{}}', 'int_parsing', ('a', 1)),
    'a key of a dict': (Both, '{"a":1,"b":{"1":"x","k"~:"y"}}', 'int_parsing', ('b', 'k', '[key]')),
    'a value of a dict': (Both, '{"a":1,"b":{"1":"x","2":3~}}', 'string_type', ('b', '2')),
    'too few items': (dict[str, Annotated[list[int], Field(min_length=2)]], '{"a":[1]~}', 'too_short', ('a',)),
    'too many items': (dict[str, Annotated[list[int], Field(max_length=2)]], '{"a":[1,2,3]~}', 'too_long', ('a',)),
    'too many of a set': (dict[str, Annotated[set[int], Field(max_length=1)]], '{"a":[1,1,2]~}', 'too_long', ('a',)),
    'too many keys': (list[Annotated[dict[str, int], Field(max_length=1)]], '[{"a":1,"b":2}~]', 'too_long', (0,)),
    'too short a tuple': (list[tuple[int, str]], '[[1,"a"],[1]~]', 'missing', (1, 1)),
    'too long a tuple': (list[tuple[int, str]], '[[1,"a",2]~]', 'too_long', (0,)),
    'inside a tuple': (list[tuple[int, str]], '[[1,2~]]', 'string_type', (0, 1)),
    'inside a set': (list[set[int]], '[[1,"x"~,2]]', 'int_parsing', (0, 1)),
    'what no set can hold': (set[tuple[Any]], '[[1],[[2]]]~', 'set_item_not_hashable', (1,)),
    'inside a sequence': (Sequence[int], '[1,"x"~]', 'int_parsing', (1,)),
    'inside a mapping': (Mapping[str, int], '{"a":"x"}~', 'int_parsing', ('a',)),
    'inside a recursion': (
        Node,
        '{"name":"a","children":[{"name":"b","best":{"name":1}~}]}',
        'string_type',
        ('children', 0, 'best', 'name'),
    ),
    'after a model': (list[Range], '[{"low":1,"high":2},{"low":3,"high":2}~]', 'value_error', (1,)),
    'after a dataclass': (list[Even], '[{"number":2},{"number":3}~]', 'assertion_error', (1,)),
    'inside a dataclass': (Box, '{"size":{"width":"x"~},"text":""}', 'float_parsing', ('size', 'width')),
    'a TypedDict': (Partial, '{"b":{"title":"x"}~}', 'missing', ('b', 'cast')),
    'inside a TypedDict': (Movie, '{"title":1~,"cast":[]}', 'string_type', ('title',)),
    'a NamedTuple': (list[Pair], '[{"left":"x"}~]', 'int_parsing', (0, 'left')),
    'a root model': (Names, '["a",1~]', 'string_type', (1,)),
    'a root model of text': (Text, '1~', 'string_type', ()),
    'inside a root model': (Addresses, '{"a":{"street":1~}}', 'string_type', ('a', 'street')),
    'the document itself': (Point, '[]~', 'dataclass_type', ()),
    'a number alone': (Constrained, '12~', 'less_than', ()),
    'beyond a float': (
        Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field()],
        '[1e999,~1]',
        'finite_number',
        (0,),
    ),
}


@pytest.mark.parametrize('name', INVALID)
def test_a_fault_is_known_in_the_slice_that_closes_the_value(name: str) -> None:
    kind, marked, error_type, path = INVALID[name]
    known = marked.index('~')
    text = marked.replace('~', '')
    for size in (1, 2, 3, 4, 7, len(text)):
        reading = read(kind, text, size)
        end = 0
        for piece, errors in zip(slices(text, size), reading.errors, strict=False):
            start, end = end, end + len(piece)
            if start >= known:
                assert [(part.type, part.path) for part in errors if part.type == error_type] == [(error_type, path)], (
                    size
                )
            elif end < known and text[end - 1 : end].strip() and not text[:known].startswith(text[:end] + '}'):
                # A number ends with what follows it: not known before, at the earliest with its last character.
                assert not [part for part in errors if part.type == error_type], size


# Of a union with one kind of array, what is in the array is told without what the other members say.
COMPARABLE = [name for name in INVALID if name not in ('neither of a union', 'inside the only array of a union')]


@pytest.mark.parametrize('name', COMPARABLE)
def test_the_faults_are_those_that_pydantic_finds(name: str) -> None:
    kind, marked, _, _ = INVALID[name]
    text = marked.replace('~', '')
    expected = complaints(kind, text)
    # pydantic names the member of a union in the path; here are only the steps of the document.
    tags = ('cat', 'dog', 'list[int]')
    expected = {(of, tuple(step for step in path if step not in tags)) for of, path in expected}
    assert expected
    for size in (1, 3, len(text)):
        assert found(read(kind, text, size)) == expected


MANY: list[tuple[Any, str]] = [
    (Person, '{"name":1,"age":"x","address":{"number":"y","city":2},"nick_names":[1,"a",null]}'),
    (list[Person], '[{},{"name":"a","age":1,"address":{"street":"x"}},{"age":[],"address":null}]'),
    (ByName, '{"first":1,"theRest":["x"]}'),
    (Closed, '{"a":1,"x":{"y":[1]},"z":"text"}'),
    (dict[int, Address], '{"1":{"street":1},"2":{"street":"x"},"3":[]}'),
    (tuple[int, str, Address], '["x",1,{}]'),
    (OpenTyped, '{"q":{"street":1},"a":"x","r":2}'),
    (list[Range], '[{"low":"x","high":1},{"low":2,"high":1},{}]'),
]


@pytest.mark.parametrize(('kind', 'text'), MANY)
def test_all_faults_of_a_document_are_found_once(kind: Any, text: str) -> None:
    for size in (1, 2, 5, len(text)):
        reading = read(kind, text, size)
        assert found(reading) == complaints(kind, text)
        assert len(reading.errors[-1]) == len(found(reading))


@pytest.mark.parametrize(
    ('kind', 'text'),
    [
        (Person, '{"name":"twice","name":"again","age":"x","age":1,"address":{"street":1},"address":{"street":"b"}}'),
        (list[Person], '[{"name":1,"age":1,"address":[],"address":{"street":"b"},"name":"x"}]'),
        (ByName, '{"theRest":["x"],"firstName":"a","theRest":[1]}'),
    ],
)
def test_the_last_of_equal_keys_counts(kind: Any, text: str) -> None:
    assert complaints(kind, text) == set()
    for size in (1, 3, len(text)):
        reading = read(kind, text, size)
        assert reading.errors[-1] == ()


class Titled(BaseModel):
    title: str = Field(validation_alias=AliasChoices('title', 'name', 'label'))
    seats: list[int] = Field(default=[], alias='theSeats')
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)


class TitledOnly(Titled, extra='forbid'): ...


class TitledAndMore(Titled, extra='allow'): ...


FIRST = [
    '{"title":"a","name":5}',
    '{"title":"a","name":{"in":[1]},"label":[]}',
    '{"title":5,"name":"a"}',
    '{"title":5,"name":"a","title":"b"}',
    '{"title":"a","theSeats":[1],"seats":["x"]}',
    '{"title":"a","seats":[1,"x"]}',
]
LATER = [
    '{"name":5,"title":"a"}',
    '{"label":"x","title":"a","name":{"in":[1]}}',
    '{"label":[],"name":5,"title":"a","label":{}}',
    '{"title":"a","seats":[1,"x"],"theSeats":[1]}',
]


@pytest.mark.parametrize(
    ('kind', 'text'),
    [*((kind, text) for kind in (Titled, TitledOnly, TitledAndMore) for text in FIRST), *((Titled, t) for t in LATER)],
)
def test_a_key_that_does_not_count_beside_another_one_of_its_field_is_not_judged(kind: Any, text: str) -> None:
    expected = complaints(kind, text)
    for size in (1, 3, len(text)):
        reading = read(kind, text, size)
        assert found(reading) == expected
        if not expected:
            assert reading.structures[-1] == structure(TypeAdapter(kind).validate_json(text))


def test_a_key_that_does_not_count_raises_no_alarm_on_the_way() -> None:
    reading = read(Titled, '{"title":"a","name":5,"theSeats":[1],"seats":["x",1]}')
    assert reading.errors == [()] * len(reading.errors)


@pytest.mark.parametrize('text', ['{"a":"x","a":1}', '{"a":1,"a":"x"}'])
def test_in_a_dict_every_one_of_equal_keys_counts_as_for_pydantic(text: str) -> None:
    assert found(read(dict[str, int], text)) == complaints(dict[str, int], text) == {('int_parsing', ('a',))}


@pytest.mark.parametrize(
    'text',
    [
        '[1, 2 3]',
        '[1] [2]',
        '[NaN]',
        '[1, Infinity]',
        r'["\ud83d"]',
        '[' * 250,
        '[1' + '1' * 5000 + ']',
        '{"a":}',
        '[1,]',
        'nonsense',
        '```json\n[1]\n```',
    ],
)
def test_what_is_no_json_is_an_error_that_says_where_and_nothing_more_is_read(text: str) -> None:
    for size in (1, 3, len(text)):
        reading = read(Any, text, size)
        (error,) = reading.errors[-1]
        assert error.type == 'json_invalid'
        assert isinstance(error.error, JsonError)
        before = reading.structures[-1]
        reading.take('[1]')
        assert reading.structures[-1] == before
        assert len(reading.errors[-1]) == 1
        assert not reading.document.done


def test_what_is_valid_stays_where_something_is_not() -> None:
    reading = read(Person, '{"name":"Ada","age":"x","address":{"street":1,"city":"b"},"nick_names":["a",2,"c"]}')
    person = reading.final
    assert isinstance(person, Person)
    assert (person.name, person.age, person.nick_names) == ('Ada', None, ['a', None, 'c'])
    assert (person.address.street, person.address.city) == (None, 'b')


def test_a_document_that_is_one_invalid_value_shows_nothing() -> None:
    for kind, text in ((int, '"x"'), (date, '"x"'), (RootModel[int], '"x"')):
        assert read(kind, text).structures[-1] == NOTHING
    assert read(int | None, 'null').final is None


def test_a_text_that_is_cut_off_is_invalid_when_it_is_over_and_not_before() -> None:
    for text in ('{"street":"ab', '{"street":"ab"', '{"street":"ab","nu', '{"street":"ab","number":12', '{'):
        reading = read(Address, text)
        assert (reading.errors[-2], reading.document.done) == ((), False)
        assert [part.type for part in reading.errors[-1]] == ['json_invalid']
        assert reading.structures[-1] == reading.structures[-2]
    # Another digit might have followed.
    assert read(Address, '{"street":"ab","number":12').final == Address(street='ab')


def test_an_error_is_the_one_of_pydantic() -> None:
    (part,) = read(Address, '{"street": "x", "number": "y"}').errors[-1]
    assert (part.path, part.type, part.input) == (('number',), 'int_parsing', 'y')
    assert part.message == 'Input should be a valid integer, unable to parse string as an integer'
    assert isinstance(part.error, ValidationError)
    assert repr(part) == f'InvalidPart(number: {part.message})'


def test_a_default_that_needs_an_invalid_field_is_not_asked_for() -> None:
    class Made(BaseModel):
        model_config = ConfigDict(extra='forbid')
        a: int
        b: str = Field(default_factory=lambda data: 'x' * data['a'])

    assert found(read(Made, '{"a":"x"}')) == {('int_parsing', ('a',))}
