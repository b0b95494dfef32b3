"""Whether the lessons are what they say: the outputs, the notebooks, the starters, the solutions, the quotes."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import io
import os
import re
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..testing import virtual_time
from .checking import check_file
from .contents import Course, CourseError, Lesson
from .exercise import load, told
from .notebooks import Kernel, kernels_ready, notebook
from .quotes import filled, misquoted

__all__ = ['expected_written', 'notebook_of', 'output_of', 'quotes_written', 'wrong_in_lesson', 'wrong_in_notebooks']

TIMES = re.compile(r'\b\d+(?:\.\d+)? ?(s|ms)\b')
RATES = re.compile(r'\b\d+(?:\.\d+)?/s')
KERNELS, EACH = 4 * (os.cpu_count() or 1), 3
"""How many kernels there are at most, and for how many lessons one is started."""
WARM_UP = 'import pydantic_ai.agent, pydantic_ai_streaming.testing, pydantic_ai_streaming.run.stream'
"""What takes a second to import, and nearly every lesson does."""
EXPECTED = re.compile(r"^expected = '''\n.*?'''$", re.MULTILINE | re.DOTALL)


def output_of(course: Course, lesson: Lesson) -> str:
    """What a lesson prints, in virtual time unless it needs real time.

    Raises:
        CourseError: It failed.
    """
    file, printed = course.path(lesson, 'lesson.py'), io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            main = load(file).main()
            if lesson.clock == 'real':
                asyncio.run(main)
            else:
                virtual_time.run(main)
        except Exception as error:
            raise CourseError(told(error, file)) from error
    return printed.getvalue()


def wrong_in_lesson(course: Course, lesson: Lesson) -> list[str]:
    """What is wrong with a lesson in itself, in sentences; its notebook is another matter."""
    missing = [
        file
        for file in ('README.md', 'lesson.py', 'exercise.py', 'solution.py', 'check.py')
        if not course.path(lesson, file).is_file()
    ]
    if missing:
        return [f'there is no {file}' for file in missing]
    return [
        *_wrong_output(course, lesson),
        *_wrong_exercise(course, lesson),
        *misquoted(course.path(lesson, 'README.md'), lesson.expected),
    ]


def wrong_in_notebooks(course: Course, lessons: Sequence[Lesson], kernels: int | None = None) -> dict[str, list[str]]:
    """Whether the notebooks print in a real kernel what `course.toml` says, times apart.

    Args:
        course: The course.
        lessons: Which of its lessons.
        kernels: How many at the same time. By default one for three lessons, and four for each processor at most: a
            lesson there mostly waits, in real time, but a kernel takes two seconds of a processor to start.

    Returns:
        What is wrong, for the name of each lesson.

    Raises:
        ImportError: ipykernel or jupyter_client is not installed.
    """
    wrong: dict[str, list[str]] = {}
    left = deque(lessons)

    async def try_one(one: Kernel, lesson: Lesson) -> None:
        printed = await one.printed(notebook_of(course, lesson))
        wrong[lesson.name] = _compared('the notebook', _settled(lesson.expected), _settled(printed))

    async def try_some(one: Kernel) -> None:
        while left:
            await try_one(one, left.popleft())

    async def try_all() -> None:
        # All are there before the first lesson begins: a kernel that starts takes the time that another one measures.
        async with kernels_ready(kernels or min(KERNELS, -(-len(lessons) // EACH)), WARM_UP) as ready:
            await asyncio.gather(*map(try_some, ready))
            # On a busy machine, what was to come first may have come second. So what differs is tried again, by itself.
            for lesson in lessons:
                if wrong[lesson.name]:
                    await try_one(ready[0], lesson)

    asyncio.run(try_all())
    return {lesson.name: wrong[lesson.name] for lesson in lessons}


def notebook_of(course: Course, lesson: Lesson, file: Path | None = None) -> dict[str, Any]:
    """The notebook of a lesson, from its `lesson.py` or a learner's version of it."""
    source = (file or course.path(lesson, 'lesson.py')).read_text('utf-8')
    return notebook(source, f'{lesson.short}: {lesson.title}')


def quotes_written(course: Course, lesson: Lesson) -> bool:
    """Bring the quotes of a README up to date; whether that changed something.

    Raises:
        CourseError: A quote names something that is not there.
    """
    readme = course.path(lesson, 'README.md')
    try:
        text = filled(readme)
    except LookupError as error:
        raise CourseError(f'{lesson.name}/README.md: {error.args[0]}.') from None
    if text == readme.read_text('utf-8'):
        return False
    readme.write_text(text, 'utf-8')
    return True


def expected_written(course: Course, lesson: Lesson) -> bool:
    """Write into `course.toml` what a lesson prints now; whether that changed something.

    Raises:
        CourseError: The lesson failed, or its entry has no `expected = '''` to write to.
    """
    printed = output_of(course, lesson)
    settle = _settler(lesson)
    if settle(printed) == settle(lesson.expected):
        return False
    file = course.folder / 'course.toml'
    before, header, rest = file.read_text('utf-8').partition(f'[lessons.{lesson.name}]\n')
    entry, following, after = rest.partition('\n[')
    if "'''" in printed or '\\' in printed or not EXPECTED.search(entry):
        raise CourseError(f"{lesson.name} needs lines expected = ''' and ''' in course.toml, and must print no '''.")
    entry = EXPECTED.sub(lambda _: f"expected = '''\n{printed}'''", entry)
    file.write_text(before + header + entry + following + after, 'utf-8')
    return True


def _wrong_output(course: Course, lesson: Lesson) -> list[str]:
    try:
        printed = output_of(course, lesson)
    except CourseError as error:
        return [str(error)]
    settle = _settler(lesson)
    return _compared('lesson.py', settle(lesson.expected), settle(printed))


def _wrong_exercise(course: Course, lesson: Lesson) -> list[str]:
    checks = course.path(lesson, 'check.py')
    try:
        load(checks)
    except Exception as error:
        return [told(error, checks)]
    starter = check_file(course.path(lesson, 'exercise.py'), checks)
    solution = check_file(course.path(lesson, 'solution.py'), checks)
    wrong: list[str] = []
    if starter.passed:
        wrong.append('the starter passes already')
    elif starter.crashed:
        wrong.append(f'the starter fails with an error, where a check is to say what is wrong: {starter.sentence}')
    elif not re.search(r'\w \w.*[.?!]$', starter.sentence, re.DOTALL):
        wrong.append(f'the starter does not fail with a sentence: {starter.sentence!r}')
    if not solution.passed:
        wrong.append(f'the solution fails: {solution.sentence}')
    elif len(solution.done) == 0:
        wrong.append('check.py has no check_... functions')
    return wrong


def _settler(lesson: Lesson) -> Callable[[str], str]:
    return _settled if lesson.clock == 'real' else str


def _settled(text: str) -> str:
    """Without what differs from run to run in real time: seconds and rates."""
    return RATES.sub('#/s', TIMES.sub(r'# \1', text))


def _compared(what: str, expected: str, printed: str) -> list[str]:
    if expected == printed:
        return []
    lines = difflib.unified_diff(expected.splitlines(), printed.splitlines(), 'course.toml', what, lineterm='', n=1)
    return ['\n'.join([f'{what} does not print what course.toml says:', *lines])]
