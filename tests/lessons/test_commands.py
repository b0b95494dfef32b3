"""The commands of the course, as a learner types them: what they say, what they keep, and how they fail."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pydantic_ai_streaming.cli import main
from pydantic_ai_streaming.course.contents import CourseError, read_course
from pydantic_ai_streaming.course.model import LIVE

ROOT = Path(__file__).parents[2]
COURSE = read_course(ROOT / 'lessons')


class Learner:
    """Somebody at a prompt, in an empty folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def types(self, command: str, code: int = 0) -> str:
        """What a command prints, errors included."""
        assert main(['lessons', *command.split()]) == code
        printed = self._capsys.readouterr()
        assert 'Traceback' not in printed.out + printed.err
        return printed.out + printed.err

    def exercise(self, name: str) -> Path:
        return self.folder / 'streaming-lessons' / name / 'exercise.py'

    def solves(self, name: str) -> None:
        shutil.copyfile(ROOT / 'lessons' / name / 'solution.py', self.exercise(name))


@pytest.fixture
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Learner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(LIVE, raising=False)
    return Learner(tmp_path, capsys)


@pytest.fixture
def begun(learner: Learner) -> Learner:
    learner.types('init')
    return learner


def test_help_does_not_wait_for_pydantic_ai() -> None:
    code = (
        'import sys\n'
        'from pydantic_ai_streaming.cli import main\n'
        'try: main(["lessons", "--help"])\n'
        'except SystemExit as error: assert error.code == 0\n'
        'assert not {"pydantic_ai", "pydantic", "asyncio"} & set(sys.modules)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    assert 'watch' in done.stdout


def test_the_module_of_a_checkout_is_the_console_script() -> None:
    done = [
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        for command in (
            [sys.executable, '-m', 'lessons', 'list'],
            [sys.executable, '-m', 'pydantic_ai_streaming', 'lessons', 'list'],
        )
    ]
    assert done[0][:-1] == done[1][:-1], 'only what one types next differs'
    assert any('l02  Text as it comes' in line for line in done[0])


@pytest.mark.parametrize('called', ['2', '02', 'l02', 'l2', 'l02_streaming_text', 'streaming_text', 'Streaming-Text'])
def test_a_lesson_has_many_names(called: str) -> None:
    assert COURSE.find(called).name == 'l02_streaming_text'


@pytest.mark.parametrize(
    ('called', 'name'),
    [
        ('text', 'l02_streaming_text'),
        ('context', 'l15_context_manager'),
        ('memo', 'l52_memory'),
        ('or fetch', 'l40_eventsource_or_fetch'),
    ],
)
def test_a_part_of_a_name_will_do_if_only_one_lesson_has_it(called: str, name: str) -> None:
    assert COURSE.find(called).name == name


@pytest.mark.parametrize(
    ('called', 'answer'),
    [
        ('streming_text', "There is no lesson 'streming_text'. Did you mean l02_streaming_text?"),
        ('l02x', "There is no lesson 'l02x'. Did you mean l02_streaming_text?"),
        (
            'streaming',
            "There is no lesson 'streaming'. "
            'Did you mean l01_why_streaming, l02_streaming_text or l08_buffered_streaming?',
        ),
        ('99', "There is no lesson '99'. `list` names them all."),
    ],
)
def test_an_unknown_lesson_is_answered_with_the_nearest(called: str, answer: str, learner: Learner) -> None:
    assert learner.types(f'run {called}', code=2) == f'{answer}\n'


@pytest.mark.parametrize('command', ['check', 'watch l02', 'hint', 'reset', 'progress'])
def test_without_a_folder_it_says_how_to_make_one(command: str, learner: Learner) -> None:
    assert '`pydantic-ai-streaming lessons init` makes one' in learner.types(command, code=2)
    assert list(learner.folder.iterdir()) == []


def test_init_gives_no_solutions_and_changes_nothing_that_is_there(learner: Learner) -> None:
    assert 'pydantic-ai-streaming lessons watch' in learner.types('init')
    names = {path.name for path in (learner.folder / 'streaming-lessons').rglob('*.*')}
    assert names == {'README.md', 'lesson.py', 'exercise.py', '.lessons.json'}
    learner.exercise('l02_streaming_text').write_text('# mine\n')
    learner.exercise('l03_message_history').unlink()
    assert '1 lesson is now' in learner.types('init')
    assert learner.exercise('l02_streaming_text').read_text() == '# mine\n'
    assert learner.exercise('l03_message_history').exists()
    assert 'nothing was changed' in learner.types('init')


@pytest.mark.parametrize(('folder', 'cd'), [('', False), ('streaming-lessons', False), ('.', False), ('mine', True)])
def test_init_says_where_to_go_before_the_next_command(folder: str, cd: bool, learner: Learner) -> None:
    lines = learner.types(f'init {folder}').splitlines()
    assert (f'  cd {folder}' in lines) == cd
    for line in lines[-2:]:
        assert line.endswith(('lessons run l00', 'lessons watch'))
    if cd:
        script = lines[-1].split()[0]
        assert shutil.which(script), 'it works in that folder too'


def test_init_makes_no_course_folder_inside_of_one(begun: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = begun.folder / 'streaming-lessons'
    around = f'There is one around it: {inside}\n'
    assert begun.types('init streaming-lessons/l02_streaming_text/new', code=2).endswith(around)
    monkeypatch.chdir(inside / 'l02_streaming_text')
    assert begun.types('init', code=2) == (
        f'streaming-lessons would be a course folder inside a course folder. You are in one: {inside}\n'
    )
    assert not (inside / 'l02_streaming_text' / 'streaming-lessons').exists()
    assert 'nothing was changed' in begun.types('init ..'), 'one that is there can be completed'
    assert f'cd {os.path.join("..", "..", "beside")}' in begun.types('init ../../beside')


def test_init_does_not_write_where_the_lessons_come_from(learner: Learner) -> None:
    assert 'choose another folder' in learner.types(f'init {ROOT / "lessons"}', code=2)
    (learner.folder / 'file').touch()
    assert 'cannot be made' in learner.types('init file', code=2)


def test_run_says_that_the_model_is_scripted_and_where_the_reason_stands(learner: Learner) -> None:
    printed = learner.types('run l03')
    assert printed.startswith('l03: A chat that remembers, with a scripted model')
    assert COURSE.find('l03').expected in printed
    assert printed.rstrip().endswith('README.md')


def test_a_reader_who_has_read_enough_ends_the_lesson_without_a_word() -> None:
    command = [sys.executable, '-m', 'lessons', 'run', 'l02']
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'l02: ')
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b'', 1)


def test_run_runs_what_the_learner_has_made_of_the_lesson(begun: Learner) -> None:
    file = begun.exercise('l00_overview').with_name('lesson.py')
    file.write_text('async def main():\n    print("mine")\n')
    assert '\nmine\n' in begun.types('run')
    file.write_text('async def main():\n    return 1 / 0\n')
    assert begun.types('run', code=1).endswith('lesson.py, line 2, raised ZeroDivisionError: division by zero.\n')


@pytest.mark.parametrize(
    ('model', 'answer'),
    [('gpt', 'Unknown model: gpt'), ('openai:gpt-5-mini', 'openai:gpt-5-mini needs an API key: set OPENAI_API_KEY')],
)
def test_a_real_model_that_cannot_be_had(
    model: str, answer: str, learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIVE, '')  # so that it is as it was afterwards
    monkeypatch.delenv('OPENAI_API_KEY', raising=False)
    assert answer in learner.types(f'run l02 --live {model}', code=2)


def test_a_check_says_what_is_wrong_and_a_solution_is_remembered(begun: Learner) -> None:
    printed = begun.types('check l02', code=1)
    assert 'The story has 50 characters, and the screen shows 275.' in printed
    assert '`pydantic-ai-streaming lessons hint l02` gives a hint.' in printed
    begun.solves('l02_streaming_text')
    printed = begun.types('check l02')
    assert 'l02 is done, checked in ' in printed
    assert printed.splitlines()[-1].startswith('Next: `pydantic-ai-streaming lessons run l00`, then ')
    assert '✓ l02' in begun.types('list')
    assert '1 of ' in begun.types('progress')
    assert 'the first' not in begun.types('check', code=1), 'without a name, the first that is not done'


def test_the_folder_is_found_from_inside_too(begun: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(begun.exercise('l02_streaming_text').parent)
    assert '275' in begun.types('check l02', code=1)


@pytest.mark.parametrize(
    ('text', 'answer'),
    [
        ('async def tell(:', 'exercise.py, line 1, is not Python: invalid syntax.'),
        ('import nowhere', "exercise.py, line 1, raised ModuleNotFoundError: No module named 'nowhere'."),
        ('', 'The file has no `tell` any more; `reset` brings the starter back.'),
        ('def tell(agent, question): ...', '`tell` is to be an `async def`'),
        ('async def tell(agent, question):\n    raise NotImplementedError', 'line 2: this is still to be written.'),
        ('async def tell(agent, question):\n    return question.x', 'line 2, raised AttributeError'),
        ('async def tell(agent, question):\n    exit()', 'line 2, raised SystemExit'),
        ('import asyncio\nasync def tell(agent, question):\n    await asyncio.Event().wait()', 'never comes'),
        ('import asyncio\nasync def tell(agent, question):\n    while True: await asyncio.sleep(9)', 'never comes'),
        ('async def tell(agent, question):\n    agent.run(question)', 'Nothing was printed.'),
    ],
)
def test_whatever_is_wrong_is_said_in_a_sentence(text: str, answer: str, begun: Learner) -> None:
    begun.exercise('l02_streaming_text').write_text(text)
    printed = begun.types('check l02', code=1)
    assert answer in printed
    assert ('gives a hint' in printed) == ('✗' in printed), 'a hint helps with what a check has found'


@pytest.mark.parametrize('text', ['async def tell(:', 'import nowhere', 'async def tell(a, q):\n    import nowhere'])
def test_no_hint_is_offered_where_none_helps(text: str, begun: Learner) -> None:
    begun.exercise('l02_streaming_text').write_text(text)
    assert 'hint' not in begun.types('check l02', code=1)


ENDLESS = {
    'loop': 'async def tell(agent, question):\n    while True: ...\n',
    'caught': 'async def tell(agent, question):\n    while True:\n        try: 1\n        except Exception: 2\n',
    'callback': 'import asyncio\nasync def tell(agent, question):\n    loop = asyncio.get_running_loop()\n'
    '    def again():\n        while True: ...\n    loop.call_soon(again)\n    await asyncio.sleep(1)\n',
    'finalizer': 'class Slow:\n    def __del__(self):\n        while True: ...\n'
    'async def tell(agent, question):\n    Slow()\n    while True: ...\n',
    'turns': 'import asyncio\nasync def tell(agent, question):\n    while True: await asyncio.sleep(0)\n',
}


@pytest.mark.skipif(not hasattr(signal, 'setitimer'), reason='there are no signals for it')
@pytest.mark.parametrize('endless', ENDLESS)
# An interrupted loop cannot be tidied up; what it leaves is to be told here, not in the next test.
@pytest.mark.filterwarnings('ignore::ResourceWarning', 'ignore::pytest.PytestUnraisableExceptionWarning')
def test_an_endless_loop_is_ended(endless: str, begun: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('pydantic_ai_streaming.course.checking.PATIENCE', 0.2)
    begun.exercise('l02_streaming_text').write_text(ENDLESS[endless])
    assert 'is there a loop that never ends?' in begun.types('check l02', code=1)
    gc.collect()


BLOCKS_A_THREAD = """
import asyncio
import threading

async def tell(agent, question):
    await asyncio.to_thread(threading.Event().wait)
"""


@pytest.mark.skipif(not hasattr(signal, 'setitimer'), reason='there are no signals for it')
@pytest.mark.parametrize(
    'how',
    [
        'from pydantic_ai_streaming.cli import main; sys.exit(main())',
        'import runpy; runpy.run_module("lessons", run_name="__main__")',
    ],
)
def test_an_exercise_that_blocks_a_thread_does_not_keep_the_process(begun: Learner, how: str) -> None:
    begun.exercise('l02_streaming_text').write_text(BLOCKS_A_THREAD)
    arguments = ['check', 'l02'] if 'runpy' in how else ['lessons', 'check', 'l02']
    code = f'import sys; from pydantic_ai_streaming.course import checking; checking.PATIENCE = 0.2; {how}'
    environment = {**os.environ, 'PYTHONIOENCODING': 'utf-8', 'PYTHONPATH': os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, '-c', code, *arguments],
        cwd=begun.folder, capture_output=True, text=True, check=False, timeout=20, env=environment,
    )  # fmt: skip
    assert 'is there a loop that never ends?' in done.stdout
    assert (done.returncode, done.stderr) == (1, '')


@pytest.mark.skipif(not hasattr(signal, 'setitimer'), reason='there are no signals for it')
def test_an_alarm_that_was_set_before_is_set_again(begun: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('pydantic_ai_streaming.course.checking.PATIENCE', 0.2)
    begun.exercise('l02_streaming_text').write_text(ENDLESS['loop'])
    before = signal.setitimer(signal.ITIMER_REAL, 100)
    begun.types('check l02', code=1)
    left, interval = signal.setitimer(signal.ITIMER_REAL, *before)
    assert (95 < left < 99.8, interval) == (True, 0)


def test_hints_come_one_by_one_and_are_remembered(begun: Learner) -> None:
    hints = COURSE.find('l02').hints
    for given in range(1, len(hints) + 2):
        printed = begun.types('hint l02')
        assert printed.count(f'/{len(hints)}  ') == min(given, len(hints))
        assert ('That was the last.' in printed) == (given >= len(hints))
    assert f'({len(hints)} of {len(hints)} hints)' in begun.types('progress')
    assert 'RunStream' in begun.types('solution l02')


def test_reset_keeps_what_the_learner_wrote(begun: Learner) -> None:
    begun.solves('l02_streaming_text')
    begun.types('check l02')
    assert 'exercise.mine1.py' in begun.types('reset l02')
    assert 'stream.text()' in begun.exercise('l02_streaming_text').with_name('exercise.mine1.py').read_text()
    assert 'TODO' in begun.exercise('l02_streaming_text').read_text()
    assert '✓' not in begun.types('list')
    assert 'mine2' not in begun.types('reset l02'), 'nothing had changed'


def test_progress_that_cannot_be_read_is_not_overwritten(begun: Learner) -> None:
    file = begun.folder / 'streaming-lessons' / '.lessons.json'
    file.write_text('{"l02')
    assert 'cannot be read' in begun.types('progress', code=2)
    assert 'cannot be read' in begun.types('hint', code=2)
    assert file.read_text() == '{"l02'


def test_at_the_end_there_is_a_summary(begun: Learner) -> None:
    for lesson in COURSE.lessons:
        begun.solves(lesson.name)
        printed = begun.types(f'check {lesson.short}')
        assert ('All exercises are done' in printed) == (lesson is COURSE.lessons[-1])
    assert COURSE.lessons[0].objective.split(',')[0] in begun.types('progress')


def test_a_notebook_is_written_and_none_is_overwritten(learner: Learner) -> None:
    learner.types('notebook l02')
    book = json.loads((learner.folder / 'l02_streaming_text.ipynb').read_text('utf-8'))
    assert ''.join(book['cells'][-1]['source']).endswith('await main()')
    assert not any('asyncio.run' in ''.join(cell['source']) for cell in book['cells'])
    assert 'is there already' in learner.types('notebook l02', code=2)
    assert json.loads(learner.types('notebook l02 --out -')) == book


def test_watch_checks_at_every_save_and_ends_when_it_is_right(begun: Learner) -> None:
    exercise = begun.exercise('l02_streaming_text')
    process = subprocess.Popen(
        [sys.executable, '-m', 'pydantic_ai_streaming', 'lessons', 'watch', 'l02'],
        cwd=begun.folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONIOENCODING': 'utf-8'},
    )
    assert process.stdout is not None
    with process.stdout as lines:
        assert any('shows 275' in line for line in lines)
        exercise.write_text('async def tell(:')
        assert any('is not Python' in line for line in lines)
        time.sleep(0.01)  # a file system may count in hundredths
        begun.solves('l02_streaming_text')
        assert any('l02 is done' in line for line in lines)
        assert 'Next: ' in lines.read()
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ('toml', 'answer'),
    [
        ('[lessons.l01_a]\ntitle = "A"', 'l01_a has no section and no objective and no hints in course.toml.'),
        ('[lessons.l01_a]\ntitel = "A"', 'course.toml, entries.0.title: Field required.'),
        ('[lessons', 'course.toml is no TOML'),
        ('[[documents]]\nname = "0"\nsections = [{ about = "text" }]', "'text' needs a lesson or the reason"),
    ],
)
def test_mistakes_in_the_course_file_are_named(toml: str, answer: str, tmp_path: Path) -> None:
    (tmp_path / 'course.toml').write_text(toml)
    with pytest.raises(CourseError, match=answer):
        read_course(tmp_path)
    with pytest.raises(CourseError, match='The lessons are not here'):
        read_course(tmp_path / 'nowhere')
