"""`partial_outputs` over any iterator, the arguments of tools, and documents that no model should send."""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, cast

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, ToolCallPart, ToolCallPartDelta

from pydantic_ai_streaming import (
    InvalidOutput,
    PartialOutput,
    StreamUsageError,
    arguments_of,
    json_patch,
    partial_outputs,
)
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall


class Movie(BaseModel):
    title: str
    year: int


DUNE = '{"title": "Dune", "year": 1965}'
dune = Movie(title='Dune', year=1965)


def pieces(text: str, size: int = 5) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


class Source:
    """An asynchronous stream that knows whether it was closed."""

    def __init__(self, *items: Any) -> None:
        self.closed = False
        self.given = 0
        self._items = items

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            for item in self._items:
                self.given += 1
                yield item
        finally:
            self.closed = True


async def test_every_kind_of_source_gives_the_same_snapshots() -> None:
    expected = [repr(partial) for partial in partial_outputs(pieces(DUNE), Movie)]
    assert expected[-1] == f'PartialOutput({dune!r}, final)'
    text = Source(*pieces(DUNE))
    assert [repr(partial) async for partial in partial_outputs(text, Movie)] == expected
    assert text.closed
    call = ToolCallPart('final_result', None, tool_call_id='c')
    events = Source(
        PartStartEvent(index=0, part=call),
        *(PartDeltaEvent(index=0, delta=ToolCallPartDelta(args_delta=piece)) for piece in pieces(DUNE)),
    )
    assert [repr(partial) async for partial in partial_outputs(events, Movie)] == expected
    agent = Agent(ScriptedModel([ToolCall('final_result', DUNE, pieces=5)]), output_type=Movie)
    async with agent.run_stream('Go') as streamed:
        assert [repr(partial) async for partial in partial_outputs(streamed, Movie)] == expected
    agent = Agent(ScriptedModel([ToolCall('final_result', DUNE, pieces=5)]), output_type=Movie)
    async with agent.run_stream_events('Go') as run:
        assert [repr(partial) async for partial in partial_outputs(run, Movie)] == expected


@pytest.mark.parametrize('size', [1, 3, 1000])
def test_prose_and_fences_around_are_left_out(size: int) -> None:
    text = f'Here {{it}} is:\n```json\n{DUNE}\n```\nAnother one? {{"no"'
    assert list(partial_outputs(pieces(text, size), Movie, prose=True))[-1].value == dune
    assert list(partial_outputs(pieces('Numbers: [1, 2]. Good?', size), list[int], prose=True))[-1].value == [1, 2]


def test_prose_that_is_not_expected_is_invalid_json() -> None:
    last = list(partial_outputs(['Here it is: ', DUNE], Movie))[-1]
    assert not last.is_final
    assert [error.type for error in last.errors] == ['json_invalid']


async def test_stop_closes_the_source_at_the_first_invalid_part() -> None:
    bad = pieces('{"title": "Dune", "year": "soon", "notes": "' + 'long ' * 100 + '"}')
    source = Source(*bad)
    seen: list[Any] = []
    with pytest.raises(InvalidOutput) as raised:
        await drain(partial_outputs(source, Movie, on_invalid='stop'), seen)
    assert source.closed
    assert source.given < 10
    assert (raised.value.path, raised.value.value.title) == (('year',), 'Dune')
    given: list[str] = []

    def counted() -> Iterator[str]:
        for piece in bad:
            given.append(piece)
            yield piece

    with pytest.raises(InvalidOutput):
        list(partial_outputs(counted(), Movie, on_invalid='stop'))
    assert len(given) < 10


async def drain(view: AsyncIterator[Any], seen: list[Any]) -> None:
    async for item in view:
        seen.append(item)  # noqa: PERF401 - what came before an error counts


async def test_a_view_that_is_closed_closes_the_source() -> None:
    source = Source(*pieces(DUNE))
    view = partial_outputs(source, Movie)
    await anext(view)
    await view.aclose()
    assert source.closed


def test_validators_get_the_context() -> None:
    class Item(BaseModel):
        name: str

        @field_validator('name')
        @classmethod
        def known(cls, name: str, info: ValidationInfo[set[str]]) -> str:
            if name not in info.context:
                raise ValueError('unknown')
            return name

    assert list(partial_outputs(['{"name": "a"}'], Item, context={'a'}))[-1].is_final
    assert list(partial_outputs(['{"name": "b"}'], Item, context={'a'}))[-1].errors[0].message.endswith('unknown')


def test_what_cannot_be_read_is_told_at_the_call() -> None:
    use: Any = partial_outputs
    with pytest.raises(ValueError, match=r"only|can also 'retry'"):
        use([], Movie, on_invalid='retry')
    for source in ('{"title": ', b'{}', None, 7):
        with pytest.raises(TypeError, match='needs an iterator of pieces of text'):
            use(source, Movie)


# Arguments of tools


class Query(BaseModel):
    text: str
    limit: int = 10


def plain(ctx: RunContext[None], city: str, days: Annotated[int, Field(ge=1)] = 3) -> str:
    return city


async def asynchronous(ctx: RunContext[None], city: str) -> str:
    return city


def with_model(query: Query) -> str:
    return query.text


def with_model_and_more(query: Query, *names: str, **rest: int) -> str:
    return query.text


class Tools:
    def method(self, city: str) -> str:
        return city

    @classmethod
    def of_class(cls, city: str) -> str:
        return city

    @staticmethod
    def of_none(city: str) -> str:
        return city

    def __call__(self, city: str) -> str:
        return city


ROME = {'city': 'Rome'}
FUNCTIONS: list[tuple[Callable[..., Any], str, Any]] = [
    (plain, '{"city": "Rome"}', ROME),
    (plain, '{"city": "Rome", "days": 2}', {'city': 'Rome', 'days': 2}),
    (asynchronous, '{"city": "Rome"}', ROME),
    (with_model, '{"text": "x"}', Query(text='x')),
    (
        with_model_and_more,
        '{"query": {"text": "x"}, "names": ["a"], "n": 1}',
        {'query': Query(text='x'), 'names': ['a'], 'n': 1},
    ),
    (Tools().method, '{"city": "Rome"}', ROME),
    (Tools.of_class, '{"city": "Rome"}', ROME),
    (Tools.of_none, '{"city": "Rome"}', ROME),
    (Tools(), '{"city": "Rome"}', ROME),
    (functools.partial(with_model_and_more, Query(text='y')), '{"names": []}', {'names': []}),
    (functools.partial(plain, days=3), '{"city": "Rome"}', ROME),
]


@pytest.mark.parametrize(('function', 'document', 'value'), FUNCTIONS)
@pytest.mark.parametrize('size', [1, 1000])
def test_the_arguments_of_any_tool_fill_in(function: Callable[..., Any], document: str, value: Any, size: int) -> None:
    seen = list(partial_outputs(pieces(document, size), arguments_of(function)))
    assert (seen[-1].value, seen[-1].is_final) == (value, True)


@pytest.mark.parametrize(
    ('function', 'document', 'path', 'kind'),
    [
        (plain, '{"city": "Rome", "days": 0}', ('days',), 'greater_than_equal'),
        (plain, '{"days": 1}', ('city',), 'missing'),
        (plain, '{"city": "Rome", "country": "Italy"}', ('country',), 'extra_forbidden'),
        (with_model, '{"text": 1}', ('text',), 'string_type'),
        (with_model_and_more, '{"query": {"text": "x"}, "n": "one"}', ('n',), 'int_parsing'),
        (with_model_and_more, '{"query": {"text": "x"}, "names": [1]}', ('names', 0), 'string_type'),
    ],
)
def test_arguments_that_the_tool_would_refuse_are_invalid(
    function: Callable[..., Any], document: str, path: tuple[str | int, ...], kind: str
) -> None:
    last = list(partial_outputs(pieces(document), arguments_of(function)))[-1]
    assert [(error.path, error.type) for error in last.errors] == [(path, kind)]


# Documents that no model should send


class Strict(BaseModel):
    model_config = ConfigDict(extra='forbid')
    title: str
    year: int | None = None
    tags: list[str] = []


BROKEN = {
    'malformed in mid stream': ('{"title": "Dune", "year": 19oo, "tags": []}', 'json_invalid'),
    'not closed': ('{"title": "Dune"', 'json_invalid'),
    'a key without quotes': ('{title: "Dune"}', 'json_invalid'),
    'two documents in a row': ('{"title": "Dune"} {"title": "Alien"}', 'json_invalid'),
    'NaN': ('{"title": "Dune", "year": NaN}', 'json_invalid'),
    '10,000 levels': ('{"title": ' + '[' * 10_000 + ']' * 10_000 + '}', 'json_invalid'),
    'an unknown field': ('{"title": "Dune", "director": "Lynch"}', 'extra_forbidden'),
    'null where none may be': ('{"title": null}', 'string_type'),
    'a number without end': ('{"title": "Dune", "year": ' + '1' * 10_000 + '}', 'json_invalid'),
    'an array where an object should be': ('[{"title": "Dune"}]', 'model_type'),
    'nothing': ('', 'json_invalid'),
}


@pytest.mark.parametrize('name', BROKEN)
@pytest.mark.parametrize('size', [1, 7, 100_000])
def test_what_is_wrong_with_a_document_is_told_and_nothing_breaks(name: str, size: int) -> None:
    document, kind = BROKEN[name]
    seen = list(partial_outputs(pieces(document, size), Strict))
    assert not any(partial.is_final for partial in seen)
    assert seen[-1].errors[0].type == kind
    assert seen[-1].state() != 'complete'
    with pytest.raises(InvalidOutput):
        list(partial_outputs(pieces(document, size), Strict, on_invalid='stop'))


def test_of_a_key_that_comes_twice_the_last_value_counts_as_for_pydantic() -> None:
    document = '{"title": "Dune", "year": "soon", "year": 1965, "title": "Alien"}'
    assert Strict.model_validate_json(document).title == 'Alien'
    for size in (1, 3, 1000):
        last = list(partial_outputs(pieces(document, size), Strict))[-1]
        assert (last.value, last.errors, last.is_final) == (Strict(title='Alien', year=1965), (), True)


@pytest.mark.parametrize('size', [50_000_000, 1_000_000])
def test_a_string_of_50_million_characters_is_too_much_and_is_told_at_once(size: int) -> None:
    started = time.perf_counter()
    long = '{"title": "' + 'x' * 50_000_000 + '"}'
    seen: list[PartialOutput[Any]] = list(partial_outputs(pieces(long, size), Strict))
    assert seen[-1].errors[0].type == 'json_invalid'
    assert '16,777,216 characters' in seen[-1].errors[0].message
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize('piece', [b'{"a": 1}', None, {'delta': '{'}, 3])
def test_pieces_that_are_no_text_are_refused_and_not_left_out(piece: object) -> None:
    source = ['{"title":', piece, '"x"}']
    with pytest.raises(TypeError, match=f'yielded an? {type(piece).__name__}: pass on its text'):
        list(partial_outputs(cast('list[str]', source), dict[str, str]))


def test_text_that_is_over_is_not_sent_again() -> None:
    partials = partial_outputs(['{"title": "Dune', '"', '}'], dict[str, str])
    assert [json_patch(partial) for partial in partials] == [
        [{'op': 'add', 'path': '', 'value': {}}, {'op': 'add', 'path': '/title', 'value': 'Dune'}],
        [],
        [],
        [],
    ]


async def test_the_text_of_a_run_that_answers_in_plain_text_is_not_taken_for_an_output_of_the_type() -> None:
    async with Agent(ScriptedModel(['Just a text.'])).run_stream_events('Go') as events:
        with pytest.raises(StreamUsageError, match='plain text'):
            async for _ in partial_outputs(events, Movie):
                pass


async def test_where_text_is_an_output_too_it_is_the_final_one() -> None:
    output_type: Any = Movie | str
    agent = Agent(ScriptedModel(['Just a text.']), output_type=output_type)
    async with agent.run_stream_events('Go') as events:
        assert [partial.value async for partial in partial_outputs(events, output_type)] == ['Just a text.']
