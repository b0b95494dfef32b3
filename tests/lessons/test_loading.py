"""A lesson's files are loaded again and again in one process, and may define the same things."""

from __future__ import annotations

from pathlib import Path

from pydantic_ai_streaming.course.exercise import load

EVENT = """\
from dataclasses import dataclass
from pydantic_ai import CustomEvent


@dataclass(kw_only=True)
class Read(CustomEvent, name='tests.lessons.read'):
    pages: int
"""


def test_an_exercise_with_the_solution_in_it_may_define_the_solutions_events(tmp_path: Path) -> None:
    for name in ('solution.py', 'exercise.py', 'solution.py'):
        (tmp_path / name).write_text(EVENT)
        assert load(tmp_path / name).Read(pages=1).pages == 1
