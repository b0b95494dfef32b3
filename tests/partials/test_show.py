"""What a type says about how it shows, and that this changes nothing else."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Union

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    RootModel,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass

from pydantic_ai_streaming.partials.document import PartialDocument
from pydantic_ai_streaming.partials.shapes import MISSING
from pydantic_ai_streaming.partials.shaping import shape_of
from pydantic_ai_streaming.partials.show import Show
from tests.partials.outputs import Pet
from tests.partials.reading import NOTHING, check, found, read


class Plain(BaseModel):
    text: str = ''
    number: int = 0


class Whole(BaseModel):
    __show__: ClassVar[Show] = Show('complete')
    text: str = ''
    number: int = 0


class Cat(BaseModel):
    __show__: ClassVar[Show] = Show('complete')
    kind: Literal['cat'] = 'cat'
    name: str


class Dog(BaseModel):
    kind: Literal['dog'] = 'dog'
    name: str


class Headed(BaseModel):
    title: Annotated[str, Show(needed=True)]
    text: str = ''
    other: int = 0


class Twice(BaseModel):
    first: Annotated[int, Show(needed=True)]
    second: Annotated[str | None, Show('complete', needed=True)] = None
    text: str = ''


@dataclass
class Data:
    text: Annotated[str, Show('complete')] = ''
    other: str = ''


Complete = Show('complete')


def shown(kind: Any, *pieces: str) -> list[str]:
    document = PartialDocument(shape_of(kind))
    seen: list[str] = []
    for piece in pieces:
        document.feed(piece)
        document.look()
        value = document.value()
        seen.append(NOTHING if value is MISSING else repr(value))
    return seen


class Texts(BaseModel):
    a: Annotated[str, Show('complete')] = '-'
    b: Annotated[str, StringConstraints(pattern='^a*$'), Show('growing')] = '-'
    c: Annotated[str, Show('growing'), AfterValidator(str.strip)] = '-'
    d: Annotated[str, BeforeValidator(str), Show('growing')] = '-'
    e: Annotated[int, Show('growing')] = 0
    f: Annotated[str | None, Show('complete')] = None


@pytest.mark.parametrize(
    ('name', 'seen'), [('a', "'-'"), ('b', "'aa'"), ('c', "'aa'"), ('d', "'aa'"), ('e', '0'), ('f', 'None')]
)
def test_text_shows_as_its_type_says(name: str, seen: str) -> None:
    before, _ = shown(Texts, '{', f'"{name}": "aa')
    after = shown(Texts, '{', f'"{name}": "aa')[1]
    values = {each: repr(getattr(Texts(), each)) for each in 'abcdef'} | {name: seen}
    assert before == 'Texts(' + ', '.join(f'{each}={getattr(Texts(), each)!r}' for each in 'abcdef') + ')'
    assert after == 'Texts(' + ', '.join(f'{each}={value}' for each, value in values.items()) + ')'


def test_text_that_shall_grow_is_stripped_as_it_is_in_the_end() -> None:
    kind = Annotated[str, StringConstraints(strip_whitespace=True, pattern='^[a-z ]*$'), Show('growing')]
    assert shown(kind, '" \\u001f', 'a', ' ', 'b ')[-2:] == ["'\\x1fa'", "'\\x1fa b'"]


@pytest.mark.parametrize(
    'kind',
    [
        Annotated[Plain, Complete],
        Whole,
        Annotated[Whole, AfterValidator(lambda value: value)],
        Annotated[Plain, AfterValidator(lambda value: value), Complete],
        Annotated[Plain, Complete, AfterValidator(lambda value: value)],
        Annotated[Plain | None, Complete],
        Union[Annotated[Plain, Complete], None],  # noqa: UP007 - the type checker knows no `|` of them
        Union[Annotated[Plain, Complete], int],  # noqa: UP007
        Whole | int | None,
        Annotated[Plain | int, Complete],
    ],
)
def test_an_object_that_shows_only_when_complete(kind: Any) -> None:
    pieces = ['[{"text": "a', 'b"', ', "number": 1', '}', ', {"text": "', '"}]']
    cls = 'Whole' if 'Whole' in repr(kind) else 'Plain'
    one, two = f"{cls}(text='ab', number=1)", f"{cls}(text='', number=0)"
    assert shown(list[kind], *pieces) == ['[]', '[]', '[]', f'[{one}]', f'[{one}]', f'[{one}, {two}]']
    assert shown(kind, pieces[0][1:], *pieces[1:4]) == [NOTHING, NOTHING, NOTHING, one]
    assert shown(dict[str, kind], '{"a": ' + pieces[0][1:], *pieces[1:3]) == ['{}', '{}', '{}']


@pytest.mark.parametrize(
    ('kind', 'text'),
    [
        (RootModel[Annotated[list[str], Complete]], '["a", "b"]'),
        (RootModel[Annotated[Plain, Complete]], '{"text": "ab"}'),
        (RootModel[Whole], '{"text": "ab"}'),
        (RootModel[Annotated[Pet, Complete]], '{"kind": "dog", "barks": ["w"]}'),
        (Annotated[RootModel[Plain], Complete], '{"text": "ab"}'),
    ],
)
def test_what_is_hidden_in_a_root_model_hides_it(kind: Any, text: str) -> None:
    assert shown(kind, text[:-1], text[-1:])[:1] == [NOTHING]
    assert read(kind, text).final == TypeAdapter(kind).validate_json(text)


def test_a_fault_in_what_does_not_show_is_known_at_once() -> None:
    for kind in (list[Whole], list[Whole | int]):
        reading = read(kind, '[{"number": "x", "text": "a"}]', [16])
        assert [(part.type, part.path) for part in reading.errors[0]] == [('int_parsing', (0, 'number'))]
        assert len(reading.errors[-1]) == 1


@pytest.mark.parametrize('kind', [Cat | Dog, Annotated[Cat | Dog, Field(discriminator='kind')]])
def test_a_member_of_a_union_shows_as_its_class_says(kind: Any) -> None:
    seen = shown(list[kind], '[{"kind": "cat", "name": "T', 'om"', '}', ', {"kind": "dog", "name": "R')
    assert seen == [
        '[]',
        '[]',
        "[Cat(kind='cat', name='Tom')]",
        "[Cat(kind='cat', name='Tom'), Dog(kind='dog', name='R')]",
    ]


def test_an_array_that_shows_only_when_complete() -> None:
    class Lists(BaseModel):
        a: Annotated[list[int], Complete] = []
        b: Annotated[dict[str, int], Complete] = {}

    assert shown(Lists, '{"a": [1', ', 2', ']', ', "b": {"k": 1', '}') == [
        'Lists(a=[], b={})',
        'Lists(a=[], b={})',
        'Lists(a=[1, 2], b={})',
        'Lists(a=[1, 2], b={})',
        "Lists(a=[1, 2], b={'k': 1})",
    ]


def test_an_object_is_hidden_until_what_it_needs_is_there() -> None:
    seen = shown(list[Headed], '[{"text": "a', 'b", "ti', 'tle": "T', 'x"', ', "other": 1', '}, {"title": ""', '}]')
    first = "Headed(title='Tx', text='ab', other=0)"
    done = "Headed(title='Tx', text='ab', other=1)"
    empty = "Headed(title='', text='', other=0)"
    assert seen == ['[]', '[]', '[]', f'[{first}]', f'[{first}]', f'[{done}, {empty}]', f'[{done}, {empty}]']


@pytest.mark.parametrize('kind', [Twice, Twice | int, Annotated[Twice, AfterValidator(lambda value: value)]])
def test_several_fields_may_be_needed(kind: Any) -> None:
    seen = shown(kind, '{"second": "a', 'b"', ', "text": "x', 'y", "first": 1', '2,', '}')
    twice = "Twice(first=12, second='ab', text='xy')"
    assert seen == [NOTHING, NOTHING, NOTHING, NOTHING, twice, twice]


def test_what_is_needed_and_never_comes_shows_at_the_end() -> None:
    assert shown(Twice, '{"first": 1, "text": "x"', '}') == [NOTHING, "Twice(first=1, second=None, text='x')"]


def test_a_needed_field_may_be_validated_before() -> None:
    class Early(BaseModel):
        a: Annotated[int, Show(needed=True), BeforeValidator(int)]
        b: str = ''

    assert shown(Early, '{"b": "x', '", "a": 1', '}') == [NOTHING, NOTHING, "Early(a=1, b='x')"]


def test_a_needed_field_of_a_root_a_dataclass_and_a_recursion() -> None:
    class Node(BaseModel):
        name: Annotated[str, Show(needed=True)]
        children: list[Node] = []

    pieces = ['{"children": [{"na', 'me": "a"', '}], "name": "b"', '}']
    assert shown(Node, *pieces)[-1] == "Node(name='b', children=[Node(name='a', children=[])])"
    seen = shown(RootModel[list[Node]], '[{"name": "a"', ', "children": [{"children": []', ', "name": "c"')
    assert [each.partition('(')[2] for each in seen] == [
        "root=[Node(name='a', children=[])])",
        "root=[Node(name='a', children=[])])",
        "root=[Node(name='a', children=[Node(name='c', children=[])])])",
    ]
    assert shown(Data, '{"other": "a', '", "text": "b', '"}') == [
        "Data(text='', other='a')",
        "Data(text='', other='a')",
        "Data(text='b', other='a')",
    ]


def test_one_place_says_something_and_the_others_of_the_same_type_do_not() -> None:
    class Places(BaseModel):
        quiet: Annotated[Plain, Complete] | None = None
        loud: Plain | None = None

    none = 'None'
    plain = "Plain(text='a', number=0)"
    assert shown(Places, '{"quiet": {"text": "a"', '}', ', "loud": {"text": "a"') == [
        f'Places(quiet={none}, loud={none})',
        f'Places(quiet={plain}, loud={none})',
        f'Places(quiet={plain}, loud={plain})',
    ]


ANNOTATED: list[tuple[Any, Any]] = [
    (Annotated[str, Complete], str),
    (list[Annotated[int, Show(needed=True)]], list[int]),
    (dict[str, Annotated[Plain, Complete] | None], dict[str, Plain | None]),
    (Annotated[Annotated[str, StringConstraints(max_length=3)], Show('growing')], Annotated[str, Field(max_length=3)]),
    (Annotated[Plain | int, Complete], Plain | int),
]


@pytest.mark.parametrize(('kind', 'bare'), ANNOTATED)
def test_for_pydantic_nothing_changes(kind: Any, bare: Any) -> None:
    with_show, without = TypeAdapter[Any](kind), TypeAdapter[Any](bare)
    assert with_show.json_schema() == without.json_schema()
    assert with_show.json_schema(mode='serialization') == without.json_schema(mode='serialization')
    for text in ('"ab"', '"abcd"', '[1,"2"]', '["x"]', '{"a":{"text":"x"},"b":null}', '{"a":1}', '{"text":"x"}', '1'):
        verdicts: list[Any] = []
        for adapter in (with_show, without):
            try:
                verdicts.append(adapter.validate_json(text))
            except ValidationError as error:
                verdicts.append(error.errors(include_url=False))
        assert verdicts[0] == verdicts[1]


@pytest.mark.parametrize(
    ('kind', 'text'),
    [
        (list[Headed], '[{"text":"ab","title":"T","other":1},{"title":""}]'),
        (Twice, '{"text":"abc","second":"x","first":1}'),
        (list[Cat | Dog], '[{"name":"Tom","kind":"cat"},{"kind":"dog","name":"Rex"}]'),
        (list[Whole | int], '[{"text":"a"},1]'),
        (Texts, '{"a":"x","b":"aaa","d":"x","e":1,"f":"f"}'),
    ],
)
def test_what_shows_otherwise_is_right_all_the_same(kind: Any, text: str) -> None:
    check(kind, text)
    assert found(read(kind, text)) == set()


def test_a_policy_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="when='sometimes': use 'growing', 'complete' or None"):
        Show('sometimes')  # pyright: ignore[reportArgumentType]
