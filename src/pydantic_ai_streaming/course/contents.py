"""What is in `course.toml`: the lessons in their order, and which of them teaches which section of the documents."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = ['Course', 'CourseError', 'Document', 'Lesson', 'Section', 'in_checkout', 'lessons_folder', 'read_course']

PACKAGED = Path(__file__).parent / 'lessons'
"""Where the lessons are in an installed package."""
SHORTEST = 3
"""How many characters a part of a word has at least that a lesson is found by."""


class CourseError(Exception):
    """What the person at the command line is told, in one sentence."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra='forbid', frozen=True)


class Lesson(_Entry):
    """One lesson, as `course.toml` describes it.

    Attributes:
        name: The folder's name, such as `l02_streaming_text`.
        title: A few words.
        section: Which section of the tutorial it mirrors, in words of our own.
        objective: What one can do after it, in one sentence.
        hints: From a nudge to nearly the answer; `hint` gives one more each time.
        expected: What `lesson.py` prints in virtual time.
        clock: `real` for a lesson that needs real time, such as one with a server in a thread.
        planned: The lesson is not written yet, and nothing but its title is known.
    """

    name: str
    title: str
    section: str = ''
    objective: str = ''
    hints: list[str] = Field(default_factory=list[str])
    expected: str = ''
    clock: Literal['virtual', 'real'] = 'virtual'
    planned: bool = False

    @property
    def short(self) -> str:
        """The number of the lesson, such as `l02`."""
        return self.name.partition('_')[0]

    @model_validator(mode='after')
    def _is_whole(self) -> Lesson:
        missing = [field for field in ('section', 'objective', 'hints') if not getattr(self, field)]
        if missing and not self.planned:
            raise ValueError(f'{self.name} has no {" and no ".join(missing)} in course.toml')
        return self


class Section(_Entry):
    """One heading of a document: what it is about, and the lesson that teaches it or the reason why none does."""

    about: str
    lesson: str = ''
    left: str = ''

    @model_validator(mode='after')
    def _is_taught_or_left(self) -> Section:
        if bool(self.lesson) == bool(self.left):
            raise ValueError(f'{self.about!r} needs a lesson or the reason why it is left, and not both')
        return self


class Document(_Entry):
    """One of the documents that the course goes through: its headings, in order."""

    name: str
    sections: list[Section]


class Course(_Entry):
    """The whole of `course.toml`, and where the lessons are."""

    folder: Path
    entries: list[Lesson]
    documents: list[Document] = Field(default_factory=list[Document])

    @property
    def lessons(self) -> list[Lesson]:
        """Those that are written, in order."""
        return [lesson for lesson in self.entries if not lesson.planned]

    @property
    def planned(self) -> list[Lesson]:
        """Those that are not."""
        return [lesson for lesson in self.entries if lesson.planned]

    def path(self, lesson: Lesson, file: str) -> Path:
        """Where a file of a lesson is: `lesson.py`, `exercise.py`, `solution.py`, `check.py` or `README.md`."""
        return self.folder / lesson.name / file

    def find(self, called: str) -> Lesson:
        """The lesson of a number (`2`, `l02`) or a name (`l02_streaming_text`, `streaming text`).

        A part of a name will do, if only one lesson has it: `text`, as a word, or else `memor`.

        Raises:
            CourseError: There is none, or several; the message has their names, or the nearest one.
        """
        wanted = called.strip().strip('/').lower().replace(' ', '_').replace('-', '_')
        number = re.fullmatch(r'l?(\d+)', wanted)
        for lesson in self.entries:
            if (number and int(lesson.short[1:]) == int(number[1])) or wanted in _names(lesson):
                if lesson.planned:
                    raise CourseError(f'{lesson.short}, {lesson.title!r}, is not written yet.')
                return lesson
        holding = _holding(wanted, self.lessons)
        if len(holding) == 1:
            return holding[0]
        raise CourseError(f'There is no lesson {called!r}. {_meant(wanted, holding, self.lessons)}')


def lessons_folder() -> Path:
    """Where the lessons are: inside the installed package, or beside the sources in a checkout."""
    return Path(__file__).parents[3] / 'lessons' if in_checkout() else PACKAGED


def in_checkout() -> bool:
    """Whether this is the source tree, which has a Makefile, and not an installed package."""
    return not PACKAGED.is_dir()


def read_course(folder: Path | None = None) -> Course:
    """Read `course.toml`.

    Args:
        folder: Where it is; by default `lessons_folder()`.

    Raises:
        CourseError: It is not there, or not as it must be.
    """
    folder = folder or lessons_folder()
    file = folder / 'course.toml'
    try:
        told = tomllib.loads(file.read_text('utf-8'))
        entries = [{'name': name, **entry} for name, entry in told.get('lessons', {}).items()]
        return Course.model_validate({'folder': folder, 'entries': entries, 'documents': told.get('documents', [])})
    except FileNotFoundError:
        raise CourseError(f'The lessons are not here: there is no {file}.') from None
    except tomllib.TOMLDecodeError as error:
        raise CourseError(f'course.toml is no TOML: {error}.') from None
    except ValidationError as error:
        first = error.errors()[0]
        where = '.'.join(map(str, first['loc']))
        raise CourseError(f'course.toml, {where}: {first["msg"]}.') from None


def _names(lesson: Lesson) -> Sequence[str]:
    return (lesson.name, lesson.name.partition('_')[2])


def _holding(wanted: str, lessons: Sequence[Lesson]) -> list[Lesson]:
    """Those that have a word, or several, in their names; if none has, those that have it inside of a word."""
    words = [lesson for lesson in lessons if f'_{wanted}_' in f'_{lesson.name}_']
    return words or [lesson for lesson in lessons if len(wanted) >= SHORTEST and wanted in lesson.name]


def _meant(wanted: str, holding: Sequence[Lesson], lessons: Iterable[Lesson]) -> str:
    if len(holding) > 1:
        *some, last = [lesson.name for lesson in holding]
        return f'Did you mean {", ".join(some)} or {last}?'
    names = {name: lesson.name for lesson in lessons for name in (*_names(lesson), lesson.short)}
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    return f'Did you mean {names[near[0]]}?' if near else '`list` names them all.'
