"""A run printed on a terminal and in a pipe: in order, nothing lost, nothing obeyed that the model says."""

from __future__ import annotations

import asyncio
import io
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar

import pytest
from inline_snapshot import snapshot
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.exceptions import ModelConnectionError

from pydantic_ai_streaming import Deadlines, Recovery, RunStream, Smoothing, StreamTimeout
from pydantic_ai_streaming.capabilities import StreamGuard
from pydantic_ai_streaming.demo.clock import loop_factory
from pydantic_ai_streaming.display import print_columns, print_stream, show
from pydantic_ai_streaming.display.sheet import Sheet, rows
from pydantic_ai_streaming.testing import Fail, Response, ScriptedModel, Stall, Thinking, ToolCall

T = TypeVar('T')


class Terminal(io.StringIO):
    """Says that it is a terminal, and knows what would stand on its screen."""

    def isatty(self) -> bool:
        return True

    @property
    def screen(self) -> list[str]:
        lines, row = [''], 0
        for sequence, character in re.findall(r'\x1b\[([0-9;]*[A-Za-z])|(.|\n)', self.getvalue()):
            if character == '\n':
                row += 1
                lines[row:] = [*lines[row:], *([''] if row == len(lines) else [])]
            elif character == '\r':
                lines[row] = '' if not lines[row] else f'\r{lines[row]}'
            elif sequence == '2K':
                lines[row] = ''
            elif sequence == 'J':
                lines[row:] = ['']
            elif sequence.endswith('A'):
                row -= int(sequence[:-1])
            elif not sequence:
                lines[row] += character
        return lines


@pytest.fixture(autouse=True)
def terminal_of_80_by_24(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('NO_COLOR', 'COLUMNS', 'LINES'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('TERM', 'xterm')


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """In virtual time, and with no task left."""

    async def alone() -> T:
        result = await coroutine
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    with asyncio.Runner(loop_factory=loop_factory(math.inf)) as runner:
        return runner.run(alone())


def printed(agent: Agent[None, Any], file: io.StringIO | None = None, **arguments: Any) -> str:
    file = file or io.StringIO()

    async def main() -> None:
        async with RunStream(agent.run_stream_events('Go'), deadlines=Deadlines(idle=5)) as stream:
            await print_stream(stream, file=file, **arguments)

    run(main())
    return file.getvalue()


def with_tools(*responses: Any) -> Agent[None, str]:
    agent = Agent(ScriptedModel(*responses, gap=0.1))

    @agent.tool_plain
    async def tide(port: str) -> str:
        await asyncio.sleep(1.2)
        return f'high in\n{port}'

    @agent.tool_plain
    async def wind() -> str:
        raise ModelRetry('ask later')

    return agent


def with_checks() -> Agent[None, str]:
    agent = Agent(ScriptedModel(['It is ', 'seven,\nI think.'], ['It is 8.'], gap=0.1))

    @agent.output_validator
    def even(output: str) -> str:
        if 'seven' in output:
            raise ModelRetry('not even')
        return output

    return agent


TOOLS = (['Let me ask.', ToolCall('tide', {'port': 'Farland'}, pieces=5)], ['At noon, ', 'then.'])


def test_in_a_pipe_tools_have_lines_and_nothing_controls() -> None:
    assert printed(with_tools(*TOOLS), stats=True) == snapshot(
        """\
Let me ask.
→ tide {"port": "Farland"}
← tide 1.2 s: high in Farland
At noon, then.
first content 0.10 s · 8 tokens · 13/s · 1 tool call · 2.0 s in all
"""
    )


def test_a_terminal_counts_the_seconds_of_a_tool_and_shows_the_same_in_the_end() -> None:
    terminal = Terminal()
    raw = printed(with_tools(*TOOLS), terminal)
    assert '· tide … 0.7 s' in raw
    assert '\n'.join(terminal.screen) == printed(with_tools(*TOOLS))


def test_no_color_leaves_no_style(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('NO_COLOR', '1')
    assert not re.search(r'\x1b\[[0-9;]*m', printed(with_tools(*TOOLS), Terminal()))


def test_a_dumb_terminal_is_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TERM', 'dumb')
    assert '\x1b' not in printed(with_tools(*TOOLS), Terminal())


def test_calls_whose_arguments_come_at_once_each_have_a_whole_line() -> None:
    agent = with_tools(
        [ToolCall('tide', {'port': 'A'}), ToolCall('wind', {}), ToolCall('tide', {'port': 'B'})], 'Done.'
    )
    assert printed(agent) == snapshot(
        """\
→ tide {"port": "A"}
→ wind {}
→ tide {"port": "B"}
← wind retried: ask later
← tide 1.2 s: high in A
← tide 1.2 s: high in B
Done.
"""
    )


def broken(by: Literal['restart', 'continue']) -> Agent[None, str]:
    cut = Fail(ModelConnectionError('scripted', 'Connection error.'))
    model = ScriptedModel(['It is ', cut], ['It is ', 'seven.'], gap=0.1)
    return Agent(model, capabilities=[StreamGuard(recovery=Recovery(by=by))])


def test_a_reply_that_begins_anew_is_erased_and_one_that_goes_on_stays() -> None:
    terminal = Terminal()
    printed(broken('restart'), terminal)
    assert terminal.screen == snapshot(['↻ the reply was cut off and begins anew', 'It is seven.', ''])
    assert printed(broken('continue')) == snapshot("""\
It is \n\
↻ the reply was cut off and goes on
seven.
""")


def test_a_rejected_attempt_is_erased_on_a_terminal() -> None:
    terminal = Terminal()
    printed(with_checks(), terminal)
    assert terminal.screen == snapshot(['✗ attempt 1 was rejected, removed: not even', 'It is 8.', ''])


def test_a_rejected_attempt_is_taken_back_in_words_where_nothing_can_be_erased() -> None:
    assert printed(with_checks()) == snapshot(
        """\
It is seven,
I think.
✗ attempt 1 was rejected, the text above no longer counts: not even
It is 8.
"""
    )


def test_an_attempt_that_may_have_left_the_screen_is_not_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('LINES', '2')
    terminal = Terminal()
    printed(with_checks(), terminal)
    assert terminal.screen[:2] == ['It is seven,', 'I think.']


def test_all_text_is_printed_before_the_error() -> None:
    error = ModelConnectionError(model_name='scripted', message='gone')
    file = io.StringIO()
    with pytest.raises(ModelConnectionError):
        printed(Agent(ScriptedModel(['A whole sentence that', ' is not finis', Fail(error)])), file, stats=True)
    assert file.getvalue() == snapshot(
        """\
A whole sentence that is not finis
first content 0.00 s · 34 characters · 0.0 s in all
"""
    )


def test_all_text_is_printed_before_a_deadline_is_told() -> None:
    file = io.StringIO()
    with pytest.raises(StreamTimeout):
        printed(Agent(ScriptedModel(['Half a wo', Stall()])), file)
    assert file.getvalue() == 'Half a wo\n'


def test_a_line_of_arguments_that_is_cut_off_is_ended() -> None:
    file = io.StringIO()
    with pytest.raises(StreamTimeout):
        printed(with_tools([ToolCall('tide', '{"port": "Far', pieces=3), Stall()]), file)
    assert file.getvalue() == '→ tide {"port": "Far\n'


LONG = {'plan': 'Ride along the shore. ' * 50}


class Trip(BaseModel):
    plan: str


@pytest.mark.parametrize('pieces', [1, 40])
def test_of_a_structured_output_nothing_is_left_out(pieces: int) -> None:
    model = ScriptedModel([ToolCall('final_result', LONG, pieces=pieces)])
    assert printed(Agent(model, output_type=Trip)) == f'→ final_result {json.dumps(LONG)}\n'


async def say(plan: str) -> str:
    return plan[:4]


@pytest.mark.parametrize('pieces', [1, 40])
def test_arguments_that_are_no_output_are_cut_with_a_sign(pieces: int) -> None:
    model = ScriptedModel([ToolCall('say', LONG, pieces=pieces), ToolCall('say', {'plan': 'Stay.'})], 'Done.')
    assert printed(Agent(model, tools=[say])).splitlines() == [
        f'→ say {json.dumps(LONG)[:400]}…',
        '→ say {"plan": "Stay."}',
        '← say: Ride',
        '← say: Stay',
        'Done.',
    ]


def test_arguments_that_are_cut_by_a_deadline_have_the_sign_too() -> None:
    file = io.StringIO()
    with pytest.raises(StreamTimeout):
        printed(Agent(ScriptedModel([ToolCall('say', json.dumps(LONG), pieces=9), Stall()]), tools=[say]), file)
    assert file.getvalue() == f'→ say {json.dumps(LONG)[:400]}…\n'


def test_all_text_is_printed_when_printing_is_cancelled() -> None:
    file = io.StringIO()

    async def main() -> None:
        agent = Agent(ScriptedModel(['Once ', 'upon a time there was', Stall()], gap=0.1))
        async with RunStream(agent.run_stream_events('Go')) as stream:
            task = asyncio.create_task(print_stream(stream, file=file, smoothing=Smoothing(max_lag=9, max_hold=9)))
            await asyncio.sleep(0.21)
            assert file.getvalue() != 'Once upon a time there was'
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()

    run(main())
    assert file.getvalue() == 'Once upon a time there was\n'


def test_a_run_that_has_ended_is_printed_at_once() -> None:
    file = io.StringIO()

    async def main() -> float:
        async with RunStream(with_tools(*TOOLS).run_stream_events('Go')) as stream:
            await stream.get_output()
            now = asyncio.get_running_loop().time()
            await print_stream(stream, file=file)
            return asyncio.get_running_loop().time() - now

    assert run(main()) < 0.5
    assert file.getvalue().splitlines()[2] == '← tide: high in Farland'


@pytest.mark.parametrize('smoothing', [None, Smoothing()])
def test_what_the_model_says_is_shown_and_not_obeyed(smoothing: Smoothing | None) -> None:
    reply = 'a\r\nb\x1b]0;title\x07\x9b31m\x7f'
    for file in (io.StringIO(), Terminal()):
        printed(Agent(ScriptedModel([reply])), file, smoothing=smoothing)
        assert file.getvalue() == 'a\nb␛]0;title␇\N{REPLACEMENT CHARACTER}31m␡\n'


def test_an_encoding_that_lacks_a_character_does_no_harm() -> None:
    written = io.BytesIO()
    file = io.TextIOWrapper(written, encoding='ascii', newline='')
    sheet = Sheet(file)
    sheet.line('→ tide')
    sheet.text('⛴')
    assert written.getvalue() == b'? tide\n?'


def test_a_terminal_tells_for_how_long_the_model_thinks() -> None:
    script = Response([Thinking('hm '), Thinking('so'), 'Yes.'], gap=0.4)
    terminal = Terminal()
    assert '· thinking … 0.3 s' in printed(Agent(ScriptedModel(script)), terminal)
    assert terminal.screen == ['Yes.', '']


@pytest.mark.parametrize(
    ('text', 'width', 'expected'),
    [
        ('', 10, 0),
        ('1234567890', 10, 0),
        ('12345678901', 10, 1),
        ('123456789日', 10, 1),
        ('a\n\nb', 10, 2),
        ('👨\u200d👩', 10, None),
        ('a\tb', 10, None),
    ],
)
def test_rows_are_counted_as_a_terminal_wraps(text: str, width: int, expected: int | None) -> None:
    assert rows(text, width) == expected


def test_the_status_ends_with_the_printing() -> None:
    terminal = Terminal()

    async def main() -> None:
        async with RunStream(with_tools(*TOOLS).run_stream_events('Go')) as stream:
            task = asyncio.create_task(print_stream(stream, file=terminal))
            await asyncio.sleep(1)
            assert terminal.screen[-1].lstrip('\r').startswith('· tide … 0.')
            task.cancel()
            await asyncio.wait({task})
            printed = terminal.getvalue()
            await asyncio.sleep(1)
            assert terminal.getvalue() == printed

    run(main())
    assert terminal.screen == ['Let me ask.', '→ tide {"port": "Farland"}', '']


PROGRAM = """
import asyncio
from pydantic_ai import Agent
from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.display import print_columns, print_stream, show
from pydantic_ai_streaming.testing import ScriptedModel


async def main():
    agent = Agent(ScriptedModel([f'line {n} ' + 'x' * 500 + chr(10) for n in range(400)]))
    async with RunStream(agent.run_stream_events('Go')) as stream:
        await print_stream(stream, smoothing=None, stats=True)


asyncio.run(main())
"""


def test_a_reader_that_goes_away_gets_no_traceback() -> None:
    program = subprocess.Popen(
        [sys.executable, '-c', PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYDANTIC_AI_NO_BANNER': '1'},
    )
    assert program.stdout is not None
    assert program.stderr is not None
    assert program.stdout.readline().startswith('line 0')
    program.stdout.close()
    complained = program.stderr.read()
    program.stderr.close()
    assert (program.wait(60), complained) == (0, '')


@pytest.mark.parametrize('shown', [print_stream, print_columns, show])
async def test_a_smoothing_that_is_none_is_refused_before_anything_is_printed(
    shown: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with RunStream(Agent(ScriptedModel(['One'])).run_stream_events('Go')) as stream:
        with pytest.raises(TypeError, match=r'smoothing=0.4: use Smoothing\(...\)'):
            await shown(stream, smoothing=0.4)
    assert capsys.readouterr().out == ''
