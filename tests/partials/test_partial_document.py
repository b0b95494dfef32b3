"""A document that fills in: what shows when, what never changes, what a reader may do."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, Union

import pytest
from inline_snapshot import snapshot
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    Json,
    PrivateAttr,
    StringConstraints,
    TypeAdapter,
    create_model,
)
from pydantic.dataclasses import dataclass
from pydantic_core import CoreSchema, core_schema

from pydantic_ai_streaming.partials.document import PartialDocument
from pydantic_ai_streaming.partials.filling import TEXT, Log
from pydantic_ai_streaming.partials.shapes import MISSING
from pydantic_ai_streaming.partials.shaping import shape_of
from tests.partials.outputs import (
    Address,
    Aliased,
    AnyPet,
    Boxed,
    Cat,
    Checked,
    Dog,
    Dwelling,
    Everything,
    Ignoring,
    Loose,
    Node,
    Open,
    Person,
    Pet,
    StrictOne,
)
from tests.partials.reading import NOTHING, check, read, structure


def shown(kind: Any, *pieces: str) -> list[str]:
    """What shows after each piece."""
    document = PartialDocument(shape_of(kind))
    seen: list[str] = []
    for piece in pieces:
        document.feed(piece)
        document.look()
        value = document.value()
        seen.append(NOTHING if value is MISSING else repr(value))
    return seen


def test_text_grows_and_everything_else_appears_when_it_is_complete() -> None:
    pieces = ['{"str', 'eet": "a', 'b', '\\', 'n"', ', "number": 1', '2', ', "ci', 'ty": null', '}']
    assert shown(Address, *pieces) == snapshot(
        [
            'Address(street=None, number=1, city=None)',
            "Address(street='a', number=1, city=None)",
            "Address(street='ab', number=1, city=None)",
            "Address(street='ab', number=1, city=None)",
            "Address(street='ab\\n', number=1, city=None)",
            "Address(street='ab\\n', number=1, city=None)",
            "Address(street='ab\\n', number=1, city=None)",
            "Address(street='ab\\n', number=12, city=None)",
            "Address(street='ab\\n', number=12, city=None)",
            "Address(street='ab\\n', number=12, city=None)",
        ]
    )


@pytest.mark.parametrize(
    'name', ['day', 'unique', 'link', 'raw', 'secret', 'colour', 'one', 'like', 'special', 'coded_json']
)
def test_text_that_becomes_something_else_never_shows_as_text(name: str) -> None:
    assert shown(Everything, f'{{"{name}":"2', '024')[1] == shown(Everything, '{')[0]


@pytest.mark.parametrize(
    ('kind', 'seen'),
    [
        (str, ["' a'", "' a b '"]),
        (str | None, ["' a'", "' a b '"]),
        (int | str, ["' a'", "' a b '"]),
        (str | Json[str], ["' a'", "' a b '"]),
        (Json[str] | str, [NOTHING, NOTHING]),
        (Annotated[str, Field(max_length=9)], ["' a'", "' a b '"]),
        (Annotated[str, StringConstraints(strip_whitespace=True)], ["'a'", "'a b'"]),
        (Annotated[str, StringConstraints(to_upper=True)], [NOTHING, NOTHING]),
        (Annotated[str, AfterValidator(str.upper)], [NOTHING, NOTHING]),
        (Any, ["' a'", "' a b '"]),
    ],
)
def test_text_grows_where_it_stays_what_it_is(kind: Any, seen: list[str]) -> None:
    assert shown(kind, '" a', ' b ') == seen


@pytest.mark.parametrize('value', ['"12"', '"true"', '"12345"', '"abc"'])
@pytest.mark.parametrize('config', [ConfigDict(str_max_length=3), ConfigDict(str_min_length=3)])
def test_text_that_may_be_of_the_wrong_length_and_then_something_else_does_not_grow(
    value: str, config: ConfigDict
) -> None:
    kind = create_model('Limited', __config__=config, a=(int | bool | str, ...))
    check(kind, f'{{"a": {value}}}')


def test_text_never_shows_longer_than_it_may_be() -> None:
    assert shown(list[Annotated[str, Field(max_length=3)]], '["ab', 'cd', 'ef', '"') == [
        "['ab']",
        "['abc']",
        "['abc']",
        '[None]',
    ]


def test_white_space_is_what_pydantic_takes_for_it() -> None:
    kind = Annotated[str, StringConstraints(strip_whitespace=True)]
    for code in [*range(0x20, 0x3100), 0xFEFF, 0x1F, 0x85]:
        text = json.dumps(f'{chr(code)}a{chr(code)}b{chr(code)}')
        if not 0xD800 <= code < 0xE000:
            reading = read(kind, text, 5)
            assert all(reading.final.startswith(value) for value in reading.values if value is not MISSING)


def test_unknown_keys_never_show() -> None:
    assert shown(Ignoring, '{"zzz": "te', 'xt", "y": {"z": ["a', '"]}, "a": 1', '}') == [
        'Ignoring(a=None)',
        'Ignoring(a=None)',
        'Ignoring(a=None)',
        'Ignoring(a=1)',
    ]


def test_unknown_keys_that_are_kept_show_as_they_come() -> None:
    assert shown(Open, '{"zzz": "te', 'xt", "y": {"z": ["a', '"]}, "a": 1', '}') == [
        "Open(a=None, zzz='te')",
        "Open(a=None, zzz='text', y={'z': ['a']})",
        "Open(a=None, zzz='text', y={'z': ['a']})",
        "Open(a=1, zzz='text', y={'z': ['a']})",
    ]


def test_a_discriminated_union_shows_from_its_tag_on() -> None:
    assert shown(Pet, '{"name": "T', 'om", "ki', 'nd": "ca', 't"', ', "lives": 9', '}') == [
        NOTHING,
        NOTHING,
        NOTHING,
        "Cat(kind='cat', lives=None, name='Tom')",
        "Cat(kind='cat', lives=None, name='Tom')",
        "Cat(kind='cat', lives=9, name='Tom')",
    ]


def test_a_union_that_has_tags_without_saying_so_shows_from_its_tag_on() -> None:
    seen = shown(
        list[Cat | Dog], '[{"kind": "dog", "barks": ["w', 'ow"', ']}', ', {"barks": []', ', "kind": "dog"', '}]'
    )
    assert seen == [
        "[Dog(kind='dog', barks=['w'])]",
        "[Dog(kind='dog', barks=['wow'])]",
        "[Dog(kind='dog', barks=['wow'])]",
        "[Dog(kind='dog', barks=['wow'])]",
        "[Dog(kind='dog', barks=['wow']), Dog(kind='dog', barks=[])]",
        "[Dog(kind='dog', barks=['wow']), Dog(kind='dog', barks=[])]",
    ]


@pytest.mark.parametrize(
    ('kind', 'text', 'seen'),
    [
        (Dwelling, '{"street":"a', "Dwelling(root=Address(street='a', number=1, city=None))"),
        (AnyPet, '{"kind":"dog","barks":["w', "AnyPet(root=Dog(kind='dog', barks=['w']))"),
        (Boxed, '"a', "Boxed(root=RootModel[str](root='a'))"),
        (Loose, '{"a":["b', "Loose(root={'a': ['b']})"),
        (
            Checked,
            '{"pet":{"kind":"dog","barks":["w',
            "Checked(pet=Dog(kind='dog', barks=['w']), names=None, more=None)",
        ),
        (Checked, '{"more":{"a":["b', "Checked(pet=None, names=None, more={'a': ['b']})"),
    ],
)
def test_what_is_around_a_value_hides_nothing_of_it(kind: Any, text: str, seen: str) -> None:
    assert shown(kind, text) == [seen]


class Counts(dict[str, int]):
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, handler(dict[str, int]))


def test_what_a_class_makes_of_a_value_never_shows_as_that_value() -> None:
    assert shown(list[Counts], '[{"a": 1', ', "b": 2}') == ['[]', "[{'a': 1, 'b': 2}]"]
    assert type(read(list[Counts], '[{"a": 1}]').final[0]) is Counts


class Pair(NamedTuple):
    left: int
    right: int


@pytest.mark.parametrize(
    ('kind', 'told'),
    [
        (list[Pair], 'Pair shows only when it is complete: there is no way to fill it in.'),
        (Counts, 'A dict shows only when it is complete: Counts is made of it.'),
        (
            list[Address | Person],
            'A union shows only when it is complete: nothing tells before its end which member of the union it is.',
        ),
    ],
)
def test_a_type_that_cannot_be_cut_says_so_once(kind: Any, told: str, caplog: pytest.LogCaptureFixture) -> None:
    # Wrapped, so that no other test has made the shape.
    with caplog.at_level('INFO', 'pydantic_ai_streaming'):
        for _ in range(2):
            shape_of(Annotated[kind, 'a type of its own'])
    assert caplog.messages == [told]


def test_a_type_that_can_be_cut_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level('INFO', 'pydantic_ai_streaming'):
        shape_of(Annotated[Person | list[Pet], 'a type of its own'])
    assert caplog.messages == []


def test_an_ambiguous_union_shows_as_a_whole() -> None:
    assert shown(list[Address | Node], '[{"street": "a"', '}', ', {"name": "b"', '}') == [
        '[]',
        "[Address(street='a', number=1, city=None)]",
        "[Address(street='a', number=1, city=None)]",
        "[Address(street='a', number=1, city=None), Node(name='b', children=[], best=None)]",
    ]


def test_an_element_is_validated_in_the_slice_of_its_brace() -> None:
    asked: list[str] = []

    def seen(address: Address) -> Address:
        asked.append(address.street)
        return address

    document = PartialDocument(shape_of(list[Annotated[Address, AfterValidator(seen)]]))
    for piece, expected in [
        ('[{"street": "a"', []),
        ('}', ['a']),
        (', {"street":"b"}, {', ['a', 'b']),
        ('"street":"c"}]', ['a', 'b', 'c']),
    ]:
        document.feed(piece)
        assert asked == expected


def test_what_is_complete_is_shared_and_what_is_open_is_not() -> None:
    document = PartialDocument(shape_of(list[Address]))
    document.feed('[{"street": "a"}, {"street": "b"')
    first = document.value()
    second = document.value()
    assert first == second
    assert first is not second
    assert first[0] is second[0]
    assert first[1] is not second[1]


class Kept(BaseModel):
    model_config = ConfigDict(extra='allow')
    name: str = ''
    listed: list[int] = [1]
    nested: dict[str, list[int]] = {'a': [1]}
    many: set[int] = {1}
    made: list[str] = Field(default_factory=list)
    address: Address = Address(street='here')
    _private: list[int] = PrivateAttr(default_factory=list)
    _other: dict[str, int] = {'a': 1}


@dataclass
class KeptToo:
    name: str
    listed: list[int] = Field(default_factory=list)


def test_what_somebody_does_to_a_snapshot_changes_no_other() -> None:
    document = PartialDocument(shape_of(Kept))
    document.feed('{"x": [1], "y": {"z": [')
    first = document.value()
    untouched = structure(document.value())
    first.listed.append(2)
    first.nested['a'].append(2)
    first.nested['b'] = []
    first.many.add(2)
    first.made.append('x')
    first.address.street = 'there'
    first._private.append(1)
    first._other['b'] = 2
    first.y['z'].append(1)
    first.w = 1
    first.name = 'x'
    assert structure(document.value()) == untouched
    assert Kept().model_dump() == {
        'name': '',
        'listed': [1],
        'nested': {'a': [1]},
        'many': {1},
        'made': [],
        'address': {'street': 'here', 'number': 1, 'city': None},
    }
    other = PartialDocument(shape_of(KeptToo))
    other.feed('{"name": "')
    other.value().listed.append(1)
    assert other.value().listed == []


def test_a_snapshot_says_which_fields_have_come() -> None:
    reading = read(Person, '{"name":"a","address":{"street":"b"}', 1)
    assert reading.final.model_fields_set == {'name', 'address'}
    assert reading.final.address.model_fields_set == {'street'}
    assert (reading.final.age, reading.final.nick_names) == (None, [])


def test_an_alias_shows_under_its_field() -> None:
    assert shown(Aliased, '{"firstName": "A', 'l", "thirdOne": "x"', '}')[:2] == [
        "Aliased(first='A', second=None, third='-')",
        "Aliased(first='Al', second=None, third='x')",
    ]


def test_of_two_aliases_for_one_field_the_first_counts_as_for_pydantic() -> None:
    assert shown(Aliased, '{"third_one": "first", "thirdOne": "sec', 'ond"')[1] == (
        "Aliased(first=None, second=None, third='first')"
    )


def test_strictness_is_about_the_parts_and_not_about_putting_them_together() -> None:
    text = (
        '{"day":"2024-02-29","name":"n","unique":"12345678-1234-5678-1234-567812345678","amount":"1.10","colour":"red",'
        '"some":[1,"x"],"many":[1],"raw":"abc","pause":"PT1S"}'
    )
    assert structure(read(StrictOne, text).final) == structure(StrictOne.model_validate_json(text))


def test_a_document_has_a_size() -> None:
    document = PartialDocument(shape_of(str), max_size=10)
    document.feed('"1234')
    assert (document.size, document.errors, document.done) == (5, (), False)
    document.feed('56789')
    document.feed('"')
    assert [part.type for part in document.errors] == ['json_invalid']
    assert document.value() == '1234' or document.value() is MISSING


@pytest.mark.parametrize(('text', 'value'), [('12', 12), ('-1.5', -1.5), ('12 ', 12), ('true', True), ('"a"', 'a')])
def test_a_number_that_stands_alone_is_complete_at_the_end(text: str, value: object) -> None:
    document = PartialDocument(shape_of(Any))
    document.feed(text)
    document.close()
    assert (document.done, document.value(), document.errors) == (True, value, ())
    document.close()
    assert document.value() == value


def pieces_of(log: Log) -> str:
    """The text that a log tells."""
    entries = [log[at : at + 4] for at in range(0, len(log), 4)]
    return ''.join(value[0] for kind, _, _, value in entries if kind == TEXT)


def test_the_log_tells_each_piece_of_text_once() -> None:
    document = PartialDocument(shape_of(Address))
    for piece in '{"street": "a long str\\u00e9\\n\\ud83d\\ude00t"}':
        document.feed(piece)
        document.look()
        document.look()
    assert pieces_of(document.log) == 'a long stré\n😀t'


def test_looking_less_often_loses_nothing() -> None:
    for every in (1, 2, 3, 5, 8):
        document = PartialDocument(shape_of(list[str]))
        for at, letter in enumerate('["one", "two", "three", "four"]'):
            document.feed(letter)
            if at % every == 0:
                document.look()
                assert document.value() is not None
        assert document.value() == ['one', 'two', 'three', 'four']


def test_a_deep_document_is_read_as_deep_as_pydantic_reads_it() -> None:
    deepest = '[' * 201 + ']' * 201
    assert structure(read(Any, deepest, 100).final) == structure(json.loads(deepest))
    assert [part.type for part in read(Any, f'[{deepest}]', 100).errors[-1]] == ['json_invalid']


def test_a_type_has_one_shape_and_what_cannot_be_hashed_has_one_too() -> None:
    assert shape_of(Address) is shape_of(Address)
    metadata: Any = Annotated[list[int], {'not': 'hashable'}]
    assert read(metadata, '[1]').final == [1]


def test_unions_in_another_order_are_other_types() -> None:
    assert repr(read(Union[Decimal, float], '-1').final) == "Decimal('-1')"  # noqa: UP007 - what was cached before
    assert repr(read(Union[float, Decimal], '-1').final) == repr(TypeAdapter(Union[float, Decimal]).validate_json('-1'))  # noqa: UP007
    for kind in (list[Decimal | float], list[float | Decimal]):
        assert repr(read(kind, '[-1]').final) == repr(TypeAdapter(kind).validate_json('[-1]'))
