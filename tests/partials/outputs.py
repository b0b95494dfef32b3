"""Types that outputs may have, each with documents of it."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar
from uuid import UUID

from pydantic import (
    AliasChoices,
    AliasPath,
    AnyUrl,
    Base64Bytes,
    BaseModel,
    ByteSize,
    ConfigDict,
    Discriminator,
    Field,
    Json,
    PrivateAttr,
    RootModel,
    SecretStr,
    Strict,
    StringConstraints,
    Tag,
    computed_field,
    field_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

T = TypeVar('T')


class Colour(str, Enum):  # noqa: UP042 - the one that pydantic takes as a discriminator
    RED = 'red'
    BLUE = 'blue'


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Address(BaseModel):
    street: str
    number: int = 1
    city: str | None = None


class Person(BaseModel):
    name: str
    age: int
    address: Address
    nick_names: list[str] = []
    others: list[Address] = Field(default_factory=list)


class Node(BaseModel):
    name: str
    children: list[Node] = []
    best: Node | None = None


class Chain(BaseModel):
    value: int
    next: Chain | int | None = None


class Ping(BaseModel):
    pong: Pong | None = None
    text: str = ''


class Pong(BaseModel):
    ping: Ping | None = None
    pings: dict[str, Ping] = {}


class Page(BaseModel, Generic[T]):
    items: list[T]
    first: T | None = None


class Cat(BaseModel):
    kind: Literal['cat', 'tiger']
    lives: int
    name: str = 'Tom'


class Dog(BaseModel):
    kind: Literal['dog'] = 'dog'
    barks: list[str]


Pet = Annotated[Cat | Dog, Field(discriminator='kind')]


class Red(BaseModel):
    colour: Literal[Colour.RED]
    shade: str


class Blue(BaseModel):
    colour: Literal[Colour.BLUE]
    depth: int


class Home(BaseModel):
    pet: Pet
    pets: list[Pet]
    paint: Annotated[Red | Blue, Field(discriminator='colour')] | None = None


class BlackCat(BaseModel):
    kind: Literal['cat']
    colour: Literal['black']
    luck: int


class WhiteCat(BaseModel):
    kind: Literal['cat']
    colour: Literal['white']
    fur: str


Nested = Annotated[
    Annotated[BlackCat | WhiteCat, Field(discriminator='colour')] | Dog,
    Field(discriminator='kind'),
]


class Aliased(BaseModel):
    first: str = Field(alias='firstName')
    second: int = Field(validation_alias='secondValue')
    third: str = Field(default='-', validation_alias=AliasChoices('third_one', 'thirdOne'))


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    first: str = Field(alias='firstName')
    rest: list[int] = Field(alias='theRest')


class OnlyName(BaseModel):
    model_config = ConfigDict(validate_by_alias=False, validate_by_name=True)
    first: str = Field(alias='firstName')


class Deep(BaseModel):
    city: str = Field(validation_alias=AliasPath('address', 'city'))
    name: str


class Ignoring(BaseModel):
    a: int


class Open(BaseModel):
    model_config = ConfigDict(extra='allow')
    a: int


class OpenTyped(BaseModel):
    model_config = ConfigDict(extra='allow')
    __pydantic_extra__: dict[str, Address]  # pyright: ignore[reportIncompatibleVariableOverride]
    a: int


class Closed(BaseModel):
    model_config = ConfigDict(extra='forbid')
    a: str
    b: list[str]


class StrictOne(BaseModel):
    model_config = ConfigDict(strict=True)
    day: date
    name: str
    unique: UUID
    amount: Decimal
    colour: Colour
    some: tuple[int, str]
    many: set[int]
    raw: bytes
    pause: timedelta


@pydantic_dataclass(config=ConfigDict(strict=True))
class StrictBox:
    sizes: tuple[int, int]
    note: str = ''


class StrictDict(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True)  # type: ignore[misc]
    tags: set[str]


class StrictBoxes(BaseModel):
    model_config = ConfigDict(strict=True)
    boxes: list[StrictBox]
    tags: StrictDict


class Stripped(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    a: str
    b: list[str]
    c: Annotated[str, StringConstraints(to_upper=True)] = ''


class Lowered(BaseModel):
    model_config = ConfigDict(str_to_lower=True, val_json_bytes='base64')
    a: str
    raw: bytes = b''


class Names(RootModel[list[str]]):
    pass


class Addresses(RootModel[dict[str, Address]]):
    pass


class Text(RootModel[str]):
    pass


class Count(RootModel[int]):
    pass


class Either(RootModel[Cat | list[int] | str]):
    pass


class Dwelling(RootModel[Address]):
    pass


class AnyPet(RootModel[Pet]):
    pass


class Boxed(RootModel[RootModel[str]]):
    pass


class Shelf(RootModel[dict[str, RootModel[list[RootModel[int]]]]]):
    pass


class Loose(RootModel[Any]):
    pass


class Sum(RootModel[Annotated['Plus | Term', Field(discriminator='op')]]):
    pass


class Plus(BaseModel):
    op: Literal['plus']
    left: Sum
    right: Sum


class Term(BaseModel):
    op: Literal['term']
    name: str


Sum.model_rebuild()


class Checked(BaseModel):
    pet: Pet
    names: list[str] | None = None
    more: Any = None

    @field_validator('pet', 'names', 'more')
    @classmethod
    def as_it_is(cls, value: Any) -> Any:
        return value


class Rooted(BaseModel):
    names: Names
    text: Text
    count: Count
    either: Either
    last: Text = Text('end')


class Tree(RootModel[dict[str, 'Tree | int']]):
    pass


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, title='Frozen things', use_attribute_docstrings=True)
    a: tuple[int, ...]
    b: frozenset[str]
    c: SecretStr = SecretStr('')
    _seen: list[int] = PrivateAttr(default_factory=list)
    _more: dict[str, int] = {'one': 1}

    @computed_field
    @property
    def total(self) -> int:
        return sum(self.a)


class Defaults(BaseModel):
    name: str
    listed: list[int] = [1, 2]
    mapped: dict[str, list[int]] = {'a': [1]}
    made: list[str] = Field(default_factory=lambda: ['x'])
    taken: str = Field(default_factory=lambda data: data['name'].upper())
    number: int = Field(default='5', validate_default=True)
    address: Address = Address(street='Main')
    late: str = ''


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    names: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    width: float
    unit: Literal['cm', 'in'] = 'cm'
    note: str | None = None


@pydantic_dataclass
class Box:
    size: Size
    text: str
    scale: dataclasses.InitVar[int] = 1
    area: float = dataclasses.field(init=False, default=0.0)
    inner: Box | None = None

    def __post_init__(self, scale: int) -> None:
        self.area = self.size.width * scale


@pydantic_dataclass(config=ConfigDict(extra='forbid', str_strip_whitespace=True))
class Label:
    text: str
    other: str = Field(default='', alias='otherText')


class Movie(TypedDict):
    title: str
    year: NotRequired[int]
    cast: list[str]


class Partial(TypedDict, total=False):
    a: int
    b: Movie


class Pair(NamedTuple):
    left: int
    right: str = 'r'


class Special(str):
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


def which(value: Any) -> str:
    return 'text' if isinstance(value, str) else 'whole'


Called = Annotated[Annotated[str, Tag('text')] | Annotated[Address, Tag('whole')], Discriminator(which)]


class Everything(BaseModel):
    day: date
    at: datetime
    hour: time
    pause: timedelta
    amount: Decimal
    unique: UUID
    raw: bytes
    coded: Base64Bytes
    link: AnyUrl
    space: ByteSize
    secret: SecretStr
    colour: Colour
    level: Level
    one: Literal['a', 1, True] | None
    short: Annotated[str, StringConstraints(min_length=2, max_length=5)]
    like: Annotated[str, StringConstraints(pattern='^a+$')]
    small: Annotated[int, Field(gt=0, lt=10, multiple_of=2)]
    rate: Annotated[float, Field(ge=0, le=1)]
    strict: Annotated[int, Strict()]
    flag: bool
    anything: Any
    coded_json: Json[list[int]]
    special: Special


ADDRESS = '{"street": "Rue d\\u00e9j\\u00e0", "number": 12, "city": "Par\\nis"}'

OUTPUTS: dict[str, tuple[Any, list[str]]] = {
    'nested models': (
        Person,
        [
            f'{{"name": "Ada \\ud83d\\ude00", "age": 36, "address": {ADDRESS}, "nick_names": ["A", "", "C"], '
            f'"others": [{ADDRESS}, {{"street": ""}}]}}',
            '{"address":{"street":"x"},"age":"7","name":""}',
        ],
    ),
    'a recursive model': (
        Node,
        [
            '{"name":"a","children":[{"name":"b","children":[{"name":"c"}]},{"name":"d"}],"best":{"name":"e","best":null}}'
        ],
    ),
    'a recursive union': (Chain, ['{"value":1,"next":{"value":2,"next":{"value":3,"next":4}}}', '{"value":1}']),
    'models that refer to each other': (
        Ping,
        ['{"pong":{"ping":{"text":"deep","pong":{}},"pings":{"a":{"text":"x"}}},"text":"end"}'],
    ),
    'a generic model': (Page[Address], [f'{{"items":[{ADDRESS},{ADDRESS}],"first":{ADDRESS}}}']),
    'a generic model of a union': (
        Page[int | Cat | str],
        ['{"items":[1,"x",{"kind":"cat","lives":9}],"first":"word"}'],
    ),
    'discriminated unions': (
        Home,
        [
            '{"pet":{"kind":"cat","lives":7},"pets":[{"kind":"dog","barks":["w","ow"]},{"lives":1,"name":"Ti","kind":"tiger"}]}',
            '{"pet":{"barks":["early"],"kind":"dog"},"pets":[],"paint":{"shade":"dark","colour":"red"}}',
            '{"pet":{"barks":["a"],"kind":"dog"},"pets":[],"paint":{"colour":"blue","depth":3}}',
        ],
    ),
    'nested discriminated unions': (
        list[Nested],
        [
            '[{"kind":"cat","colour":"black","luck":1},{"kind":"dog","barks":[]},{"fur":"soft","colour":"white","kind":"cat"}]'
        ],
    ),
    'a union that is discriminated in all but name': (
        list[Cat | Dog],
        [
            '[{"kind":"cat","lives":7,"name":"Al"},{"barks":["x"]},{"name":"b","lives":2,"kind":"tiger"},{"kind":"dog","barks":["w"]}]'
        ],
    ),
    'an ambiguous union': (
        list[Address | Ignoring | Person],
        ['[{"street":"x","a":1},{"a":2},{"name":"x","age":1,"address":{"street":"y"}}]'],
    ),
    'a union of scalars': (list[int | str | bool | float | None], ['[1,"1","x",true,null,1.5,"true"]']),
    'a union of lists': (list[list[int] | list[str] | dict[str, int]], ['[[1,2],["a"],{"a":1},[]]']),
    'a union by call': (list[Called], [f'["text",{ADDRESS}]']),
    'optional everything': (
        dict[str, list[Address | None] | None] | None,
        [f'{{"a":[null,{ADDRESS}],"b":null,"c":[]}}', 'null'],
    ),
    'every kind of scalar': (
        Everything,
        [
            '{"day":"2024-02-29","at":"2024-02-29T12:30:00Z","hour":"12:30","pause":"P1DT2H","amount":"12.340",'
            '"unique":"12345678-1234-5678-1234-567812345678","raw":"r\\u00e4w","coded":"aGVsbG8=","link":"https://example.com/a",'
            '"space":"10 MB","secret":"psst","colour":"blue","level":2,"one":"a","short":"four","like":"aaa","small":4,'
            '"rate":0.25,"strict":3,"flag":true,"anything":{"a":[1,2.5,"x",null,{"b":false}]},'
            '"coded_json":"[1, 2]","special":"sp"}',
            '{"day":0,"at":1709209800,"hour":45000,"pause":12.5,"amount":12.340000000000000000001,'
            '"unique":"12345678123456781234567812345678","raw":"","coded":"","link":"http://a.b/","space":12,"secret":"",'
            '"colour":"red","level":1,"one":true,"short":"ab","like":"a","small":2,"rate":1,"strict":-7,"flag":"yes",'
            '"anything":-0.0,"coded_json":"[]","special":""}',
        ],
    ),
    'aliases': (
        Aliased,
        [
            '{"firstName":"Al","secondValue":2,"thirdOne":"x","first":"no"}',
            '{"third_one":"q","secondValue":1,"firstName":""}',
        ],
    ),
    'aliases or names': (ByName, ['{"first":"Al","theRest":[1,2]}', '{"rest":[],"firstName":"B"}']),
    'names only': (OnlyName, ['{"first":"Al","firstName":"other"}']),
    'a path of aliases': (list[Deep], ['[{"address":{"city":"x","zip":1},"name":"n"}]']),
    'unknown keys ignored': (
        list[Ignoring],
        ['[{"zzz":"a text that is long","a":1,"q":{"a":[1,{"a":"x"}]},"r":[[1],"x"]},{"a":2,"b":null,"c":1.5}]'],
    ),
    'unknown keys allowed': (Open, ['{"zzz":"a text that is long","a":1,"q":{"a":[1,{"a":"x"}]},"r":[[1],"x"]}']),
    'unknown keys of a type': (OpenTyped, [f'{{"x":{ADDRESS},"a":1,"y":{{"street":"s"}}}}']),
    'unknown keys forbidden': (Closed, ['{"a":"x","b":["y","z"]}']),
    'strict': (
        StrictOne,
        [
            '{"day":"2024-02-29","name":"n","unique":"12345678-1234-5678-1234-567812345678","amount":"1.10","colour":"red",'
            '"some":[1,"x"],"many":[1,2,1],"raw":"abc","pause":"PT1S"}'
        ],
    ),
    'strict dataclasses and TypedDicts': (
        StrictBoxes,
        ['{"boxes":[{"sizes":[1,2],"note":"n"},{"sizes":[3,4]}],"tags":{"tags":["a","b"]}}'],
    ),
    'stripped text': (Stripped, ['{"a":"  word and  word \\n ","b":[" a","b "," ",""],"c":" up"}']),
    'lowered text': (Lowered, ['{"a":"Some TEXT","raw":"aGVsbG8="}']),
    'root models': (
        Rooted,
        [
            '{"names":["a","bc"],"text":"some text","count":5,"either":{"kind":"cat","lives":1}}',
            '{"names":[],"text":"","count":"5","either":[1,2],"last":"over"}',
            '{"names":[],"text":"t","count":0,"either":"word by word"}',
        ],
    ),
    'a root model of a dict': (Addresses, [f'{{"a":{ADDRESS},"b":{{"street":"x"}}}}']),
    'a root model of a model': (list[Dwelling], [f'[{ADDRESS},{{"street":"x"}}]']),
    'a root model of a discriminated union': (
        list[AnyPet],
        ['[{"kind":"cat","lives":7},{"barks":["w","ow"],"kind":"dog"}]'],
    ),
    'a root model of a root model': (dict[str, Boxed | Shelf], ['{"a":"text","b":{"c":[1,2],"d":[]}}']),
    'a root model of anything': (list[Loose], ['[{"a":["text",1]},"text",1.5,null,["x"]]']),
    'a root model that is inside itself': (
        Sum,
        [
            '{"op":"plus","left":{"op":"term","name":"some"},"right":{"right":{"op":"term","name":"x"},'
            '"left":{"name":"y","op":"term"},"op":"plus"}}'
        ],
    ),
    'a model in a root model in itself': (
        Plus,
        ['{"op":"plus","left":{"op":"term","name":"some"},"right":{"name":"y","op":"term"}}'],
    ),
    'functions after a union and after anything': (
        Checked,
        [
            '{"pet":{"kind":"cat","lives":7,"name":"Al"},"names":["a","b"],"more":{"a":["text"]}}',
            '{"pet":{"barks":["w"],"kind":"dog"},"names":null,"more":[1,{"b":"c"}]}',
        ],
    ),
    'a root model of text': (Text, ['"some text"']),
    'a root model of a number': (Count, ['12']),
    'a recursive root model': (Tree, ['{"a":1,"b":{"c":{"d":2},"e":3}}']),
    'frozen models with private attributes': (
        list[Frozen],
        ['[{"a":[1,2],"b":["x","y","x"],"c":"s"},{"a":[],"b":[]}]'],
    ),
    'defaults': (
        Defaults,
        [
            '{"name":"ada"}',
            '{"late":"x","address":{"street":"s"},"name":"b","number":"7","listed":[],"taken":"t","made":["q"]}',
        ],
    ),
    'dataclasses': (
        list[Point | Size],
        ['[{"x":1,"names":["a"]},{"width":2,"unit":"in","note":"some"},{"x":1,"y":2}]'],
    ),
    'a dataclass': (Point, ['{"x":1,"names":["a","b"],"y":3}', '{"x":"1"}']),
    'a pydantic dataclass': (
        Box,
        [
            '{"size":{"width":2.5},"text":"abc","scale":3,"inner":{"size":{"width":1,"unit":"in"},"text":"in"}}',
            '{"text":"first","size":{"width":1}}',
        ],
    ),
    'a dataclass with a config': (Label, ['{"text":" a b ","otherText":" c "}']),
    'a TypedDict': (
        Partial,
        ['{"a":1,"b":{"title":"t","cast":["a","b"]}}', '{}', '{"b":{"cast":[],"title":"x","year":1}}'],
    ),
    'a NamedTuple': (list[Pair], ['[{"left":1},[1,"x"],{"right":"q","left":2}]']),
    'tuples': (
        tuple[int, str, Address],
        [f'[1,"word",{ADDRESS}]'],
    ),
    'tuples of any length': (list[tuple[int, ...]], ['[[],[1],[1,2,3]]']),
    'sets': (
        dict[str, set[int] | frozenset[str]],
        ['{"a":[1,2,1],"b":["x","y"],"c":[]}'],
    ),
    'a set': (set[tuple[int, str]], ['[[1,"a"],[2,"b"],[1,"a"]]']),
    'a deque': (deque[int], ['[1,2,3]']),
    'typed keys': (dict[int, dict[date, str]], ['{"1":{"2024-01-01":"x y"},"22":{}}']),
    'keys of an enum': (dict[Colour, dict[bool, int]], ['{"red":{"true":1},"blue":{"0":2}}']),
    'abstract containers': (
        dict[str, Sequence[int] | Mapping[str, str]],
        ['{"a":[1,2],"b":{"x":"y"}}'],
    ),
    'a sequence': (Sequence[Address], [f'[{ADDRESS}]']),
    'a mapping': (Mapping[str, Address], [f'{{"a":{ADDRESS}}}']),
    'anything': (
        Any,
        ['{"a":[1,{"b":"text","c":[]}],"d":1e3,"e":-0,"f":12345678901234567890123}', '"x"', '1.5', 'null', '[]'],
    ),
    'an object': (object, ['{"a":[1]}']),
    'text': (str, ['"a\\tb\\\\c\\/ \\u00e9 \\ud83d\\ude00 \U0001f600"', '""']),
    'a number': (float, ['1', '-0', '1e400', '0.1', '-1.5E-3', '1234567890123456789']),
    'a whole number': (int, ['1', '-0', '1.0', '1e2', '"12"', '123456789012345678901234567890']),
    'a decimal': (list[Decimal], ['[1.10,0.1000000000000000055511151231257827,"1e5",-0.0,5]']),
    'true or false': (bool, ['true', 'false', '1', '"off"']),
    'nothing': (None, ['null']),
    'bytes': (list[bytes], ['["abc","\\u00e9"]']),
    'JSON in JSON': (Json[Address], ['"{\\"street\\": \\"x\\"}"']),
}
