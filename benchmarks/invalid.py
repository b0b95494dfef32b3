"""Documents with one thing wrong, one for each kind of constraint and place: how soon is it flagged?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from functools import cached_property
from ipaddress import IPv4Address
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

from pydantic import (
    UUID4,
    AfterValidator,
    AnyUrl,
    Base64Bytes,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Discriminator,
    Field,
    HttpUrl,
    Json,
    PastDate,
    RootModel,
    SecretStr,
    Strict,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from benchmarks.oracle import Path

__all__ = ['INVALID', 'Invalid', 'chunks_late']

T = TypeVar('T')
CLOSES = '¦'
TAIL = 'and so on ' * 20


@dataclass(frozen=True)
class Invalid:
    """A document whose field `value` is invalid.

    Attributes:
        name: What is wrong with it.
        of: The type of the field.
        json: The field's value; `¦` stands where the invalid part is complete, by default at the end.
        path: Where the invalid part is in it. pydantic's own location has the tags of unions in it.
        error: pydantic's name for what is wrong.
    """

    name: str
    of: Any
    json: str
    path: Path
    error: str

    @cached_property
    def type(self) -> Any:
        """The type of the document: the field between two others."""
        return create_model('Holder', before=(str, ...), value=(self.of, ...), tail=(str, ...))

    @cached_property
    def text(self) -> str:
        """The document."""
        return self._head + self.json.replace(CLOSES, '') + f', "tail": "{TAIL}"}}'

    @property
    def closes(self) -> int:
        """The length of the shortest prefix with all of the invalid part."""
        return len(self._head) + len(self.json.partition(CLOSES)[0])

    @property
    def _head(self) -> str:
        return '{"before": "a valid field", "value": '


def chunks_late(case: Invalid, chunks: Sequence[str], flagged_after: int) -> int:
    """How many chunks after the one that completes the invalid part it is flagged; negative if before.

    Args:
        case: The document.
        chunks: How it comes.
        flagged_after: After how many of them it is flagged.
    """
    length = 0
    for number, chunk in enumerate(chunks, 1):
        length += len(chunk)
        if length >= case.closes:
            return flagged_after - number
    raise ValueError('the chunks are not those of the document')


# Types


class Color(str, Enum):  # noqa: UP042 - as most have it
    RED = 'red'
    BLUE = 'blue'


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Point(BaseModel):
    x: int
    y: int = 0


class Closed(BaseModel):
    model_config = ConfigDict(extra='forbid')
    x: int


class Exact(BaseModel):
    model_config = ConfigDict(strict=True)
    x: float
    on: bool = False


class Renamed(BaseModel):
    user_name: str = Field(alias='userName')


class Broken(BaseModel):
    x: int
    level: int = Field(default='none', validate_default=True)


class Range(BaseModel):
    low: int
    high: int

    @model_validator(mode='after')
    def ordered(self) -> Range:
        if self.low > self.high:
            raise ValueError('low is above high')
        return self


class Raw(BaseModel):
    x: int

    @model_validator(mode='before')
    @classmethod
    def no_z(cls, given: Any) -> Any:
        if 'z' in given:
            raise ValueError('z is not wanted')
        return given


class Even(BaseModel):
    n: int

    @field_validator('n')
    @classmethod
    def even(cls, n: int) -> int:
        assert n % 2 == 0, 'odd'
        return n


class After(BaseModel):
    """A field whose validator looks at the field before it."""

    start: date
    end: date

    @field_validator('end')
    @classmethod
    def later(cls, end: date, info: ValidationInfo) -> date:
        if end < info.data['start']:
            raise PydanticCustomError('too_early', 'ends before it starts')
        return end


class Cat(BaseModel):
    kind: Literal['cat']
    lives: int


class Dog(BaseModel):
    kind: Literal['dog']
    name: str


class Node(BaseModel):
    n: int
    children: list[Node] = []


class Box(BaseModel, Generic[T]):
    content: T


class Grid(RootModel[list[list[int]]]):
    pass


class Row(NamedTuple):
    n: int
    name: str


class Sized(TypedDict):
    width: int
    height: int


@dataclasses.dataclass
class Spot:
    x: int
    label: str = ''


def unique(values: list[int]) -> list[int]:
    if len(set(values)) < len(values):
        raise ValueError('not unique')
    return values


def no_digit(value: Any) -> Any:
    if any(sign.isdigit() for sign in str(value)):
        raise ValueError('has a digit')
    return value


def short(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    value = handler(value)
    if len(value) > 3:
        raise ValueError('too much of it')
    return value


def shape_of_pet(value: Any) -> str:
    return 'many' if isinstance(value, list) else 'one'


Pet = Annotated[Cat | Dog, Field(discriminator='kind')]
Pets = Annotated[Annotated[Point, Tag('one')] | Annotated[list[Point], Tag('many')], Discriminator(shape_of_pet)]
Percent = Annotated[int, Field(ge=0, le=100)]
Name = Annotated[str, Field(min_length=2, max_length=5)]
Unique = Annotated[list[int], AfterValidator(unique)]
NoDigit = Annotated[str, BeforeValidator(no_digit)]
Short = Annotated[str, WrapValidator(short)]

INVALID: tuple[Invalid, ...] = (
    # Another type
    Invalid('a word for an integer', int, '"many"', (), 'int_parsing'),
    Invalid('a fraction for an integer', int, '1.5', (), 'int_from_float'),
    Invalid('a word for a number', float, '"much"', (), 'float_parsing'),
    Invalid('a word for a boolean', bool, '"maybe"', (), 'bool_parsing'),
    Invalid('a number for text', str, '12', (), 'string_type'),
    Invalid('an object for text', str, '{"a": 1}', (), 'string_type'),
    Invalid('an object for a list', list[int], '{"a": 1}', (), 'list_type'),
    Invalid('a list for an object', Point, '[1, 2]', (), 'model_type'),
    Invalid('text for an object', Point, '"x"', (), 'model_type'),
    Invalid('null for a number', int, 'null', (), 'int_type'),
    Invalid('null for text', str, 'null', (), 'string_type'),
    Invalid('null for a list', list[int], 'null', (), 'list_type'),
    Invalid('null in a list', list[str], '["a", null¦, "b"]', (1,), 'string_type'),
    # Bounds of numbers
    Invalid('less than it may be', Percent, '-1', (), 'greater_than_equal'),
    Invalid('more than it may be', Percent, '101', (), 'less_than_equal'),
    Invalid('not greater', Annotated[float, Field(gt=0)], '0', (), 'greater_than'),
    Invalid('not less', Annotated[float, Field(lt=1)], '1.0', (), 'less_than'),
    Invalid('no multiple', Annotated[int, Field(multiple_of=5)], '12', (), 'multiple_of'),
    Invalid('infinite', Annotated[float, Field(allow_inf_nan=False)], '1e999', (), 'finite_number'),
    Invalid('too many digits', Annotated[Decimal, Field(max_digits=4)], '"123.45"', (), 'decimal_max_digits'),
    Invalid('too many places', Annotated[Decimal, Field(decimal_places=1)], '123.45', (), 'decimal_max_places'),
    Invalid('no decimal', Decimal, '"12,5"', (), 'decimal_parsing'),
    # Text of a form
    Invalid('text too short', Name, '"a"', (), 'string_too_short'),
    Invalid('text too long', Name, '"abcdef"', (), 'string_too_long'),
    Invalid('text of another pattern', Annotated[str, Field(pattern=r'^\d+$')], '"12a"', (), 'string_pattern_mismatch'),
    Invalid('a secret too short', Annotated[SecretStr, Field(min_length=8)], '"1234"', (), 'too_short'),
    Invalid('none of the literals', Literal['a', 'b'], '"c"', (), 'literal_error'),
    Invalid('a literal of another type', Literal[1, 2], '"1"', (), 'literal_error'),
    Invalid('none of an enum', Color, '"green"', (), 'enum'),
    Invalid('none of an enum of integers', Size, '3', (), 'enum'),
    Invalid('no date', date, '"2025-02-30"', (), 'date_from_datetime_parsing'),
    Invalid('a date to come', PastDate, '"2999-01-01"', (), 'date_past'),
    Invalid('no instant', datetime, '"yesterday"', (), 'datetime_from_date_parsing'),
    Invalid('no time', time, '"25:00"', (), 'time_parsing'),
    Invalid('no duration', timedelta, '"an hour"', (), 'time_delta_parsing'),
    Invalid('no UUID', UUID, '"1234"', (), 'uuid_parsing'),
    Invalid('a UUID of another version', UUID4, '"12345678-1234-1234-8234-123456789012"', (), 'uuid_version'),
    Invalid('no address', AnyUrl, '"not a url"', (), 'url_parsing'),
    Invalid('an address of another scheme', HttpUrl, '"ftp://example.org"', (), 'url_scheme'),
    Invalid('no IP address', IPv4Address, '"1.2.3.400"', (), 'ip_v4_address'),
    Invalid('no base64', Base64Bytes, '"a"', (), 'base64_decode'),
    Invalid('no size', ByteSize, '"10 apples"', (), 'byte_size_unit'),
    Invalid('no JSON in text', Json[int], '"{"', (), 'json_invalid'),
    # Arrays
    Invalid('a list too short', Annotated[list[int], Field(min_length=2)], '[1]', (), 'too_short'),
    Invalid('a list too long', Annotated[list[int], Field(max_length=2)], '[1, 2, 3]', (), 'too_long'),
    Invalid('a list with an equal element', Unique, '[1, 2, 1]', (), 'value_error'),
    Invalid('an element of a list', list[Percent], '[1, 200¦, 3]', (1,), 'less_than_equal'),
    Invalid('an element of a list in a list', list[list[int]], '[[1], [2, "x"¦, 3]]', (1, 1), 'int_parsing'),
    Invalid('a field in a list', list[Point], '[{"x": 1}, {"x": "a"¦, "y": 2}]', (1, 'x'), 'int_parsing'),
    Invalid('an element of a tuple', tuple[int, str], '[1, 2¦]', (1,), 'string_type'),
    Invalid('a tuple too short', tuple[int, str], '[1]', (1,), 'missing'),
    Invalid('a tuple too long', tuple[int, str], '[1, "a", 2]', (), 'too_long'),
    Invalid('an element of a tuple of any length', tuple[int, ...], '[1, "b"¦, 3]', (1,), 'int_parsing'),
    Invalid('an element of a set', set[int], '[1, "x"¦, 2]', (1,), 'int_parsing'),
    Invalid('a set too small', Annotated[set[int], Field(min_length=2)], '[1, 1]', (), 'too_short'),
    Invalid('an element of a frozen set', frozenset[Color], '["red", "green"¦]', (1,), 'enum'),
    # A named tuple is one value.
    Invalid('an element of a named tuple', Row, '["x", "y"]', (0,), 'int_parsing'),
    Invalid('an element of a root model', Grid, '[[1, 2], [3, "x"¦]]', (1, 1), 'int_parsing'),
    # Objects
    Invalid('a field that is missing', Point, '{"y": 1}', ('x',), 'missing'),
    Invalid('a field that is missing in a list', list[Point], '[{"x": 1}, {"y": 1}¦]', (1, 'x'), 'missing'),
    Invalid('a field that is missing by its alias', Renamed, '{"user_name": "a"}', ('userName',), 'missing'),
    Invalid('a field of a model in a model', Box[Point], '{"content": {"x": "a"¦}}', ('content', 'x'), 'int_parsing'),
    Invalid('a field of a generic model', Box[int], '{"content": "a"¦}', ('content',), 'int_parsing'),
    Invalid('a field of a dataclass', Spot, '{"x": "a"¦, "label": "b"}', ('x',), 'int_parsing'),
    Invalid('a key of a TypedDict that is missing', Sized, '{"width": 1}', ('height',), 'missing'),
    Invalid('a field that may not be there', Closed, '{"x": 1, "z": 2¦, "x": 1}', ('z',), 'extra_forbidden'),
    Invalid('a default that is invalid', Broken, '{"x": 1}', ('level',), 'int_parsing'),
    Invalid('a value of a dict', dict[str, int], '{"a": 1, "b": "x"¦, "c": 3}', ('b',), 'int_parsing'),
    Invalid('a key of a dict', dict[int, str], '{"1": "a", "x"¦: "b"}', ('x', '[key]'), 'int_parsing'),
    Invalid('a dict too large', Annotated[dict[str, int], Field(max_length=1)], '{"a": 1, "b": 2}', (), 'too_long'),
    Invalid(
        'a node of a tree',
        Node,
        '{"n": 1, "children": [{"n": 2}, {"n": 3, "children": [{"n": "x"¦}]}]}',
        ('children', 1, 'children', 0, 'n'),
        'int_parsing',
    ),
    # Strictness
    Invalid('text for an integer, strictly', Annotated[int, Strict()], '"1"', (), 'int_type'),
    Invalid('a number for a boolean, strictly', Annotated[bool, Strict()], '1', (), 'bool_type'),
    Invalid('a field of a strict model', Exact, '{"x": 1, "on": "true"¦}', ('on',), 'bool_type'),
    # Unions
    Invalid('another tag', Pet, '{"kind": "cow"¦, "lives": 9}', (), 'union_tag_invalid'),
    Invalid('no tag', Pet, '{"lives": 9}', (), 'union_tag_not_found'),
    Invalid('a field after the tag', Pet, '{"kind": "cat", "lives": "x"¦}', ('lives',), 'int_parsing'),
    Invalid('a field before the tag', Pet, '{"lives": "x", "kind": "cat"¦, "z": 1}', ('lives',), 'int_parsing'),
    Invalid('no member of a union', int | date, '"soon"', ('int',), 'int_parsing'),
    Invalid('no object of a union', Cat | Dog, '{"kind": "cow", "lives": 9}', ('Cat', 'kind'), 'literal_error'),
    Invalid('a member that a function finds', Pets, '{"x": "a"}', ('one', 'x'), 'int_parsing'),
    Invalid('neither that nor null', Percent | None, '101', (), 'less_than_equal'),
    # Functions
    Invalid('a validator after a model', Range, '{"low": 2, "high": 1}', (), 'value_error'),
    Invalid('a validator before a model', Raw, '{"x": 1, "z": 2}', (), 'value_error'),
    Invalid('a validator of a field', Even, '{"n": 3¦, "z": 1}', ('n',), 'assertion_error'),
    Invalid(
        'a validator that sees a field',
        After,
        '{"start": "2025-02-01", "end": "2025-01-01"¦}',
        ('end',),
        'too_early',
    ),
    Invalid('a validator before text', NoDigit, '"a1"', (), 'value_error'),
    Invalid('a validator around text', Short, '"abcd"', (), 'value_error'),
    # Text that is no JSON
    Invalid('a literal that JSON does not have', Any, 'ni¦l', (), 'json_invalid'),
    Invalid('a comma too many', list[int], '[1, ]¦', (), 'json_invalid'),
)
