"""What `verify` finds wrong with lessons that were damaged on purpose, and what it mends."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pydantic_ai_streaming.course.contents import Course, Lesson, read_course
from pydantic_ai_streaming.course.runner import Runner
from pydantic_ai_streaming.course.verifying import expected_written, wrong_in_lesson, wrong_in_notebooks

LESSONS = Path(__file__).parents[2] / 'lessons'


class Damaged:
    """A copy of the course, to damage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ('course.toml', 'l02_streaming_text'):
            copy = shutil.copytree if (LESSONS / name).is_dir() else shutil.copyfile
            copy(LESSONS / name, folder / name)

    @property
    def course(self) -> Course:
        return read_course(self.folder)

    @property
    def lesson(self) -> Lesson:
        return self.course.find('l02')

    def change(self, file: str, change: Callable[[str], str]) -> None:
        path = self.folder / file if file == 'course.toml' else self.folder / 'l02_streaming_text' / file
        before = path.read_text('utf-8')
        after = change(before)
        assert after != before
        path.write_text(after, 'utf-8')

    def wrong(self) -> str:
        return '\n'.join(wrong_in_lesson(self.course, self.lesson))


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    return Damaged(tmp_path)


def replacing(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


@pytest.mark.parametrize(
    ('file', 'old', 'new', 'answer'),
    [
        ('lesson.py', 'characters printed', 'signs printed', 'lesson.py does not print what course.toml says:'),
        ('lesson.py', 'async def main', 'async def mane', "lesson.py raised AttributeError: module"),
        ('exercise.py', 'stream_text()', 'stream_text(delta=True)', 'first piece'),
        ('exercise.py', 'stream_text()', 'stream_txt()', 'the starter fails with an error'),
        ('exercise.py', 'stream_text():', 'stream_text()', 'the starter fails with an error'),
        ('solution.py', ', flush=True', '', 'the solution fails: The story came in 10 pieces'),
        ('check.py', 'def check_', 'def chekc_', 'the starter passes already'),
        ('README.md', 'lesson.py: naive', 'lesson.py: navie', "lesson.py has no 'navie' at its top level"),
        ('README.md', 'lesson.py: naive', 'lessen.py: naive', 'there is no lessen.py'),
        ('README.md', 'python lesson.py: naive', 'python', 'code is quoted, as in'),
        ('README.md', '    printed = 0\n', '    printed = 1\n', 'this is not what lesson.py: naive says'),
        ('README.md', '-> 326 ', '-> 327 ', "the lesson does not print '-> 327 characters printed'"),
    ],
)  # fmt: skip
def test_damage_is_found(file: str, old: str, new: str, answer: str, damaged: Damaged) -> None:
    assert damaged.wrong() == ''
    damaged.change(file, replacing(old, new))
    if answer == 'first piece':  # a starter that is less wrong is still wrong, and says so
        assert damaged.wrong() == ''
    else:
        assert answer in damaged.wrong()


def test_a_file_that_is_missing_is_named(damaged: Damaged) -> None:
    (damaged.folder / 'l02_streaming_text' / 'check.py').unlink()
    assert damaged.wrong() == 'there is no check.py'


def test_writing_brings_outputs_and_quotes_up_to_date(damaged: Damaged, capsys: pytest.CaptureFixture[str]) -> None:
    damaged.change('lesson.py', replacing('characters printed', 'signs printed'))
    damaged.change('README.md', replacing('characters printed', 'signs printed'))
    damaged.change('README.md', replacing('    printed = 0\n', ''))
    before = (damaged.folder / 'course.toml').read_text('utf-8')
    assert Runner(damaged.course, 'lessons').verify(['l02'], notebooks=False, write=True) == 0
    assert 'written anew' in capsys.readouterr().out
    assert damaged.wrong() == ''
    after = (damaged.folder / 'course.toml').read_text('utf-8')
    assert after == before.replace('characters printed', 'signs printed'), 'nothing else was touched'
    assert Runner(damaged.course, 'lessons').verify(['l02'], notebooks=False, write=True) == 0
    assert 'written anew' not in capsys.readouterr().out


def test_seconds_that_differ_from_run_to_run_are_not_written_anew(
    damaged: Damaged, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged.change('course.toml', replacing("section = 'basic streaming", "clock = 'real'\nsection = 'basic streaming"))
    source = "import time\n\n\nasync def main() -> None:\n    print(f'{time.perf_counter()} s')\n"
    damaged.change('lesson.py', lambda _: source)
    damaged.change('README.md', lambda _: 'Nothing.\n')
    assert Runner(damaged.course, 'lessons').verify(['l02'], notebooks=False, write=True) == 0
    assert 'written anew' in capsys.readouterr().out
    assert Runner(damaged.course, 'lessons').verify(['l02'], notebooks=False, write=True) == 0
    assert 'written anew' not in capsys.readouterr().out


def test_a_notebook_that_differs_is_found(damaged: Damaged, capsys: pytest.CaptureFixture[str]) -> None:
    source = (
        "import asyncio\n\n\nasync def main() -> None:\n    print('script' if __name__ != '__main__' else 'notebook')\n"
    )
    damaged.change('lesson.py', lambda _: source)
    damaged.change('README.md', lambda _: 'Nothing.\n')
    assert Runner(damaged.course, 'lessons').verify(['l02'], notebooks=False, write=True) == 0
    damaged.change('lesson.py', lambda text: f"{text}\n\nif __name__ == '__main__':\n    asyncio.run(main())\n")
    assert Runner(damaged.course, 'lessons').verify(['l02'], notebooks=True, write=False) == 1
    printed = capsys.readouterr().out
    assert 'the notebook does not print what course.toml says:' in printed
    assert '-script' in printed
    assert '+notebook' in printed


def test_a_notebook_that_was_only_late_is_tried_again(damaged: Damaged, tmp_path: Path) -> None:
    source = (
        f'from pathlib import Path\n\nseen = Path({str(tmp_path / "seen")!r})\n\n\n'
        "async def main() -> None:\n    print('in time' if seen.exists() else 'late')\n    seen.touch()\n\n\n"
        "if __name__ == '__main__':\n    asyncio.run(main())\n"
    )
    damaged.change('lesson.py', lambda _: source)
    (tmp_path / 'seen').touch()
    assert expected_written(damaged.course, damaged.lesson)
    (tmp_path / 'seen').unlink()
    assert wrong_in_notebooks(damaged.course, [damaged.lesson]) == {'l02_streaming_text': []}
    assert wrong_in_notebooks(damaged.course, []) == {}
