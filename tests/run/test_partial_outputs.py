"""The structured output of a run as it fills in: every way in which an output is sent, and how it may arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationInfo, field_validator
from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, RunContext, TextOutput, ToolOutput
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import (
    NativeToolCallPart,
    NativeToolReturnPart,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    ToolCallPart,
    ToolCallPartDelta,
)
from typing_extensions import TypedDict

from pydantic_ai_streaming import PartialOutput, RunStream, StreamUsageError, json_patch
from pydantic_ai_streaming.testing import Event, Part, ScriptedModel, Step, ToolCall


class Movie(BaseModel):
    title: str
    year: int


class Dog(BaseModel):
    name: str


@dataclass
class Point:
    x: int
    y: int = 0


class Place(TypedDict):
    name: str


DUNE = '{"title": "Dune", "year": 1965}'
REX = '{"name": "Rex"}'


def pieces(text: str, size: int = 5) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def call(text: str, name: str = 'final_result') -> list[Step | str]:
    return [ToolCall(name, text, pieces=5)]


def agent_of(output_type: Any, *responses: Sequence[Step | str], **settings: Any) -> Agent[None, Any]:
    return Agent(ScriptedModel(*responses), output_type=output_type, **settings)


async def snapshots(agent: Agent[None, Any], **settings: Any) -> list[PartialOutput[Any]]:
    async with RunStream(agent.run_stream_events('Go', **settings)) as stream:
        seen = [partial async for partial in stream.partial_outputs()]
    assert stream.finish == 'complete'
    assert seen[-1].is_final
    assert seen[-1].value == stream.output
    check_monotone(seen)
    return seen


def check_monotone(seen: Sequence[PartialOutput[Any]]) -> None:
    """In one document, what is complete stays, and what has come is never taken back."""
    for before, after in pairwise(seen):
        if document(before) is not document(after) or after.is_final:
            continue
        assert set(before.finished) <= set(after.finished)
        assert before.received <= after.received


def document(partial: PartialOutput[Any]) -> object:
    return None if partial.moment is None else partial.moment.log


def upper(movie: Movie) -> str:
    return movie.title.upper()


def described(title: str, year: int = 0) -> str:
    return f'{title} ({year})'


async def asked(ctx: RunContext[None], title: str, year: int) -> str:
    return f'{ctx.prompt}: {title} ({year})'


def shout(text: str) -> str:
    return text.upper()


dune = Movie(title='Dune', year=1965)
filling = {'title': 'Dune', 'year': None}

WAYS: dict[str, tuple[Any, Sequence[Step | str], Any, Any]] = {
    'the default': (Movie, call(DUNE), dune, dune),
    'ToolOutput': (ToolOutput(Movie, name='movie'), call(DUNE, 'movie'), dune, dune),
    'NativeOutput': (NativeOutput(Movie), [*pieces(DUNE)], dune, dune),
    'PromptedOutput': (PromptedOutput(Movie), [*pieces(DUNE)], dune, dune),
    'PromptedOutput in a fence': (PromptedOutput(Movie), pieces(f'```json\n{DUNE}\n```'), dune, dune),
    'PromptedOutput in prose': (
        PromptedOutput(Movie),
        pieces(f'Here {{it}} is:\n```json\n{DUNE}\n```\nAnd {{"more"'),
        dune,
        dune,
    ),
    'the default, sent as text': (Movie, pieces(DUNE), dune, dune),
    'a union of tools': ([Movie, Dog], call(REX, 'final_result_Dog'), Dog(name='Rex'), Dog(name='Rex')),
    'a native union': (
        NativeOutput([Movie, Dog]),
        pieces(f'{{"result": {{"kind": "Dog", "data": {REX}}}}}'),
        Dog(name='Rex'),
        Dog(name='Rex'),
    ),
    'a native union, its member no object': (
        NativeOutput([Movie, list[int]]),
        pieces('{"result": {"kind": "list", "data": {"response": [7, 8]}}}'),
        [7, 8],
        [7, 8],
    ),
    'a list': (list[int], call('{"response": [1, 2, 3]}'), [1, 2, 3], [1, 2, 3]),
    'a list of models': (list[Dog], call(f'{{"response": [{REX}, {REX}]}}'), [Dog(name='Rex')] * 2, None),
    'a list in a string': (list[int], call('{"response": "[1, 2, 3]"}'), [1, 2, 3], [1, 2, 3]),
    'a number': (int, call('{"response": 42}'), 42, 42),
    'a literal': (Literal['yes', 'no'], call('{"response": "yes"}'), 'yes', 'yes'),
    'a dict': (dict[str, int], call('{"response": {"a": 1, "b": 2}}'), {'a': 1, 'b': 2}, None),
    'a dataclass': (Point, call('{"x": 1, "y": 2}'), Point(1, 2), None),
    'a TypedDict': (Place, call('{"name": "Farland"}'), {'name': 'Farland'}, None),
    'an annotated type': (
        Annotated[list[int], Field(min_length=2, description='Primes')],
        call('{"response": [2, 3]}'),
        [2, 3],
        None,
    ),
    'an output function of a model': (upper, call(DUNE), 'DUNE', dune),
    'an output function of several arguments': (described, call(DUNE), 'Dune (1965)', {'title': 'Dune', 'year': 1965}),
    'an output function with a context': (asked, call(DUNE), 'Go: Dune (1965)', {'title': 'Dune', 'year': 1965}),
    'an output function, native': (NativeOutput(upper), [*pieces(DUNE)], 'DUNE', dune),
    'a model or plain text, and it is the model': ([str, Movie], call(DUNE), dune, dune),
    'a model or nothing, and it is nothing': (
        [Movie, None],
        call('{"response": null}', 'final_result_None'),
        None,
        None,
    ),
}


@pytest.mark.parametrize('way', WAYS)
async def test_an_output_fills_in_however_it_is_sent(way: str) -> None:
    output_type, response, output, before = WAYS[way]
    seen = await snapshots(agent_of(output_type, response))
    assert seen[-1].value == output
    assert seen[-2].value == (output if before is None else before), 'what validation makes of it was there already'
    assert not seen[-2].is_final
    assert not any(partial.errors for partial in seen)


async def test_a_field_shows_while_the_next_one_is_missing() -> None:
    seen = await snapshots(agent_of(Movie, call(DUNE)))
    shown = [(partial.value.title, partial.state('title'), partial.value.year) for partial in seen]
    assert shown == [
        (None, 'missing', None),
        ('Dune', 'streaming', None),
        ('Dune', 'complete', None),
        ('Dune', 'complete', 1965),
        ('Dune', 'complete', 1965),
    ]
    assert [change.path for partial in seen for change in partial.changes if change.op == 'complete'] == [
        ('title',),
        ('year',),
        (),
    ]


@pytest.mark.parametrize('output_type', [ToolOutput(str), ToolOutput(str | None), ToolOutput(str | int)])
async def test_text_that_is_sent_as_the_output_of_a_tool_grows(output_type: Any) -> None:
    seen = await snapshots(agent_of(output_type, call('{"response": "One two three"}')))
    shown = [partial.value for partial in seen]
    assert list(dict.fromkeys(shown)) == ['O', 'One tw', 'One two thr', 'One two three']


async def test_text_beside_a_model_has_no_parts_but_is_the_output() -> None:
    seen = await snapshots(agent_of([str, Movie], ['Just ', 'text.']))
    assert [(partial.value, partial.is_final) for partial in seen] == [('Just text.', True)]


@pytest.mark.parametrize('output_type', [str, TextOutput(shout)])
async def test_an_output_without_parts_says_which_view_to_use(output_type: Any) -> None:
    async with RunStream(agent_of(output_type, ['One ', 'two']).run_stream_events('Go')) as stream:
        with pytest.raises(StreamUsageError, match=r'plain text.*use stream\.text\(\)'):
            stream.partial_outputs()
        with pytest.raises(StreamUsageError, match=r'plain text'):
            stream.items()
        assert ''.join([piece async for piece in stream.text()]).lower() == 'one two'


async def test_an_output_type_of_the_call_counts_and_not_that_of_the_agent() -> None:
    agent = Agent(ScriptedModel(call(REX)), output_type=Movie)
    seen = await snapshots(agent, output_type=Dog)
    assert seen[-2].value == Dog(name='Rex')


async def test_a_misspelt_policy_is_told() -> None:
    async with RunStream(agent_of(Movie, call(DUNE)).run_stream_events('Go')) as stream:
        with pytest.raises(ValueError, match="on_invalid='halt'"):
            stream.partial_outputs(on_invalid='halt')  # pyright: ignore[reportArgumentType]
        await stream.get_output()


# agent.run_stream


async def test_run_stream_fills_in_too() -> None:
    for output_type, response in ((Movie, call(DUNE)), (NativeOutput(Movie), pieces(DUNE))):
        agent = agent_of(output_type, response)
        async with RunStream(agent.run_stream('Go')) as stream:
            seen = [partial async for partial in stream.partial_outputs()]
        assert [partial.is_final for partial in seen] == [False] * (len(seen) - 1) + [True]
        assert seen[-1].value == seen[-2].value == dune
        check_monotone(seen)


async def test_run_stream_raises_for_an_output_that_a_validator_rejects() -> None:
    agent = agent_of(Movie, call(DUNE))
    agent.output_validator(reject)
    seen: list[PartialOutput[Any]] = []
    async with RunStream(agent.run_stream('Go')) as stream:
        try:
            async for partial in stream.partial_outputs():
                seen.append(partial)  # noqa: PERF401 - what came before the error counts
        except UnexpectedModelBehavior as error:
            assert 'retries are not supported in `run_stream' in str(error)  # noqa: PT017 - what came before counts
    assert (stream.finish, seen[-1].value, seen[-1].is_final) == ('failed', dune, False)


def reject(_: object) -> object:
    raise ModelRetry('Another one.')


# Attempts, tools, several calls


def titles(seen: Sequence[PartialOutput[Any]], *, attempt: int = 1) -> set[str]:
    return {partial.value.title for partial in seen if partial.attempt == attempt and partial.value.title}


async def test_a_rejected_attempt_is_followed_by_a_new_document() -> None:
    agent = agent_of(Movie, call(DUNE), call('{"title": "Alien", "year": 1979}'))

    @agent.output_validator
    def no_sand(movie: Movie) -> Movie:
        if movie.title == 'Dune':
            raise ModelRetry('Without sand, please.')
        return movie

    seen = await snapshots(agent)
    assert titles(seen, attempt=1) == {'Dune'}
    assert titles(seen, attempt=2) == {'Alie', 'Alien'}
    assert [partial.is_final for partial in seen].count(True) == 1


async def test_tools_that_are_called_before_are_no_output() -> None:
    agent = agent_of(Movie, ['I look {"title": 1} up. ', ToolCall('look_up', {'title': 'Dune'}, pieces=3)], call(DUNE))

    @agent.tool_plain
    def look_up(title: str) -> str:
        return f'{title}: 1965'

    seen = await snapshots(agent)
    assert [partial.attempt for partial in seen] == [1] * len(seen)
    assert not any(partial.errors for partial in seen)
    assert titles(seen) == {'Dune'}


async def test_of_several_output_calls_the_first_counts() -> None:
    response = [*call(DUNE), *call('{"title": "Alien", "year": 1979}')]
    seen = await snapshots(agent_of(Movie, response))
    assert titles(seen) == {'Dune'}


async def test_of_several_output_calls_the_first_that_is_valid_counts() -> None:
    response = [*call('{"title": "Dune", "year": "soon"}'), *call('{"title": "Alien", "year": 1979}')]
    seen = await snapshots(agent_of(Movie, response))
    assert seen[-1].value.title == seen[-2].value.title == 'Alien'


async def test_a_native_tool_in_between_breaks_nothing() -> None:
    search = [
        Part(NativeToolCallPart('web_search', {'query': 'dune'}, tool_call_id='s')),
        Part(NativeToolReturnPart('web_search', {'title': 'no'}, tool_call_id='s')),
    ]
    seen = await snapshots(agent_of(Movie, [*search, *call(DUNE)]))
    assert seen[-2].value == dune
    seen = await snapshots(agent_of(NativeOutput(Movie), [*search, *pieces(DUNE)]))
    assert seen[-2].value == dune


# How arguments arrive: [FACTS 4] of pydantic-ai's events


async def test_arguments_that_come_whole_give_one_snapshot() -> None:
    for step in (
        ToolCall('final_result', DUNE),
        ToolCall('final_result', {'title': 'Dune', 'year': 1965}, pieces='mapping'),
    ):
        seen = await snapshots(agent_of(Movie, [step]))
        assert [(partial.value, partial.is_final) for partial in seen] == [(dune, False), (dune, True)]


async def test_arguments_that_come_as_pieces_of_a_dict_are_put_together() -> None:
    events = [
        PartStartEvent(index=0, part=ToolCallPart('final_result', {'title': 'Dune'}, tool_call_id='c')),
        PartDeltaEvent(index=0, delta=ToolCallPartDelta(args_delta={'year': 1965}, tool_call_id='c')),
        PartEndEvent(index=0, part=ToolCallPart('final_result', {'title': 'Dune', 'year': 1965}, tool_call_id='c')),
    ]
    seen = await snapshots(agent_of(Movie, [Event(event) for event in events[:-1]]))
    assert [partial.value for partial in seen] == [dune, dune]


async def test_the_name_of_a_tool_may_come_in_pieces() -> None:
    agent = agent_of(
        [Movie, Dog],
        [
            Event(PartStartEvent(index=0, part=ToolCallPart('final_result_', None, tool_call_id='c'))),
            Event(PartDeltaEvent(index=0, delta=ToolCallPartDelta(tool_name_delta='Dog'))),
            *(Event(PartDeltaEvent(index=0, delta=ToolCallPartDelta(args_delta=piece))) for piece in pieces(REX)),
        ],
    )
    seen = await snapshots(agent)
    assert seen[-2].value == Dog(name='Rex')


async def test_an_index_that_comes_again_in_the_next_response_begins_anew() -> None:
    agent = agent_of(
        Movie,
        [ToolCall('look_up', {}, tool_call_id='same')],
        [ToolCall('final_result', DUNE, pieces=4, tool_call_id='same')],
    )

    @agent.tool_plain
    def look_up() -> str:
        return 'Dune'

    seen = await snapshots(agent)
    assert seen[-2].value == dune


async def test_text_that_is_replaced_is_not_read_twice() -> None:
    events = [
        Event(PartStartEvent(index=0, part=TextPart('Hm.'))),
        Event(PartStartEvent(index=1, part=ToolCallPart('final_result', DUNE, tool_call_id='c'))),
    ]
    seen = await snapshots(agent_of(Movie, events))
    assert [partial.value for partial in seen] == [dune, dune]


async def test_text_that_is_no_json_shows_nothing() -> None:
    agent = agent_of(PromptedOutput(Movie), ['I would ', 'rather {not}.'], pieces(DUNE))
    seen = await snapshots(agent)
    assert {partial.attempt for partial in seen} == {2}


# Views


async def test_views_at_different_speeds_see_the_same() -> None:
    agent = agent_of(Movie, call(DUNE))
    async with RunStream(agent.run_stream_events('Go')) as stream:

        async def watch(pause: float) -> list[str]:
            seen: list[str] = []
            async for partial in stream.partial_outputs():
                seen.append(repr(partial))
                await asyncio.sleep(pause)
            return seen

        slow, quick = await asyncio.gather(watch(0.005), watch(0))
        late = await watch(0)
    assert slow == quick == late
    assert [repr(partial) async for partial in stream.partial_outputs()] == quick, 'also after the context'


async def test_a_snapshot_stays_as_it_was() -> None:
    agent = agent_of(list[Dog], call(f'{{"response": [{REX}, {REX}, {REX}]}}'))
    async with RunStream(agent.run_stream_events('Go')) as stream:
        seen = [(partial, repr(partial), partial.finished) async for partial in stream.partial_outputs()]
    assert all((repr(partial), partial.finished) == (text, finished) for partial, text, finished in seen)


class Counted(BaseModel):
    name: str
    tag: str = ''
    seen: list[str] = Field(default_factory=list, exclude=True)

    @field_validator('name')
    @classmethod
    def note(cls, name: str, info: ValidationInfo) -> str:
        calls.append((name, info.context))
        return name


calls: list[tuple[str, Any]] = []


@pytest.mark.parametrize('on_invalid', ['report', 'stop', 'retry'])
async def test_validators_run_once_on_the_way_for_all_views_and_get_the_context(
    on_invalid: Literal['report', 'stop', 'retry'],
) -> None:
    calls.clear()
    agent = Agent(
        ScriptedModel(call('{"name": "Ada", "tag": "a long one that comes in pieces"}')),
        output_type=Counted,
        validation_context={'user': 7},
    )
    async with RunStream(agent.run_stream_events('Go')) as stream:
        views = [stream.partial_outputs(on_invalid=on_invalid), stream.partial_outputs(), stream.partial_outputs()]

        async def drain(view: Any) -> int:
            return len([partial async for partial in view])

        lengths = await asyncio.gather(*map(drain, views))
    assert len(set(lengths)) == 1
    # Once on the way, and once by pydantic-ai for the whole.
    assert calls == [('Ada', {'user': 7})] * 2


# Items


async def test_each_element_of_a_list_is_an_item_when_its_brace_comes() -> None:
    agent = agent_of(list[Dog], call('{"response": [{"name": "Rex"}, {"name": "Ida"}]}'))
    async with RunStream(agent.run_stream_events('Go')) as stream:
        items = [item async for item in stream.items()]
        # As soon as it is there: long before the end of the run.
        first = await anext(aiter(stream.items()))
    assert items == [Dog(name='Rex'), Dog(name='Ida')]
    assert first == items[0]


class Card(BaseModel):
    title: str


class Deck(BaseModel):
    name: str
    all_cards: list[Card] = Field(alias='allCards')
    other: list[int] = []


@pytest.mark.parametrize('path', ['allCards', 'all_cards', ('all_cards',)])
async def test_a_list_is_found_by_its_name_in_the_document_and_by_its_field(path: Any) -> None:
    document = '{"name": "x", "allCards": [{"title": "One"}, {"title": "Two"}], "other": [1]}'
    async with RunStream(agent_of(Deck, call(document)).run_stream_events('Go')) as stream:
        assert [item async for item in stream.items(path, Card)] == [Card(title='One'), Card(title='Two')]


@pytest.mark.parametrize('path', ['', 'titel', 'title', 'year', 'genres.0', 'genres.name', 'genres.*.name'])
async def test_items_where_no_list_can_be_say_so_at_once(path: str) -> None:
    async with RunStream(agent_of(Movie, call(DUNE)).run_stream_events('Go')) as stream:
        with pytest.raises(StreamUsageError, match=r'has no list at|is no list'):
            stream.items(path)


async def test_items_have_the_model_asked_again_at_once() -> None:
    bad, good = '[{"title": "One"}, {"title": 2}, {"title": "Three"}]', '[{"title": "One"}, {"title": "Two"}]'
    model = ScriptedModel(*(call(f'{{"response": {cards}}}') for cards in (bad, good)))
    async with RunStream(Agent(model, output_type=list[Card]).run_stream_events('Go')) as stream:
        items = [card.title async for card in stream.items(on_invalid='retry')]
    assert items == ['One', 'Two']
    assert model.requests[0].closed == 'left'


async def test_an_output_that_a_validator_has_changed_is_told_as_a_whole() -> None:
    agent = agent_of(Movie, call(DUNE))

    @agent.output_validator
    def shout(movie: Movie) -> Movie:
        return movie.model_copy(update={'title': movie.title.upper()})

    async with RunStream(agent.run_stream_events('Go')) as stream:
        partials = [partial async for partial in stream.partial_outputs()]
    final = partials[-1]
    assert (final.is_final, final.replaces) == (True, True)
    assert [(change.op, change.path, change.value) for change in final.changes] == [
        ('set', (), final.value),
        ('complete', (), final.value),
    ]
    assert json_patch(final) == [{'op': 'add', 'path': '', 'value': final.value.model_dump(mode='json')}]


async def test_an_output_as_the_model_has_sent_it_is_not_told_again() -> None:
    async with RunStream(agent_of(Movie, call(DUNE)).run_stream_events('Go')) as stream:
        partials = [partial async for partial in stream.partial_outputs()]
    assert partials[-1].is_final
    assert (partials[-1].replaces, partials[-1].changes, json_patch(partials[-1])) == (False, [], [])


class Sorted(BaseModel):
    cards: list[Card]

    @field_validator('cards', mode='before')
    @classmethod
    def seen_before(cls, cards: Any) -> Any:
        return cards


async def test_elements_of_a_list_that_cannot_be_cut_come_when_it_is_complete() -> None:
    document = '{"cards": [{"title": "One"}, {"title": "Two"}]}'
    async with RunStream(agent_of(Sorted, call(document)).run_stream_events('Go')) as stream:
        assert [item async for item in stream.items('cards')] == [Card(title='One'), Card(title='Two')]


async def test_an_invalid_element_is_left_out_and_those_of_the_next_attempt_follow_once() -> None:
    bad = '{"response": [{"name": "Rex"}, {"name": 7}, {"name": "Ida"}]}'
    good = '{"response": [{"name": "Rex"}, {"name": "Bo"}, {"name": "Ida"}]}'
    async with RunStream(agent_of(list[Dog], call(bad), call(good)).run_stream_events('Go')) as stream:
        assert [item.name async for item in stream.items()] == ['Rex', 'Ida', 'Bo']


async def test_arguments_in_a_code_fence_are_read_as_pydantic_ai_reads_them() -> None:
    seen = await snapshots(agent_of(Movie, call(f'```json\n{DUNE}\n```')))
    assert seen[-2].value == dune
    assert not any(partial.errors for partial in seen)


class Cat(BaseModel):
    name: str


class Cats(BaseModel):
    names: list[str]


async def test_the_name_of_a_tool_may_begin_with_that_of_another() -> None:
    start = ToolCallPart('final_result_Cat', None, tool_call_id='c')
    rest = ToolCallPartDelta(tool_name_delta='s', args_delta='{"names": ["Tom"]}')
    agent = agent_of(
        [Cat, Cats],
        [Event(PartStartEvent(index=0, part=start)), Event(PartDeltaEvent(index=0, delta=rest))],
    )
    seen = await snapshots(agent)
    assert [partial.value for partial in seen] == [Cats(names=['Tom'])] * 2
    assert not any(partial.errors for partial in seen)
