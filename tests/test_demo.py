"""The demo in a pipe and on a terminal: what it shows, what it never writes, and how it ends on Ctrl-C."""

from __future__ import annotations

import asyncio
import io
import math
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time

import pytest
from inline_snapshot import snapshot

from pydantic_ai_streaming import Smoothing
from pydantic_ai_streaming.cli import main
from pydantic_ai_streaming.demo.clock import loop_factory
from pydantic_ai_streaming.demo.play import perform
from pydantic_ai_streaming.demo.stage import Stage

COMMAND = [sys.executable, '-m', 'pydantic_ai_streaming', 'demo']
WITHOUT_RICH = (
    'import sys\nsys.modules["rich"] = None\nfrom pydantic_ai_streaming.cli import main\nsys.exit(main(["demo"]))'
)


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ('NO_COLOR', 'COLUMNS', 'LINES')}
    return {**kept, 'TERM': 'xterm-256color', 'PYTHONIOENCODING': 'utf-8', 'PYTHONWARNINGS': 'error', **variables}


class Terminal:
    """A program on a pseudo-terminal of some size."""

    def __init__(self, *arguments: str, columns: int, lines: int, command: list[str] = COMMAND, **env: str) -> None:
        fcntl, termios = pytest.importorskip('fcntl'), pytest.importorskip('termios')
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', lines, columns, 0, 0))
        self.process = subprocess.Popen(
            [*command, *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment(**env), close_fds=True
        )
        os.close(slave)
        self.output = b''

    def read(self, until: str | None = None, seconds: float = 60.0) -> str:
        """Everything until a text came, or until the end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and (until is None or until.encode() not in self.output):
            if select.select([self._master], [], [], 0.05)[0]:
                try:
                    received = os.read(self._master, 65536)
                except OSError:  # Linux tells so that the other side has gone
                    received = b''
                if not received:
                    break
                self.output += received
        return self.output.decode()

    def end(self) -> tuple[int, str]:
        output = self.read()
        try:
            code = self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._master)
        return code, output


def test_in_a_pipe_there_are_only_lines() -> None:
    done = subprocess.run(COMMAND, capture_output=True, env=environment(), check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, b'')
    assert b'\x1b' not in done.stdout
    assert b'\r' not in done.stdout
    output = done.stdout.decode()
    assert 'A scripted run: no model is called' in output
    assert output.endswith('demo --model PROVIDER:MODEL\n')


def test_a_reader_that_leaves_is_no_error() -> None:
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b''
    process.stderr.close()
    assert process.wait(60) == 1


def test_a_terminal_shows_columns() -> None:
    code, output = Terminal('--fast', columns=80, lines=24).end()
    assert code == 0
    plain = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', output)
    assert f'{"stream.text()":<41}stream.text(smoothing=Smoothing())' in plain
    assert '\x1b[?25h' in output  # the cursor is there again
    assert 'Traceback' not in output


@pytest.mark.parametrize(('columns', 'lines'), [(80, 24), (40, 10)])
def test_ctrl_c_keeps_the_text_and_says_so(columns: int, lines: int) -> None:
    terminal = Terminal(columns=columns, lines=lines)
    terminal.read(until='burst')
    time.sleep(0.2)
    terminal.process.send_signal(signal.SIGINT)
    code, output = terminal.end()
    assert code == 130
    assert 'Traceback' not in output
    assert 'Interrupted. Kept: ' in output
    assert ('\x1b[?25l' in output) == (columns == 80)
    assert output.rindex('\x1b[?25h') < output.rindex('Interrupted') if columns == 80 else True


@pytest.mark.parametrize('env', [{}, {'NO_COLOR': '1'}])
def test_without_rich_a_terminal_shows_lines(env: dict[str, str]) -> None:
    command = [sys.executable, '-c', WITHOUT_RICH.replace('["demo"]', '["demo", "--fast"]')]
    # Plugins of pydantic that are installed here need rich themselves.
    code, output = Terminal(columns=80, lines=24, command=command, PYDANTIC_DISABLE_PLUGINS='1', **env).end()
    assert code == 0, output
    assert 'stream.text(): the same reply, as it came' in output
    assert ('\x1b[1m' in output) == (not env)


def shown(**settings: float) -> str:
    """What the script shows in virtual time."""
    file = io.StringIO()

    async def alone() -> None:
        await perform(Stage(smoothing=Smoothing(**settings), file=file), None)  # pyright: ignore[reportArgumentType]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=loop_factory(math.inf)) as runner:
        runner.run(alone())
    return file.getvalue()


def test_what_the_script_shows() -> None:
    assert shown() == snapshot("""\

── 1. One stream, two views: as it arrives, and paced ──────────────────────────
stream.text(smoothing=Smoothing())

**Models do not type.** They send a burst, pause, and send the next one. 📦

- `stream.text()` shows each burst as it lands.
- With `Smoothing()` the *same stream* flows: no word waits longer than 0.4 s,
and a fast model stays fast.

Nothing is cut in half: not **bold**, not an emoji 🌊, not 日本語の文章も大丈夫です。

Both are views of one record. A slow reader never holds the model up.

stream.text(): the same reply, as it came, in 8 pieces

 0.35 s  '**Models do not type.** They send a burst, pause, and'
 0.66 s  ' send the next one. 📦\\n\\n- `stream.text('
 1.08 s  ')` shows each burst as it lands.\\n- With `Smoothing()` the'
 1.44 s  ' *same stream* flows: no word waits longer than 0'
 1.74 s  '.4 s,\\nand a fast model stays fast.\\n\\nNothing is cut in h'
 2.19 s  'alf: not **bold**, not an emoji 🌊, not 日本語の文章も大丈夫です。\\n\\nBoth'
 2.53 s  ' are views of one record. A slow reader ne'
 2.91 s  'ver holds the model up.'

arrived      ▇  ▅   ▇   ▆  ▇   █   ▆   ▃
shown        ▂▂▂▂▂▂▂▁▃▂▃▂▂▂▃▃▃▂▂▂▃▂▂▂▂▂▄
          characters per 0.1 s, 58 at most

── 2. A tool at work: seen, and not taken for a stall ──────────────────────────
Deadlines(idle=0.8): so long may the model be silent. The tool takes 1.2 s.

Let me look at the timetable before I promise anything.
→ ferries {"to": "Farland", "day": "Saturday"}
← ferries 1.2 s: boats at 09:30, 13:15 and 17:40; the last one takes no bicycles
Take the **13:15** boat ⛴ and bring the bicycle: the last one, at 17:40, would
leave it on the quay.
While the tool worked nobody was late. A deadline of silence counts only while
the *model* is awaited.

── 3. A stall, caught: what came is kept, and the next run goes on ─────────────
The provider stops in the middle of a sentence and keeps the connection open.

Three things keep a stream alive:
1. Record what comes, once.
2. Let every reader have its own

StreamTimeout: The stream was stopped after 1.92 s: no content for 0.8 s
(Deadlines.idle). 94 characters had come.
error.phase     'idle'
error.text      …'very reader have its own', 94 characters
error.messages  request, response (interrupted), request (says so)

agent.run_stream_events('Go on.', message_history=error.messages)

place in it.
3. Say when it is late, and keep what came.

The first half is not asked for again.

── print(stream.stats), for each run ───────────────────────────────────────────
1           first content 0.35 s · 93 tokens · 36/s · 2.9 s in all
2           first content 0.07 s · 83 tokens · 23/s · 1 tool call · 5.0 s in all
3, stalled  first content 0.07 s · 94 characters · 90/s · 1.9 s in all
3, resumed  first content 0.07 s · 27 tokens · 21/s · 1.3 s in all
""")


def test_the_script_tells_of_the_lag_that_was_asked_for() -> None:
    assert 'no word waits longer than 0.2 s' in shown(max_lag=0.2)


def test_an_interruption_anywhere_leaves_no_task_and_says_what_is_kept() -> None:
    said: list[str] = []
    for tenths in range(0, 190, 7):
        file = io.StringIO()

        async def interrupted(file: io.StringIO = file, tenths: int = tenths) -> None:
            task = asyncio.create_task(perform(Stage(smoothing=Smoothing(), file=file), None))
            await asyncio.wait({task}, timeout=tenths / 10)
            task.cancel()
            await asyncio.wait({task})
            assert asyncio.all_tasks() == {asyncio.current_task()}
            if task.cancelled():
                said.append(file.getvalue().splitlines()[-1])

        with asyncio.Runner(loop_factory=loop_factory(math.inf)) as runner:
            runner.run(interrupted())
    assert len(said) > 15
    assert set(said) == snapshot(
        {'Interrupted. The last run was complete.', 'for the next run. The connection is closed and no task is left.'}
    )


def test_one_run_of_a_model_with_its_tool(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('pydantic_ai_streaming.demo.scenes.TOOL_TAKES', 0.01)
    assert main(['demo', '--model', 'test', '--prompt', 'Hello']) == 0
    output = capsys.readouterr().out
    assert '→ ferries {"to":"a","day":"a"}' in output
    assert 'scripted' not in output
    assert 'print(stream.stats)' in output


def test_a_clock_that_runs_faster_tells_the_time_of_the_script() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.sleep(5)
        return loop.time() - start

    start = time.monotonic()
    with asyncio.Runner(loop_factory=loop_factory(10)) as runner:
        assert runner.run(wait()) == pytest.approx(5, abs=1.5)
    assert time.monotonic() - start < 1
    assert loop_factory(1) is None
