"""What is known of each place, by keys of the document and names of fields, before and after an object closes."""

from __future__ import annotations

import dataclasses
from itertools import groupby
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, Field
from pydantic.dataclasses import dataclass

from pydantic_ai_streaming import PartialOutput, Show, StreamUsageError, partial_outputs
from tests.partials.outputs import Boxed, Colour, Dwelling, Label, Point, Stripped


class Chosen(BaseModel):
    name: str = Field(validation_alias=AliasChoices('full_name', 'fullName'))
    rest: int = 0


class Seen(Chosen):
    inner: Annotated[Chosen, BeforeValidator(lambda value: value)]


class Waiting(BaseModel):
    rest: int = 0
    point: Point | None = None
    source: Annotated[str, Show(needed=True)]


@dataclass
class Scaled:
    size: int
    scale: dataclasses.InitVar[int] = 1


FILLS_IN = ['missing', 'streaming', 'complete']


def states(kind: Any, text: str, path: Any) -> list[str]:
    """The states of a place, one after the other."""
    return [state for state, _ in groupby(partial.state(path) for partial in partial_outputs(iter(text), kind))]


@pytest.mark.parametrize(
    ('kind', 'text', 'path'),
    [
        (Chosen, '{"fullName":"Al","rest":1}', 'fullName'),
        (Chosen, '{"fullName":"Al","rest":1}', 'name'),
        (list[Chosen], '[{"full_name":"Al"},{"full_name":"Bo"}]', (0, 'full_name')),
        (Label, '{"text":"a","otherText":"c"}', 'otherText'),
        (Label, '{"text":"a","otherText":"c"}', 'other'),
        (list[Scaled], '[{"size":1,"scale":2},{"size":1}]', '0.scale'),
        (dict[Colour, int], '{"red":1,"blue":2}', 'red'),
        (list[dict[bool, str]], '[{"true":"x","0":"y"}]', (0, '0')),
        (list[dict[int, str]], '[{"1":"x","2":"y"}]', '0.1'),
        (dict[str, dict[Annotated[str, AfterValidator(str.upper)], list[int]]], '{"a":{"b":[1]},"c":{}}', 'a.b.0'),
        (list[Stripped], '[{"a":" x ","b":[" y "]}]', '0.b.0'),
        (list[Boxed], '["text","more"]', '0'),
        (list[Dwelling], '[{"street":"x"},{"street":"y"}]', '0.street'),
        (Seen, '{"inner":{"full_name":"x"},"full_name":"y"}', 'inner.full_name'),
        (Waiting, '{"rest":1,"point":{"x":1},"source":"s"}', 'rest'),
        (Waiting, '{"rest":1,"point":{"x":1},"source":"s"}', 'point.x'),
    ],
)
def test_what_is_complete_stays_complete_whatever_closes_around_it(kind: Any, text: str, path: Any) -> None:
    assert states(kind, text, path) in (order[at:] for order in (FILLS_IN, FILLS_IN[::2]) for at in range(len(order)))


@pytest.mark.parametrize(
    ('kind', 'text', 'path'),
    [
        (list[Point], '[{"x":1},{"x":2}]', '0.y'),
        (list[Chosen], '[{"full_name":"x"}]', '0.rest'),
        (Label, '{"text":"a"}', 'otherText'),
        (dict[str, int], '{"a":1}', 'b'),
        (list[int], '[1]', 1),
    ],
)
def test_a_default_is_missing_after_its_object_has_closed_too(kind: Any, text: str, path: Any) -> None:
    assert states(kind, text, path) == ['missing']


@pytest.mark.parametrize(
    ('kind', 'text', 'path'),
    [
        (Chosen, '{"fullName":1,"rest":1}', 'name'),
        (list[Chosen], '[{"full_name":"Al"},{"full_name":1}]', '1.name'),
        (dict[str, Label], '{"a":{"text":"a","otherText":[1]}}', ('a', 'other')),
        (Dwelling, '{"street":"x","number":"y"}', 'number'),
    ],
)
def test_what_is_invalid_is_so_by_its_key_and_by_its_field(kind: Any, text: str, path: Any) -> None:
    assert states(kind, text, path)[-1] == 'invalid'
    *_, last = partial_outputs([text], kind)
    assert last.state(last.errors[0].path) == 'invalid'
    assert last.state() == 'invalid'


def test_what_waited_for_a_needed_field_is_told_as_complete_when_it_shows() -> None:
    *_, last = partial_outputs(iter('{"rest":1,"point":{"x":1},"source":"s"}'), Waiting)
    assert last.finished == (('rest',), ('point',), ('source',), ())


class Task(BaseModel):
    n: int
    title: str
    note: str = ''


class Plan(BaseModel):
    tasks: list[Task]
    first: Task


def test_what_is_valid_stays_complete_when_something_beside_it_is_invalid() -> None:
    text = (
        '{"tasks": [{"n": 1, "title": "a"}, {"n": "x", "title": "b"}, {"title": "c", "n": 3}], '
        '"first": {"title": "d", "n": null}}'
    )
    places = [f'tasks.{index}.{name}' for index in range(3) for name in ('n', 'title')] + ['first.title', 'first.n']
    last = {'tasks.1.n': 'invalid', 'first.n': 'invalid'}
    for cut in range(len(text)):
        seen: dict[str, list[str]] = {place: [] for place in places}
        for partial in partial_outputs([text[:cut], text[cut:]], Plan):
            for place in places:
                seen[place].append(partial.state(place))
            assert all(partial.state(path) == 'complete' for path in partial.finished)
            if partial.state() == 'invalid':
                assert (partial.state('tasks.1'), partial.state('first')) == ('invalid', 'invalid')
        for place, states in seen.items():
            assert [state for state, _ in groupby(states)][-1] == last.get(place, 'complete'), (cut, place, states)
            assert 'missing' not in states[states.index('complete') :] if 'complete' in states else True


class Stop(BaseModel):
    port: str
    nights: int | None = None


class Route(BaseModel):
    title: str
    stops: list[Stop] = []
    fares: dict[str, int] = {}
    notes: Any = None


class Loose(BaseModel, extra='allow'):
    title: str


def first_of(output_type: Any) -> PartialOutput[Any]:
    return next(iter(partial_outputs(['{"title": "Dune', '"}'], output_type)))


@pytest.mark.parametrize('path', ['typo', 'stops.0.typo', 'stops.first', 'title.x', 'stops.0.port.x', 'fares.adult.x'])
def test_a_place_that_the_type_cannot_have_is_a_mistake_not_missing(path: str) -> None:
    with pytest.raises(StreamUsageError, match='no such place'):
        first_of(Route).state(path)


def test_a_list_has_no_names() -> None:
    with pytest.raises(StreamUsageError, match='no such place'):
        states(list[int], '[1]', 'a')


def test_the_mistake_names_the_fields_that_there_are() -> None:
    with pytest.raises(StreamUsageError, match=r"state\('stops.0.pot'\).* it has: nights, port\."):
        first_of(Route).state('stops.0.pot')


@pytest.mark.parametrize(
    'path', ['stops', 'stops.7', 'stops.7.port', 'stops.0.nights', 'fares.adult', 'fares.2024', 'notes.anything.0']
)
def test_what_may_still_come_is_missing(path: str) -> None:
    assert first_of(Route).state(path) == 'missing'


def test_where_the_type_does_not_tell_anything_may_come() -> None:
    assert first_of(Loose).state('other') == 'missing'
    assert first_of(dict[str, Any]).state('other.0') == 'missing'
    assert first_of(Stop | Route).state('nights') == 'missing'
