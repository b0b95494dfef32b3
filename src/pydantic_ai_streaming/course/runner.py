"""What the commands of the course do, told in plain lines that any terminal and any pipe can show."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import textwrap
import time
from pathlib import Path

from pydantic_ai.exceptions import AgentRunError

from ..core.wording import counted
from ..demo.models import ModelUnavailableError, sentence
from ..errors import StreamingError
from .calling import called_anywhere, quoted
from .checking import check_file
from .contents import Course, CourseError, Lesson
from .exercise import load, told
from .folder import DEFAULT, Folder, find_folder, make_folder
from .model import LIVE
from .verifying import expected_written, notebook_of, quotes_written, wrong_in_lesson, wrong_in_notebooks
from .watching import saves

__all__ = ['LIVE_SECONDS', 'Runner']

LIVE_SECONDS = 180
"""How long a lesson with a real model may take in all."""
WIDTH = 100


class Runner:
    """The commands. Each prints, and returns the exit code.

    Args:
        course: The lessons.
        prog: What one types to call it, for what is told.
    """

    def __init__(self, course: Course, prog: str) -> None:
        self.course = course
        self.prog = prog
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors='replace')  # a terminal may lack ✓

    def list(self) -> int:
        """The lessons, with those done marked."""
        folder = find_folder()
        for lesson in self.course.lessons:
            mark = '✓' if folder is not None and folder.passed(lesson) else '·'
            say(f'{mark} {lesson.short}  {lesson.title}')
            say(lesson.objective, indent=6)
        if self.course.planned:
            say(f'{len(self.course.planned)} more are not written yet.')
        if folder is None:
            say(f'`{self.prog} init` makes a folder with the exercises.')
        return 0

    def init(self, path: Path | None) -> int:
        """Make the learner's folder, or complete it."""
        path = path or Path(DEFAULT)
        made, added = make_folder(path, self.course)
        first = self.course.lessons[0]
        if added:
            are = 'is' if added == 1 else 'are'
            say(f'{counted(added, "lesson")} {are} now in {path}. Read {path / first.name / "README.md"}, then:')
            found, prog = find_folder(), self.prog
            if found is None or not found.path.samefile(made.path):
                prog = called_anywhere()
                say(f'  cd {quoted(path)}')
            say(f'  {prog} run {first.short}\n  {prog} watch')
        else:
            say(f'{path} has all lessons already; nothing was changed.')
        return 0

    def run(self, called: str | None, live: str | None) -> int:
        """Run a lesson: the learner's version of it, if there is one."""
        folder, lesson = find_folder(), self._lesson(called)
        if live is not None:
            os.environ[LIVE] = live
        model = os.environ.get(LIVE, '')
        mine = folder.path / lesson.name / 'lesson.py' if folder is not None else None
        file = mine if mine is not None and mine.is_file() else self.course.path(lesson, 'lesson.py')
        who = (
            f'asking {model}'
            if model
            else 'with a scripted model that writes at a natural pace (--live asks a real one)'
        )
        say(f'{lesson.short}: {lesson.title}, {who}\n')
        try:
            asyncio.run(_limited(file, LIVE_SECONDS if model else None))
        except TimeoutError:
            return _fails(f'The lesson was stopped after {LIVE_SECONDS} s, which is its limit with a real model.')
        except ModelUnavailableError as error:
            return _fails(str(error), 2)
        except (AgentRunError, StreamingError) as error:
            return _fails(sentence(error, model) if model else told(error, file))
        except BrokenPipeError:
            raise  # whoever read what it prints has left
        except Exception as error:
            return _fails(told(error, file))
        say(f'\nWhy: {file.parent / "README.md"}')
        return 0

    def check(self, called: str | None) -> int:
        """Check the learner's exercise."""
        folder = self._folder()
        if not self._checked(folder, self._lesson(called)):
            return 1
        self._tell_next(folder)
        return 0

    def watch(self, called: str | None) -> int:
        """Check on each save, and go on to the next lesson when one is done."""
        folder = self._folder()
        lesson = self._lesson(called)
        while True:
            say(f'{folder.exercise(lesson)}\nis checked whenever you save it. Ctrl-C ends this.\n')
            for _ in saves(folder.exercise(lesson)):
                say(time.strftime('%H:%M:%S'))
                if self._checked(folder, lesson):
                    break
            left = [lesson for lesson in self.course.lessons if not folder.passed(lesson)]
            if not left or called is not None:
                self._tell_next(folder)
                return 0
            lesson = left[0]

    def hint(self, called: str | None) -> int:
        """The hints given so far, and one more."""
        folder, lesson = self._folder(), self._lesson(called)
        given = min(folder.hints(lesson) + 1, len(lesson.hints))
        folder.note(lesson, hints=given)
        for number, hint in enumerate(lesson.hints[:given], 1):
            say(f'{number}/{len(lesson.hints)}  {hint}', indent=5, first='')
        if given == len(lesson.hints):
            say(f'That was the last. `{self.prog} solution {lesson.short}` shows how it can be done.')
        return 0

    def solution(self, called: str | None) -> int:
        """Print a solution."""
        print(self.course.path(self._lesson(called), 'solution.py').read_text('utf-8'), end='')
        return 0

    def reset(self, called: str | None) -> int:
        """Bring the files of a lesson back."""
        folder, lesson = self._folder(), self._lesson(called)
        for kept in folder.reset(self.course, lesson):
            say(f'Yours is kept as {kept}')
        say(f'{lesson.short} is as it was in the beginning.')
        return 0

    def notebook(self, called: str | None, out: str | None) -> int:
        """Write a lesson as a notebook."""
        lesson = self._lesson(called)
        text = json.dumps(notebook_of(self.course, lesson), indent=1, ensure_ascii=False) + '\n'
        if out == '-':
            print(text, end='')
            return 0
        file = Path(out or f'{lesson.name}.ipynb')
        try:
            # Somebody's outputs and notes may be in it.
            with file.open('x', encoding='utf-8') as new:
                new.write(text)
        except FileExistsError:
            return _fails(f'{file} is there already: delete it, or choose another name with --out.', 2)
        except OSError as error:
            return _fails(f'{file} cannot be written: {error.strerror}.', 2)
        say(f'{file} is written. Open it with Jupyter, in an environment that has this package.')
        return 0

    def progress(self) -> int:
        """How far the learner has come."""
        folder = self._folder()
        done = [lesson for lesson in self.course.lessons if folder.passed(lesson)]
        for lesson in self.course.lessons:
            hints = folder.hints(lesson)
            helped = f'  ({hints} of {len(lesson.hints)} hints)' if hints else ''
            say(f'{"✓" if lesson in done else "·"} {lesson.short}  {lesson.title}{helped}')
        say(f'{len(done)} of {len(self.course.lessons)} exercises are done.')
        if len(done) == len(self.course.lessons):
            self._sum_up()
        self._tell_next(folder)
        return 0

    def verify(self, called: list[str], *, notebooks: bool, write: bool) -> int:
        """Tell what is wrong with the lessons."""
        course = self.course
        lessons = [course.find(name) for name in called] or course.lessons
        if write:
            for lesson in lessons:
                if expected_written(course, lesson) | quotes_written(course, lesson):
                    say(f'{lesson.name}: written anew; read what has changed')
            return Runner(_read_again(course), self.prog).verify(called, notebooks=notebooks, write=False)
        wrong = {lesson.name: wrong_in_lesson(course, lesson) for lesson in lessons}
        if notebooks:
            try:
                for name, sentences in wrong_in_notebooks(course, lessons).items():
                    wrong[name] += sentences
            except ImportError:
                say('The notebooks were not run: pip install ipykernel')
        for name, sentences in wrong.items():
            say(f'{"✗" if sentences else "✓"} {name}')
            for told_ in sentences:
                print(textwrap.indent(told_, '  '))
        return 1 if any(wrong.values()) else 0

    def _checked(self, folder: Folder, lesson: Lesson) -> bool:
        verdict = check_file(folder.exercise(lesson), self.course.path(lesson, 'check.py'))
        for done in verdict.done:
            say(f'✓ {done}')
        if not verdict.passed:
            if verdict.missing:
                say(f'✗ {verdict.missing}')
            say(verdict.sentence, indent=2)
            say(f'  `{self.prog} hint {lesson.short}` gives a hint.\n' if verdict.missing else '')
            return False
        say(f'{lesson.short} is done, checked in {verdict.seconds * 1000:.0f} ms.\n')
        was_done = all(map(folder.passed, self.course.lessons))
        folder.note(lesson, passed=True)
        if not was_done and all(map(folder.passed, self.course.lessons)):
            self._sum_up()
        return True

    def _tell_next(self, folder: Folder) -> None:
        left = next((lesson for lesson in self.course.lessons if not folder.passed(lesson)), None)
        if left is not None:
            say(f'Next: `{self.prog} run {left.short}`, then {folder.path / left.name / "exercise.py"}')

    def _sum_up(self) -> None:
        say('All exercises are done. What you can do now:')
        for lesson in self.course.lessons:
            say(f'· {lesson.objective}', indent=4, first='  ')

    def _folder(self) -> Folder:
        folder = find_folder()
        if folder is None:
            raise CourseError(
                f'There is no course folder here. `{self.prog} init` makes one, {DEFAULT}; or go to the one you have.'
            )
        return folder

    def _lesson(self, called: str | None) -> Lesson:
        if called is not None:
            return self.course.find(called)
        folder = find_folder()
        left = [lesson for lesson in self.course.lessons if folder is None or not folder.passed(lesson)]
        return (left or self.course.lessons)[0]


async def _limited(file: Path, seconds: float | None) -> None:
    async with asyncio.timeout(seconds):
        await load(file).main()


def _read_again(course: Course) -> Course:
    from .contents import read_course

    return read_course(course.folder)


def _fails(text: str, code: int = 1) -> int:
    print(text, file=sys.stderr)
    return code


def say(text: str, *, indent: int = 0, first: str | None = None) -> None:
    """Print text, wrapped where it is indented. What is in backticks is not touched."""
    if indent:
        margin = ' ' * indent
        text = textwrap.fill(
            text, WIDTH, initial_indent=margin if first is None else first, subsequent_indent=margin,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    print(text, flush=True)
