"""Types and documents that nobody has thought of: what holds for every type holds for these."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, make_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from itertools import count
from typing import Annotated, Any, Literal, Union, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    PydanticUserError,
    RootModel,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    create_model,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

from pydantic_ai_streaming import StreamUsageError, partial_outputs
from tests.partials.reading import grew, read, structure

texts = st.text(st.characters(codec='utf-8'), max_size=6) | st.sampled_from(
    ['a"b', '\\', ' x ', '\n', '\U0001f600', '']
)


@dataclass(frozen=True)
class Typed:
    """A type, and documents of it as Python has them."""

    kind: Any
    documents: st.SearchStrategy[Any]
    transforms: bool = False


class Mood(str, Enum):  # noqa: UP042 - the one that pydantic takes as a discriminator
    GOOD = 'good'
    BAD = 'bad'


def halved(text: str) -> str:
    return text[: len(text) // 2]


SCALARS = [
    Typed(int, st.integers(-(10**20), 10**20)),
    Typed(float, st.floats(allow_nan=False, allow_infinity=False) | st.integers(-99, 99)),
    Typed(bool, st.booleans()),
    Typed(str, texts),
    Typed(str, texts),
    Typed(None, st.none()),
    Typed(Literal['a', 1] | None, st.sampled_from(['a', 1, None])),
    Typed(Mood, st.sampled_from(['good', 'bad'])),
    Typed(date, st.dates().map(str)),
    Typed(Decimal, st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str) | st.integers(-9, 9)),
    Typed(bytes, texts),
    Typed(Annotated[int, Field(ge=0, le=9)], st.integers(0, 9)),
    Typed(Annotated[str, StringConstraints(max_length=8)], texts),
    Typed(Annotated[str, StringConstraints(strip_whitespace=True)], texts),
    Typed(Annotated[str, StringConstraints(pattern='^a*$')], st.sampled_from(['', 'a', 'aaa'])),
    Typed(Annotated[str, AfterValidator(halved)], texts),
    Typed(Annotated[int, BeforeValidator(lambda value: value)], st.integers(0, 9)),
    Typed(
        Any,
        st.recursive(
            st.none() | st.integers() | texts,
            lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
            max_leaves=4,
        ),
    ),
]
scalars = st.sampled_from(SCALARS)
numbers = count()


def a_list(inner: Typed) -> Typed:
    return Typed(list[inner.kind], st.lists(inner.documents, max_size=3), inner.transforms)


def a_tuple(inner: Typed) -> Typed:
    return Typed(tuple[inner.kind, ...], st.lists(inner.documents, max_size=3), inner.transforms)


def a_pair(inner: Typed) -> Typed:
    documents = st.tuples(st.integers(0, 9), inner.documents).map(list)
    return Typed(tuple[int, inner.kind], documents, inner.transforms)


def a_dict(inner: Typed) -> Typed:
    return Typed(dict[str, inner.kind], st.dictionaries(texts, inner.documents, max_size=3), inner.transforms)


def a_numbered_dict(inner: Typed) -> Typed:
    keys = st.integers(0, 99).map(str)
    return Typed(dict[int, inner.kind], st.dictionaries(keys, inner.documents, max_size=3), inner.transforms)


def maybe(inner: Typed) -> Typed:
    return Typed(Union[inner.kind, None], inner.documents | st.none(), inner.transforms)  # noqa: UP007 - of `None` too


def a_root(inner: Typed) -> Typed:
    return Typed(RootModel[inner.kind], inner.documents, inner.transforms)


def checked(inner: Typed) -> Typed:
    return Typed(Annotated[inner.kind, AfterValidator(lambda value: value)], inner.documents, inner.transforms)


def seen_before(inner: Typed) -> Typed:
    return Typed(Annotated[inner.kind, BeforeValidator(lambda value: value)], inner.documents, inner.transforms)


def a_json(inner: Typed) -> Typed:
    kind: Any = Json[inner.kind]
    return Typed(inner.kind | kind, inner.documents | inner.documents.map(json.dumps), inner.transforms)


def limited(inner: Typed) -> Typed:
    documents = st.lists(inner.documents, min_size=1, max_size=3)
    return Typed(Annotated[list[inner.kind], Field(min_length=1, max_length=3)], documents, inner.transforms)


def a_named_dict(inner: Typed) -> Typed:
    documents = st.dictionaries(st.sampled_from(['good', 'bad']), inner.documents)
    return Typed(dict[Mood, inner.kind], documents, inner.transforms)


def looked_at(inner: Typed) -> Typed:
    def look(value: Any, info: ValidationInfo) -> Any:
        return value

    return Typed(Annotated[inner.kind, AfterValidator(look)], inner.documents, inner.transforms)


WRAPPERS: list[Callable[[Typed], Typed]] = [
    a_list,
    a_list,
    a_tuple,
    a_pair,
    a_dict,
    a_numbered_dict,
    maybe,
    maybe,
    a_root,
    checked,
    seen_before,
    a_json,
    limited,
    a_named_dict,
    looked_at,
]

NAMES = ['a', 'b', 'c', 'metadata', 'type', 'name_of']


@st.composite
def models(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    parts = {name: draw(inner) for name in names}
    optional = {name for name in names if draw(st.booleans())}
    aliased = {name: name.upper() for name in names if draw(st.integers(0, 4)) == 0}
    extra: Any = draw(st.sampled_from(['ignore', 'allow', 'forbid']))
    fields: dict[str, Any] = {}
    for name, part in parts.items():
        default: Any = {'default': None} if name in optional else {}
        alias: Any = {'alias': aliased[name]} if name in aliased else {}
        kind = Union[part.kind, None] if name in optional else part.kind  # noqa: UP007
        fields[name] = (kind, Field(**default, **alias))
    config = ConfigDict(
        extra=extra,
        validate_by_name=draw(st.booleans()),
        validate_by_alias=True,
        str_strip_whitespace=draw(st.integers(0, 4)) == 0,
    )
    model = create_model(f'M{next(numbers)}', __config__=config, **fields)

    def document(values: dict[str, Any]) -> dict[str, Any]:
        return {aliased.get(name, name): value for name, value in values.items()}

    known = {name: part.documents for name, part in parts.items()}
    documents = st.fixed_dictionaries(
        {name: known[name] for name in names if name not in optional},
        optional={name: known[name] for name in optional},
    ).map(document)
    if extra != 'forbid':
        more = st.dictionaries(
            st.sampled_from(['x', 'yy', 'é']), texts | st.lists(st.integers(), max_size=2), max_size=2
        )
        documents = st.tuples(documents, more).map(lambda both: {**both[1], **both[0]})
    documents = st.tuples(documents, st.randoms()).map(shuffled)
    return Typed(model, documents, any(part.transforms for part in parts.values()))


def shuffled(of: tuple[dict[str, Any], random.Random]) -> dict[str, Any]:
    names = list(of[0])
    of[1].shuffle(names)
    return {name: of[0][name] for name in names}


@st.composite
def typed_dicts(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    parts = {name: draw(inner) for name in names}
    kind = TypedDict(f'D{next(numbers)}', {name: part.kind for name, part in parts.items()})  # type: ignore[operator]
    documents = st.fixed_dictionaries({name: part.documents for name, part in parts.items()})
    return Typed(kind, documents, any(part.transforms for part in parts.values()))


@st.composite
def chosen(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    parts = {name: draw(inner) for name in names}
    fields: dict[str, Any] = {
        name: (part.kind, Field(validation_alias=AliasChoices(f'{name}1', f'{name}2'))) for name, part in parts.items()
    }
    config = ConfigDict(extra=draw(st.sampled_from(['ignore', 'allow', 'forbid'])))
    kind = create_model(f'C{next(numbers)}', __config__=config, **fields)
    keys = {name: f'{name}{draw(st.integers(1, 2))}' for name in names}
    documents = st.fixed_dictionaries({keys[name]: part.documents for name, part in parts.items()})
    # What comes under a second key after the first one of its field counts for nothing.
    beside = {f'{name}2': draw(scalars).documents for name in names if keys[name] == f'{name}1'}
    after = st.fixed_dictionaries({}, optional=beside)
    documents = st.tuples(documents, after).map(lambda both: {**both[0], **both[1]})
    return Typed(kind, documents, any(part.transforms for part in parts.values()))


@st.composite
def data_classes(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    parts = {name: draw(inner) for name in names}
    kind: Any = make_dataclass(f'K{next(numbers)}', [(name, part.kind) for name, part in parts.items()])
    documents = st.fixed_dictionaries({name: part.documents for name, part in parts.items()})
    documents = st.tuples(documents, st.randoms()).map(shuffled)
    kind = pydantic_dataclass(kind) if draw(st.booleans()) else kind
    return Typed(kind, documents, any(part.transforms for part in parts.values()))


@st.composite
def unions(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    members = draw(st.lists(inner, min_size=2, max_size=3))
    kind = Union[tuple(member.kind for member in members)]  # noqa: UP007
    return Typed(kind, st.one_of([member.documents for member in members]), any(m.transforms for m in members))


@st.composite
def discriminated(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    members: list[Typed] = []
    for tag in ('one', 'two'):
        part = draw(inner)
        fields: dict[str, Any] = {'body': part.kind, 'tag': Literal[tag]}
        model = create_model(f'U{next(numbers)}', **fields)
        documents = st.fixed_dictionaries({'tag': st.just(tag), 'body': part.documents})
        documents = st.tuples(documents, st.randoms()).map(shuffled)
        members.append(Typed(model, documents, part.transforms))
    kind = members[0].kind | members[1].kind
    if draw(st.booleans()):
        kind = Annotated[kind, Field(discriminator='tag')]
    return Typed(kind, members[0].documents | members[1].documents, any(m.transforms for m in members))


def deeper(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    wrapped = st.tuples(st.sampled_from(WRAPPERS), inner).map(lambda both: both[0](both[1]))
    objects = models(inner) | models(inner) | typed_dicts(inner) | chosen(inner) | data_classes(inner)
    return wrapped | objects | unions(inner) | discriminated(inner)


types = st.recursive(scalars, deeper, max_leaves=6)


def adapter_of(kind: Any) -> TypeAdapter[Any] | None:
    try:
        return TypeAdapter(kind)
    except PydanticUserError:
        return None


def cuts(dice: random.Random, text: str) -> list[int]:
    return [dice.choice((0, 1, 1, 2, 3, 5, 9)) for _ in range(len(text))]


settled = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
)


@settled
@given(types, st.data(), st.randoms())
def test_every_type_is_right_at_every_cut(typed: Typed, data: st.DataObject, dice: random.Random) -> None:
    adapter = adapter_of(typed.kind)
    if adapter is None:
        return
    text = json.dumps(data.draw(typed.documents), ensure_ascii=data.draw(st.booleans()))
    try:
        expected = structure(adapter.validate_json(text))
    except ValidationError:
        return
    for sizes in (1, cuts(dice, text), len(text)):
        reading = read(typed.kind, text, sizes)
        assert reading.errors[-1] == ()
        assert reading.structures[-1] == expected
        for before, after in zip(reading.values, reading.values[1:], strict=False):
            assert grew(before, after) is None


def paths_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    if isinstance(value, dict | list):
        parts = cast('dict[str, Any]', value) if isinstance(value, dict) else dict(enumerate(cast('list[Any]', value)))
        for key, part in parts.items():
            yield from paths_in(part, (*path, key))


@settled
@given(types, st.data())
def test_what_is_complete_stays_so_and_what_is_finished_is_complete(typed: Typed, data: st.DataObject) -> None:
    adapter = adapter_of(typed.kind)
    document = data.draw(typed.documents)
    text = json.dumps(document)
    try:
        assert adapter is not None
        adapter.validate_json(text)
    except (AssertionError, ValidationError):
        return
    complete: set[tuple[str | int, ...]] = set()
    impossible: set[tuple[str | int, ...]] = set()
    for partial in partial_outputs(iter(text), typed.kind):
        now: set[tuple[str | int, ...]] = set()
        for path in paths_in(document):
            try:
                if partial.state(path) == 'complete':
                    now.add(path)
            except StreamUsageError:
                impossible.add(path)
        assert complete | set(partial.finished) <= now
        assert not impossible & now
        complete = now
    assert () in complete


def damaged(document: Any, dice: random.Random) -> Any:
    """The same document with something else in one place."""
    if isinstance(document, dict) and document and dice.random() < 0.8:
        parts = {**cast('dict[str, Any]', document)}
        key = dice.choice(list(parts))
        if dice.random() < 0.2:
            del parts[key]
        else:
            parts[key] = damaged(parts[key], dice)
        return parts
    if isinstance(document, list) and document and dice.random() < 0.8:
        items = [*cast('list[Any]', document)]
        at = dice.randrange(len(items))
        items[at] = damaged(items[at], dice)
        return items
    return dice.choice([None, True, -1, 1.5, 'text', '1', [], {}, ['x'], {'x': 1}, {'tag': 'one'}])


@settled
@given(types, st.data(), st.randoms())
def test_a_damaged_document_is_judged_as_pydantic_judges_it(
    typed: Typed, data: st.DataObject, dice: random.Random
) -> None:
    adapter = adapter_of(typed.kind)
    if adapter is None:
        return
    text = json.dumps(damaged(data.draw(typed.documents), dice))
    try:
        expected = structure(adapter.validate_json(text))
    except ValidationError:
        expected = None
    for sizes in (1, cuts(dice, text), len(text)):
        reading = read(typed.kind, text, sizes)
        if expected is None:
            assert reading.errors[-1]
        else:
            assert reading.errors[-1] == ()
            assert reading.structures[-1] == expected
