"""The checker of `tests.serve.chaos` sees what is wrong: each kind of defect, put into streams that are right."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.serve.chaos.checker import Event, Told, defects, words


def frames(text: list[str], *last: dict[str, str]) -> list[str]:
    return [json.dumps(one) for one in ({'type': 'start'}, *({'type': 'text', 'text': word} for word in text), *last)]


COMPLETE = {'type': 'end', 'finish': 'complete'}
LOST = {'type': 'error', 'finish': 'lost'}
TEXT = words(5, 'a')
WHOLE = frames(TEXT, COMPLETE)


def told(entries: list[str], *seen: list[int]) -> Told:
    """A stream, and the offsets that its viewers were sent; one viewer that was sent everything by default."""
    viewers = seen or ([*range(len(entries))],)
    return Told('s', entries, len(TEXT), [[Event(offset, entries[offset]) for offset in one] for one in viewers])


def kinds(*streams: Told) -> set[str]:
    return {one.kind for one in defects(streams, within=4.0)}


def test_nothing_is_wrong_with_streams_that_are_right() -> None:
    assert kinds(told(WHOLE), told(frames(TEXT[:2], LOST)), told(frames([], LOST))) == set()
    assert kinds(replace(told(WHOLE), died_at=10.0, ended_at=14.0)) == set()


@pytest.mark.parametrize(
    ('seen', 'kind'),
    [
        ([0, 1, 2, 2, 3, 4, 5, 6], 'duplicated'),
        ([0, 1, 2, 3, 1, 2, 3, 4, 5, 6], 'duplicated'),
        ([0, 1, 2, 4, 5, 6], 'missing'),
        ([1, 2, 3, 4, 5, 6], 'missing'),
        ([0, 1, 3, 2, 4, 5, 6], 'reordered'),
        ([0, 1, 2, 3, 4, 6, 5], 'reordered'),
    ],
)
def test_what_a_viewer_was_sent_twice_not_at_all_or_in_another_order(seen: list[int], kind: str) -> None:
    assert kind in kinds(told(WHOLE, [*range(7)], seen))
    assert kinds(told(WHOLE, seen)) - {'endless'} == {kind}


@pytest.mark.parametrize(
    ('entries', 'kind'),
    [
        (frames([*TEXT[:2], *TEXT[1:]], COMPLETE), 'duplicated'),
        (frames([*TEXT[:2], *TEXT[3:]], COMPLETE), 'missing'),
        (frames(TEXT[:-1], COMPLETE), 'missing'),
        (frames([*TEXT[1:3]], LOST), 'missing'),
        (frames([TEXT[0], TEXT[2], TEXT[1], *TEXT[3:]], COMPLETE), 'reordered'),
        (frames([*TEXT[:2], *words(5, 'b')[2:]], COMPLETE), 'disagreeing'),
        (frames(TEXT), 'endless'),
        (frames(TEXT, LOST, {'type': 'text', 'text': ''}), 'endless'),
        (frames(TEXT, COMPLETE, LOST), 'endless'),
    ],
)
def test_what_is_wrong_in_the_log_itself_though_all_viewers_were_sent_the_same(entries: list[str], kind: str) -> None:
    assert kind in kinds(told(entries))
    assert kinds(told(entries)) <= {kind, 'endless'}


def test_viewers_that_disagree() -> None:
    right = told(WHOLE)
    other = [*right.seen[0]]
    other[3] = replace(other[3], data=other[4].data)
    assert kinds(replace(right, seen=[right.seen[0], other])) == {'disagreeing'}
    # What a viewer has seen, and the log has lost after that.
    assert kinds(replace(right, entries=frames(TEXT[:3], LOST))) == {'disagreeing'}


def test_a_viewer_that_was_never_told_of_the_end() -> None:
    assert kinds(told(WHOLE, [*range(7)], [*range(6)])) == {'missing', 'endless'}
    assert kinds(told(WHOLE, [])) == {'missing', 'endless'}


def test_an_end_that_comes_late() -> None:
    assert kinds(replace(told(frames(TEXT[:2], LOST)), died_at=10.0, ended_at=14.1)) == {'late'}
