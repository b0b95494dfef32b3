"""The learner's folder: the lessons to read and change, the exercises, and how far one has come."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, cast

from .contents import Course, CourseError, Lesson

__all__ = ['DEFAULT', 'Folder', 'find_folder', 'make_folder']

PROGRESS = '.lessons.json'
DEFAULT = 'streaming-lessons'
"""The folder that `init` makes, and that is looked for where none is the current one."""
COPIED = ('README.md', 'lesson.py', 'exercise.py')


class Folder:
    """A learner's folder.

    Args:
        path: Where it is. It holds `.lessons.json`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def exercise(self, lesson: Lesson) -> Path:
        """The learner's exercise.

        Raises:
            CourseError: It is not there.
        """
        file = self.path / lesson.name / 'exercise.py'
        if not file.is_file():
            raise CourseError(f'{file} is not there. `reset {lesson.short}` brings the starter back.')
        return file

    def hints(self, lesson: Lesson) -> int:
        """How many hints were given."""
        hints = self._of(lesson).get('hints', 0)
        return hints if isinstance(hints, int) else 0

    def passed(self, lesson: Lesson) -> bool:
        """Whether the exercise was right once."""
        return self._of(lesson).get('passed') is True

    def note(self, lesson: Lesson, **what: bool | int) -> None:
        """Write down how far a lesson has come."""
        progress = self._read()
        progress[lesson.name] = {**self._of(lesson), **what}
        # In one step, so that Ctrl-C at the wrong moment loses nothing.
        new = self.path / f'{PROGRESS}.new'
        new.write_text(json.dumps(progress, indent=1) + '\n', 'utf-8')
        os.replace(new, self.path / PROGRESS)

    def add(self, course: Course, lesson: Lesson) -> bool:
        """Copy a lesson that is not there; whether anything was missing. What is there stays as it is."""
        target = self.path / lesson.name
        missing = [file for file in COPIED if not (target / file).exists()]
        target.mkdir(exist_ok=True)
        for file in missing:
            shutil.copyfile(course.path(lesson, file), target / file)
        return bool(missing)

    def reset(self, course: Course, lesson: Lesson) -> list[Path]:
        """Bring a lesson's files back as they were.

        Returns:
            Where the learner's own versions are now, of the files that had changed.
        """
        kept: list[Path] = []
        for file in COPIED:
            mine, original = self.path / lesson.name / file, course.path(lesson, file)
            if mine.exists() and mine.read_bytes() != original.read_bytes():
                kept.append(_free(mine))
                mine.rename(kept[-1])
        self.add(course, lesson)
        self.note(lesson, passed=False, hints=0)
        return kept

    def _of(self, lesson: Lesson) -> dict[str, Any]:
        return self._read().get(lesson.name, {})

    def _read(self) -> dict[str, dict[str, Any]]:
        file = self.path / PROGRESS
        try:
            progress = json.loads(file.read_text('utf-8'))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise CourseError(f'{file} cannot be read. Delete it to begin anew; the exercises stay.') from None
        return cast('dict[str, dict[str, Any]]', progress) if isinstance(progress, dict) else {}


def find_folder(start: Path | None = None) -> Folder | None:
    """The folder that holds `start` (by default the current folder), or `streaming-lessons` in it."""
    start = (start or Path.cwd()).absolute()
    for path in (start, *start.parents, start / DEFAULT):
        if (path / PROGRESS).is_file():
            return Folder(path)
    return None


def make_folder(path: Path, course: Course) -> tuple[Folder, int]:
    """Make a folder with all lessons, or add to one those that it lacks.

    Returns:
        The folder, and how many lessons were added.

    Raises:
        CourseError: There is something else of that name, or a course folder around it.
    """
    whole = Path(os.path.abspath(path))  # without '..', which would make what is beside a folder look inside it
    if course.folder.absolute() in (whole, *whole.parents):
        raise CourseError('That is where the lessons come from: choose another folder.')
    for around in whole.parents:
        if (around / PROGRESS).is_file():
            where = 'You are in one' if around in (Path.cwd(), *Path.cwd().parents) else 'There is one around it'
            raise CourseError(f'{path} would be a course folder inside a course folder. {where}: {around}')
    try:
        path.mkdir(parents=True, exist_ok=True)
        folder = Folder(path)
        if not (path / PROGRESS).exists():
            (path / PROGRESS).write_text('{}\n', 'utf-8')
        return folder, sum(folder.add(course, lesson) for lesson in course.lessons)
    except OSError as error:
        raise CourseError(f'{path} cannot be made: {error.strerror}.') from None


def _free(path: Path) -> Path:
    for number in range(1, 1000):
        candidate = path.with_name(f'{path.stem}.mine{number}{path.suffix}')
        if not candidate.exists():
            return candidate
    raise CourseError(f'There are a thousand versions of {path}: delete some.')
