"""What is invalid is flagged at once: by its path and pydantic's own error, in the chunk that completes it."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from benchmarks.documents import slices
from benchmarks.invalid import INVALID, Invalid, chunks_late
from benchmarks.judge import counted
from pydantic_ai_streaming import InvalidPart, partial_outputs

every_document = pytest.mark.parametrize('case', INVALID, ids=lambda case: case.name)


def first_flag(case: Invalid, size: int) -> tuple[int, InvalidPart]:
    """How many chunks late the first invalid part is flagged, and the part."""
    chunks, taken = slices(case.text, size), [0]
    for partial in partial_outputs(counted(chunks, taken), case.type):
        if partial.errors:
            return chunks_late(case, chunks, -(-taken[0] // size)), partial.errors[0]
    pytest.fail('it is not flagged')


def is_within(path: tuple[object, ...], location: tuple[object, ...]) -> bool:
    """Whether a location is a path, tags of unions left out."""
    steps = iter(location)
    return all(step in steps for step in path)


@every_document
@pytest.mark.parametrize('size', [1, 4])
def test_an_invalid_part_is_flagged_within_one_chunk_of_its_end(case: Invalid, size: int) -> None:
    late, part = first_flag(case, size)
    assert 0 <= late <= 1
    assert part.type == case.error
    if case.error != 'json_invalid':
        assert part.path == ('value', *case.path)


@every_document
def test_the_error_is_pydantics_own(case: Invalid) -> None:
    _, part = first_flag(case, 4)
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(case.type).validate_json(case.text)
    if case.error == 'json_invalid':
        assert caught.value.errors()[0]['type'] == 'json_invalid'
        return
    lines = [line for line in caught.value.errors() if (line['type'], line['msg']) == (part.type, part.message)]
    assert any(is_within(part.path, line['loc']) for line in lines)
    # Of an object there is what had come of it, without keys that are ignored.
    assert isinstance(part.input, dict) or part.input in [line['input'] for line in lines]


@every_document
def test_the_same_document_to_its_end_is_not_taken_for_valid(case: Invalid) -> None:
    snapshots = list(partial_outputs(slices(case.text, 4), case.type))
    assert not any(partial.is_final for partial in snapshots)
    assert snapshots[-1].errors


def test_there_is_a_document_for_each_kind_of_constraint() -> None:
    assert len({case.name for case in INVALID}) == len(INVALID) >= 40
    assert len({case.error for case in INVALID}) >= 40
