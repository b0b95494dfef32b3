"""Each lesson is what it says: its output, its exercise, its solution, its README, its notebook."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pydantic_ai_streaming.course.contents import Lesson, read_course
from pydantic_ai_streaming.course.verifying import wrong_in_lesson, wrong_in_notebooks

LESSONS = Path(__file__).parents[2] / 'lessons'
COURSE = read_course(LESSONS)

every_lesson = pytest.mark.parametrize('lesson', COURSE.lessons, ids=lambda lesson: lesson.name)


@every_lesson
def test_the_lesson_is_what_it_says(lesson: Lesson) -> None:
    assert wrong_in_lesson(COURSE, lesson) == []


@pytest.fixture(scope='module')
def notebooks(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """All that were asked for at once, because each takes its time in a kernel."""
    asked = [lesson for lesson in COURSE.lessons if any(lesson.name in item.name for item in request.session.items)]
    return wrong_in_notebooks(COURSE, asked)


@every_lesson
def test_the_notebook_prints_the_same_in_a_real_kernel(lesson: Lesson, notebooks: dict[str, list[str]]) -> None:
    assert notebooks[lesson.name] == []


@every_lesson
def test_the_lesson_is_short(lesson: Lesson) -> None:
    limits = {'lesson.py': 90, 'exercise.py': 150, 'solution.py': 150, 'check.py': 165}
    if lesson.name == 'l20_news_summarizer':  # the capstone puts together what many lessons teach
        limits |= {'lesson.py': 150, 'check.py': 215}
    for file, limit in limits.items():
        assert len(COURSE.path(lesson, file).read_text('utf-8').splitlines()) <= limit


def test_every_folder_is_a_lesson() -> None:
    folders = {path.parent.name for path in LESSONS.glob('*/lesson.py')}
    assert folders == {lesson.name for lesson in COURSE.lessons}
    assert [entry.name for entry in COURSE.entries] == sorted(entry.name for entry in COURSE.entries)


@every_lesson
def test_the_lesson_imports_public_names_only(lesson: Lesson) -> None:
    for file in COURSE.path(lesson, '').glob('*.py'):
        for node in ast.walk(ast.parse(file.read_text('utf-8'))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            modules = [node.module or ''] if isinstance(node, ast.ImportFrom) else []
            for name in (*names, *modules):
                assert not any(part.startswith('_') and part != '__future__' for part in name.split('.')), name


def test_links_lead_somewhere_and_those_of_lessons_stay_among_them() -> None:
    for page in LESSONS.rglob('*.md'):
        for target in re.findall(r'\]\((?!https?:)([^)#]+)', page.read_text('utf-8')):
            assert (page.parent / target).resolve().is_relative_to(LESSONS), f'{page.name} links to {target}'
            assert (page.parent / target).exists(), f'{page.name} links to {target}'


def test_every_lesson_is_in_the_table() -> None:
    table = (LESSONS / 'README.md').read_text('utf-8')
    for lesson in COURSE.lessons:
        assert f'| {lesson.short[1:]} | [{lesson.title}]({lesson.name}/README.md) |' in table
