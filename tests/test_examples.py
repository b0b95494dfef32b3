"""The programs in `examples/` run: in a pipe, and on a terminal of any size, until their end, an error or Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming.testing import Fail, ScriptedModel, ToolCall

EXAMPLES = Path(__file__).parent.parent / 'examples'


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f'{name}.py')
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.virtual_time
async def test_watch_a_run_answers_twice_and_shows_the_tool(capsys: pytest.CaptureFixture[str]) -> None:
    module, history = load('watch_a_run'), list[ModelMessage]()
    agent = module.make_agent(None)
    for question in module.QUESTIONS:
        await module.ask(agent, question, history)
    printed = capsys.readouterr().out
    assert '→ tide {"port": "Farland"}' in printed
    assert 'sail before noon' in printed
    assert 'the last hour of the flood' in printed
    assert printed.count('tokens') == 2
    assert len(history) == 6


def test_ctrl_c_stops_an_answer_and_the_next_question_goes_on() -> None:
    terminal = on_a_terminal('watch_a_run', 80, interrupt_after='High water')
    assert terminal.code == 0
    assert 'Traceback' not in terminal.written
    text = '\n'.join(terminal.rows)
    assert text.startswith('model: scripted\n')
    assert 'stopped; what came is kept' in text
    assert 'the last hour of the flood' in ' '.join(text.split())


# Telemetry


@pytest.mark.virtual_time
async def test_telemetry_shows_the_trace_and_the_figures_of_a_good_run_and_of_a_stall(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await load('telemetry').main(None)
    printed = capsys.readouterr().out
    lines = [' '.join(line.split()) for line in printed.splitlines()]
    trace = [line.partition(' ')[2] for line in lines if re.match(r'\d\d:', line)]
    calls = ['pilot run', 'chat scripted', 'running tool: tide', 'chat scripted']
    assert trace == ['two questions', 'stream of pilot', *calls, 'stream of pilot', 'pilot run', 'chat scripted']
    outcomes = [line.split()[-1] for line in lines if line.startswith('pydantic_ai_streaming.outcome')]
    assert outcomes == ['complete', 'timed_out']
    assert 'pydantic_ai_streaming.tool_seconds 0.50' in lines
    assert 'gen_ai.client.operation.time_per_output_chunk: 19 times, 0.05 s each' in lines
    assert 'Farland' not in printed


# Structured outputs


@pytest.mark.virtual_time
async def test_the_form_tells_each_field_once_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    last = await load('form').fill_in(None)
    printed = capsys.readouterr().out
    assert printed.startswith('model: scripted\n')
    assert '\x1b' not in printed
    assert '✗ budget: -1: Input should be greater than 0\n' in printed
    assert 'Never sent' not in printed
    assert printed.count('✓ title: Two islands by bicycle\n') == 2, 'once for each attempt'
    assert printed.count('✓ plan: ') == 1
    assert last.is_final
    assert last.value.nights == 2


@pytest.mark.virtual_time
async def test_the_cards_appear_one_by_one_and_the_invalid_one_later(capsys: pytest.CaptureFixture[str]) -> None:
    cards = await load('cards').deal(None)
    printed = capsys.readouterr().out
    assert [card.name for card in cards] == ['Tern', 'Gannet', 'Skua', 'Petrel']
    assert printed.startswith('model: scripted\n')
    assert printed.count('┌') == 4
    assert max(len(row) for row in printed.splitlines() if row[:1] in ('┌', '│', '└')) <= 80


# Several answers


@pytest.mark.virtual_time
async def test_answers_side_by_side_are_told_line_by_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    module = load('side_by_side')
    runs = await module.answer()
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert lines[0] == 'model: scripted'
    assert '\x1b' not in printed
    for name, text in {'quick': module.QUICK, 'careful': module.CAREFUL, 'unlucky': module.UNLUCKY + '\n'}.items():
        told = [line.removeprefix(f'{name}: ').rstrip() for line in lines if line.startswith(f'{name}: ')]
        assert told[: text.count('\n')] == text.splitlines(), name
    assert lines.index('quick: Take the 13:15 boat.') < lines.index('careful: There are two ways.')
    assert list(runs.outputs) == ['careful', 'quick'], 'one that breaks off does not end the others'
    assert lines[-1].startswith('unlucky: ModelHTTPError: status_code: 503')


@pytest.mark.virtual_time
async def test_answers_wait_for_their_turn(capsys: pytest.CaptureFixture[str]) -> None:
    await load('side_by_side').answer(at_once=1)
    names = [line.partition(':')[0] for line in capsys.readouterr().out.splitlines()[3:]]
    assert names[:6] == ['careful'] * 4 + ['quick'] * 2


def test_no_answer_at_all_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = load('side_by_side')

    def scripted(gap: float) -> dict[str, ScriptedModel]:
        return {'a': ScriptedModel([Fail(ModelHTTPError(503, 'scripted'))])}

    monkeypatch.setattr(module, 'scripted', scripted)
    assert module.run([]) == 1
    assert 'a: ModelHTTPError' in capsys.readouterr().out


def in_a_pipe(program: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    keyless = {name: value for name, value in os.environ.items() if not name.endswith('_API_KEY')}
    return subprocess.run(
        [sys.executable, EXAMPLES / f'{program}.py', *options],
        env={**keyless, 'PYTHONIOENCODING': 'utf-8', **environment},
        capture_output=True,
        encoding='utf-8',
        timeout=60,
        check=False,
    )


STRUCTURED = pytest.mark.parametrize('program', ['form', 'cards'])
ONE_MODEL = pytest.mark.parametrize('program', ['form', 'cards', 'watch_a_run'])
SHOWN = pytest.mark.parametrize('program', ['form', 'cards', 'side_by_side'])


@SHOWN
@pytest.mark.parametrize(
    ('model', 'said'),
    [('nobody:knows-it', 'Unknown model: nobody:knows-it'), ('openai:gpt-5-mini', 'OPENAI_API_KEY')],
)
def test_a_model_that_cannot_be_had_is_one_line(program: str, model: str, said: str) -> None:
    done = in_a_pipe(program, '--model', model)
    assert done.returncode == 1
    assert done.stdout == ''
    assert done.stderr.startswith('UserError: ')
    assert said in done.stderr
    assert done.stderr.count('\n') == 1


@STRUCTURED
def test_an_output_that_is_never_valid_is_one_line(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = load(program)
    bad = module.FIRST if program == 'form' else module.DOCUMENT
    model = ScriptedModel(*([ToolCall('final_result', bad, pieces=40)] for _ in range(4)))

    def scripted(gap: float) -> ScriptedModel:
        return model

    monkeypatch.setattr(module, 'scripted', scripted)
    assert module.run(None) == 1
    printed = capsys.readouterr()
    assert re.fullmatch(r'UnexpectedModelBehavior: Exceeded maximum output retries.*\n', printed.err)
    assert printed.out.splitlines()[-1].startswith('failed · ' if program == 'form' else '3 cards · ')


@SHOWN
def test_a_reader_that_goes_away_is_no_traceback(program: str) -> None:
    process = subprocess.Popen(
        [sys.executable, EXAMPLES / f'{program}.py'],
        env={**os.environ, 'PYTHONIOENCODING': 'utf-8'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b'model: scripted\n'
        process.stdout.close()
        assert process.stderr.read() == b''
    assert process.returncode == 1


@STRUCTURED
def test_an_encoding_without_the_signs_is_no_traceback(program: str) -> None:
    done = in_a_pipe(program, PYTHONIOENCODING='ascii')
    assert (done.returncode, done.stderr) == (0, '')
    assert ('? plan: Take the 13:15 boat' if program == 'form' else '? 17:40 Petrel ???') in done.stdout


@dataclass
class Terminal:
    """What a program has written on a terminal.

    Attributes:
        rows: What stands there, also above the screen.
        written: All that was written.
        code: What the program ended with.
    """

    rows: list[str]
    written: str
    code: int


def on_a_terminal(program: str, columns: int, *, interrupt_after: str = '', rows: int = 24) -> Terminal:
    """Run an example on a pseudo-terminal; Ctrl-C when `interrupt_after` has been written."""
    termios = pytest.importorskip('termios', reason='pseudo-terminals are of Unix')
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (rows, columns))
    environment = {name: value for name, value in os.environ.items() if name not in ('COLUMNS', 'LINES')}
    process = subprocess.Popen(
        [sys.executable, EXAMPLES / f'{program}.py'],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment, 'TERM': 'xterm', 'PYTHONIOENCODING': 'utf-8'},
        start_new_session=True,
    )
    os.close(theirs)
    written, deadline = b'', time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says so at the end
            break
        if not piece:
            break
        written += piece
        if interrupt_after and interrupt_after in written.decode(errors='ignore'):
            process.send_signal(signal.SIGINT)
            interrupt_after = ''
    os.close(ours)
    text = written.decode()
    return Terminal(drawn(text, columns, rows), text, process.wait(20))


def drawn(text: str, columns: int, lines: int) -> list[str]:
    """The rows that text with the few sequences of the examples leaves on a terminal."""
    rows, row = [''], 0
    for token in re.findall(r'\x1b\[\d*[A-Z]|\r|\n|[^\x1b\r\n]+', text):
        if token == '\n':
            row += 1
            rows += [''] * (row + 1 - len(rows))
        elif token == '\x1b[J':
            rows[row:] = ['']
        elif token.endswith('A') and token[0] == '\x1b':
            up = int(token[2:-1])
            assert up < lines, 'those rows have left the screen'
            row -= up
            assert row >= 0
        elif token != '\r':
            for sign in token:
                if len(rows[row]) == columns:
                    row += 1
                    rows.insert(row, '')
                rows[row] += sign
    return rows


@pytest.mark.parametrize(('columns', 'rows'), [(80, 24), (40, 12), (20, 24)])
def test_the_form_is_drawn_in_its_place(columns: int, rows: int) -> None:
    terminal = on_a_terminal('form', columns, rows=rows)
    assert terminal.code == 0
    assert ('more rows' in terminal.written) == (columns < 80), 'a form that is too high is cut while it comes'
    assert '▸' in terminal.written
    text = '\n'.join(terminal.rows)
    assert '▸' not in text, 'at the end nothing is coming any more'
    # One form for each attempt, however often they were drawn.
    assert [len(re.findall(rf'^. {field}', text, re.MULTILINE)) for field in ('title', 'budget', 'packing')] == [2] * 3
    assert text.count('✗') == 1
    assert 'more rows' not in text
    words = ' '.join(text.split())
    assert 'be back by four.' in words, 'the whole form stands there at the end'
    assert 'the small tent' in words
    assert '> Plan a weekend with bicycles for the four of us, from Farland.' in words
    assert 'asked again, without waiting for the rest:' in words
    assert re.search(r'complete · first content .* in all$', words)
    assert max(map(len, terminal.rows)) < columns, 'wrapped at words, not by the terminal'


def test_ctrl_c_leaves_the_form_as_far_as_it_came() -> None:
    terminal = on_a_terminal('form', 80, interrupt_after='Take the 13')
    text = '\n'.join(terminal.rows)
    assert terminal.code == 130
    assert 'Traceback' not in text
    assert '✓ budget     640.5' in text
    assert '▸ plan       Take the 13' in text
    assert terminal.rows[-2:] == ['stopped', '']


def test_the_cards_fit_on_a_narrow_terminal() -> None:
    terminal = on_a_terminal('cards', 24)
    assert terminal.code == 0
    cards = [row for row in terminal.rows if row[:1] in ('┌', '│', '└')]
    assert len(set(map(len, cards))) == 1
    assert sum(row.startswith('┌') for row in cards) == 4
    assert '4 cards · first content' in ' '.join(' '.join(terminal.rows).split())
    assert max(map(len, terminal.rows)) < 24


def test_ctrl_c_leaves_the_cards_that_came() -> None:
    terminal = on_a_terminal('cards', 80, interrupt_after='Gannet')
    assert terminal.code == 130
    assert any('Tern' in row for row in terminal.rows)
    assert 'Traceback' not in terminal.written
    assert terminal.rows[-2:] == ['stopped', '']


@pytest.mark.parametrize(('columns', 'rows'), [(100, 24), (60, 10)])
def test_the_answers_stand_side_by_side(columns: int, rows: int) -> None:
    terminal = on_a_terminal('side_by_side', columns, rows=rows)
    assert terminal.code == 0
    assert '▸ careful' in terminal.written
    table = [row for row in terminal.rows if row.count(' │ ') == 2 or row.endswith(' │')]
    assert table[0].split() == ['✓', 'careful', '│', '✓', 'quick', '│', '✗', 'unlucky']
    assert sum('careful' in row and '│' in row for row in terminal.rows) == 1, 'drawn in its place'
    cells = [[cell.strip() for cell in row.split('│')] for row in table[2:]]
    texts = [' '.join(' '.join(cell for cell in column if cell).split()) for column in zip(*cells, strict=True)]
    module = load('side_by_side')
    assert texts == [' '.join(text.split()) for text in (module.CAREFUL, module.QUICK, module.UNLUCKY)], 'whole'
    assert max(map(len, terminal.rows)) < columns


def test_answers_on_a_narrow_terminal_are_lines() -> None:
    terminal = on_a_terminal('side_by_side', 40)
    assert terminal.code == 0
    assert '│' not in terminal.written
    assert 'quick: Take the 13:15 boat.' in terminal.rows
    assert max(map(len, terminal.rows)) < 40


def test_ctrl_c_leaves_the_answers_as_far_as_they_came() -> None:
    terminal = on_a_terminal('side_by_side', 100, interrupt_after='By train')
    assert terminal.code == 130
    assert 'Traceback' not in terminal.written
    assert any(row.startswith('■ careful') for row in terminal.rows)
    assert any(row.startswith('careful: stopped · ') for row in terminal.rows)
    assert terminal.rows[-2:] == ['stopped', '']


def test_signs_that_the_encoding_lacks_are_no_traceback_in_an_answer() -> None:
    done = in_a_pipe('side_by_side', PYTHONIOENCODING='ascii')
    assert (done.returncode, done.stderr) == (0, '')
    assert 'careful: complete ? first content' in done.stdout
