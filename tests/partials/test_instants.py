"""What is shown is right at every instant, and as fresh as it can be: every document, however it is cut."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from typing import Any

import jiter
import pytest
from pydantic_ai import Agent

from benchmarks.documents import CHUNKINGS, LARGE, SMALL, Record, Tasks, document, slices
from benchmarks.judge import Judge, counted, in_value, judge_partial_outputs, table
from benchmarks.oracle import Oracle
from pydantic_ai_streaming import PartialOutput, RunStream, partial_outputs
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall

FRESH = 0.99
LOOKS = 12
"""At how many snapshots of a large document all of it is compared; at the others what has changed."""


class Signed(Tasks):
    by: str = 'nobody'


every_way_to_cut = pytest.mark.parametrize('chunking', CHUNKINGS)


@every_way_to_cut
@pytest.mark.parametrize('name', SMALL)
def test_no_snapshot_is_wrong_takes_back_mistypes_or_cries_wolf(name: str, chunking: str) -> None:
    material = document(name)
    verdict = judge_partial_outputs(material, Oracle(material), CHUNKINGS[chunking](material.text))
    assert verdict.faults == (0, 0, 0, 0)
    assert verdict.freshness >= FRESH


@every_way_to_cut
@pytest.mark.parametrize('name', LARGE)
def test_no_snapshot_of_a_large_document_is_wrong_either(name: str, chunking: str) -> None:
    material = document(name)
    verdict = judge_partial_outputs(material, Oracle(material), CHUNKINGS[chunking](material.text), looks=LOOKS)
    assert verdict.faults == (0, 0, 0, 0)
    assert verdict.freshness >= FRESH


@pytest.mark.parametrize('name', SMALL)
def test_a_single_cut_anywhere_makes_no_snapshot_wrong(name: str) -> None:
    material = document(name)
    oracle, text = Oracle(material), material.text
    wrong: dict[int, object] = {}
    for place in range(1, len(text)):
        verdict = judge_partial_outputs(material, oracle, [text[:place], text[place:]])
        if any(verdict.faults) or verdict.freshness < FRESH:
            wrong[place] = verdict
    assert wrong == {}


@pytest.mark.parametrize('name', SMALL)
def test_a_snapshot_never_changes_once_it_is_there(name: str) -> None:
    material = document(name)
    paths = list(Oracle(material).at)

    def seen(partial: PartialOutput[Any]) -> Any:
        states = [partial.state(path) for path in paths]
        return deepcopy((partial.value, states, partial.changes, partial.finished, partial.received))

    for size in (1, 6, 64):
        chunks = slices(material.text, size)
        snapshots = [(partial, seen(partial)) for partial in partial_outputs(chunks, material.type)]
        assert [seen(partial) for partial, _ in snapshots] == [then for _, then in snapshots]


def test_what_waits_for_its_tag_is_missing_and_stays_so_in_the_snapshot() -> None:
    text = document('order').text
    path, cut = ('lines', 1, 'article', 'model'), text.index('"kind": "device"')
    early, *_, last = partial_outputs([text[:cut], text[cut:]], document('order').type)
    assert (early.value.lines[1].article, early.state(path), early.state(path[:-1])) == (None, 'missing', 'streaming')
    assert last.state(path) == 'complete'


def test_a_default_is_not_taken_for_the_text_that_is_about_to_come() -> None:
    first, second, *_ = partial_outputs(['{"project": "x", "tasks": [], "by": ', '"A', 'da"}'], Signed)
    assert (first.value.by, first.state('by')) == ('nobody', 'missing')
    assert (second.value.by, second.state('by')) == ('A', 'streaming')


# The judge itself


def test_the_oracle_knows_when_each_character_can_be_read() -> None:
    oracle = Oracle(document('movie'))
    title = oracle.leaves[0]
    text = document('movie').text
    assert [text[:at] for at in title.shown_at[2:5]] == [
        '{"title": "Am\\u00e9',
        '{"title": "Am\\u00e9l',
        '{"title": "Am\\u00e9li',
    ]
    assert text[: title.shown_at[-1]].endswith('\\ud83c\\udfac')
    assert [text[: leaf.complete][-6:] for leaf in oracle.leaves if leaf.path == ('year',)] == [' 2001,']


def test_the_judge_sees_numbers_that_are_shown_too_early_and_dates_that_are_no_dates() -> None:
    material = document('tasks')
    oracle, text = Oracle(material), material.text
    raw, typed = Judge(oracle, json.loads(text)), Judge(oracle, material.value)
    for end in range(1, len(text)):
        snapshot = jiter.from_json(text[:end].encode(), partial_mode='trailing-strings')
        raw.look(in_value(snapshot))
        typed.look(in_value(snapshot))
    # 12 and 100.0 begin with 1; every date and every priority is text that grows.
    assert raw.verdict.wrong > 0
    assert raw.verdict.taken_back > 0
    assert typed.verdict.mistyped > 100


def test_the_table_tells_every_document_in_every_way_to_cut() -> None:
    lines = list(table(['plan']))
    assert [line.split()[1] for line in lines[1:]] == list(CHUNKINGS)
    assert all(line.split()[3:7] == ['0', '0', '0', '0'] for line in lines[1:])


# Elements of a list


def closing_brackets(text: str) -> list[int]:
    """Lengths of the prefixes that end with an element of an array of objects."""
    decoder, ends, at = json.JSONDecoder(), list[int](), 1
    while text[at] != ']':
        at = decoder.raw_decode(text, at)[1]
        ends.append(at)
        at += text[at] == ','
        at += text[at] == ' '
    return ends


@every_way_to_cut
def test_an_element_is_a_valid_instance_in_the_chunk_with_its_bracket(chunking: str) -> None:
    material = document('records-10k')
    chunks, prefix = CHUNKINGS[chunking](material.text), [0]
    missing = dict(enumerate(closing_brackets(material.text)))
    lengths = [0]
    for partial in partial_outputs(counted(chunks, prefix), list[Record]):
        for index, end in list(missing.items()):
            if partial.state(index) == 'complete':
                assert partial.value[index] == Record.model_validate(json.loads(material.text)[index])
                assert lengths[-1] < end <= prefix[0] or lengths[-1] == prefix[0]
                del missing[index]
            elif end <= prefix[0]:
                pytest.fail(f'element {index} is {partial.state(index)} though it has come')
            else:
                break
        lengths.append(prefix[0])
    assert missing == {}


@pytest.mark.virtual_time
@pytest.mark.no_task_left
async def test_items_of_a_run_come_in_the_chunk_with_their_bracket() -> None:
    text = f'{{"response": {document("records-10k").text}}}'
    size = 7
    pieces = slices(text, size)
    agent = Agent(ScriptedModel([ToolCall('final_result', pieces=pieces)], gap=1.0), output_type=list[Record])
    began = asyncio.get_running_loop().time()
    seen: list[tuple[float, int]] = []
    async with RunStream(agent.run_stream_events('Go')) as stream:
        async for item in stream.items():
            assert type(item) is Record
            seen.append((asyncio.get_running_loop().time() - began, item.id))
    # The call itself comes after one second, and a piece each second from then on.
    lengths = [len('{"response": ') + end for end in closing_brackets(document('records-10k').text)]
    assert seen == [(1.0 + -(-length // size), number) for number, length in enumerate(lengths, 1)]
