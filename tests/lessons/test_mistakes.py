"""Mistakes that learners make in an exercise, and that its checks are to find and to name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pydantic_ai_streaming.course.checking import Verdict, check_file

LESSONS = Path(__file__).parents[2] / 'lessons'

KEPT = 'history[:] = stream.messages'


def checked(lesson: str, right: str, wrong: str, folder: Path) -> Verdict:
    """What the checks say to the solution with a mistake in it."""
    solution = (LESSONS / lesson / 'solution.py').read_text('utf-8')
    assert right in solution
    (folder / 'exercise.py').write_text(solution.replace(right, wrong), 'utf-8')
    return check_file(folder / 'exercise.py', LESSONS / lesson / 'check.py')


@pytest.mark.parametrize(
    ('lesson', 'right', 'wrong', 'answer'),
    [
        ('l13_interruptions', KEPT, 'history.extend(stream.messages)', "It has ['Count!', 'Count!', 'Go on.']"),
        ('l13_interruptions', KEPT, 'history = stream.messages', '`history = ...` only binds a name'),
        ('l34_server_sent_events', "line.removesuffix('\\r')", 'line.rstrip()', "you read ['one', 'two']"),
    ],
)
def test_a_mistake_is_found_and_named(lesson: str, right: str, wrong: str, answer: str, tmp_path: Path) -> None:
    verdict = checked(lesson, right, wrong, tmp_path)
    assert answer in verdict.sentence
    assert not verdict.crashed
