"""The configuration of a model holds where pydantic says so: for which types inside it, and for which not."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, create_model
from typing_extensions import TypeAliasType, TypedDict

from tests.partials.reading import check, complaints, found, read


@dataclasses.dataclass
class Data:
    text: str
    number: int = 0
    texts: list[str] = dataclasses.field(default_factory=list[str])


class Keys(TypedDict, total=False):
    text: str
    number: int
    texts: list[str]


class Named(NamedTuple):
    text: str
    number: int = 0
    texts: list[str] | None = None


class Model(BaseModel):
    text: str
    number: int = 0
    texts: list[str] = []


CONFIGS: list[ConfigDict] = [
    {'strict': True},
    {'str_strip_whitespace': True},
    {'str_to_lower': True},
    {'str_max_length': 3},
    {'coerce_numbers_to_str': True},
    {'extra': 'forbid'},
    {'extra': 'allow'},
]
TEXTS = (
    '{"text":" XyzW ","texts":[" QqqQ "]}',
    '{"text":"q","number":"5"}',
    '{"text":5}',
    '{"text":"a","more":"zz"}',
)


def judged(kind: Any, text: str) -> None:
    reading = read(kind, text)
    assert found(reading) == complaints(kind, text)
    if not found(reading):
        check(kind, text)


@pytest.mark.parametrize('config', CONFIGS, ids=str)
@pytest.mark.parametrize('inner', [Data, Keys, Named, Model])
@pytest.mark.parametrize('text', TEXTS)
def test_a_configuration_holds_for_what_is_inside_as_pydantic_has_it(inner: Any, text: str, config: ConfigDict) -> None:
    once = create_model('Once', __config__=config, inner=(inner, ...))
    # What comes several times is a definition, which stands elsewhere in the core schema.
    several: Any = list[inner]
    twice = create_model('Twice', __config__=config, inner=(inner, ...), others=(several, []))
    judged(once, f'{{"inner":{text}}}')
    judged(twice, f'{{"inner":{text}}}')
    judged(twice, f'{{"inner":{{"text":"a"}},"others":[{text}]}}')


Texts = TypeAliasType('Texts', list[str])


class Tolerant(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True, coerce_numbers_to_str=True)
    texts: Texts
    more: Texts = []


class Outer(BaseModel):
    inner: Tolerant
    texts: Texts = []
    named: Named | None = None


@pytest.mark.parametrize(
    'text',
    [
        '{"inner":{"texts":[" x ",5]},"texts":[" w "],"named":{"text":" n "}}',
        '{"inner":{"texts":[]},"texts":[5]}',
    ],
)
def test_a_definition_is_another_one_under_another_configuration(text: str) -> None:
    judged(Outer, text)
