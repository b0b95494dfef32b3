"""What lessons and checks are written with: the screen, the model, the cells."""

from __future__ import annotations

import asyncio
import re
import sys

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import UsageLimitExceeded

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import Outputs, Pipe, Screen, Shown, Terminal, lesson_model
from pydantic_ai_streaming.course.model import LIVE, MAX_REQUESTS, MAX_TOKENS, LiveModel
from pydantic_ai_streaming.course.notebooks import cells, kernels_ready, notebook
from pydantic_ai_streaming.testing import ScriptedModel


@pytest.mark.virtual_time
async def test_a_screen_shows_at_a_flush_and_at_the_end_of_a_line() -> None:
    with Screen() as screen:
        print('a', end='')
        await asyncio.sleep(1)
        print('b', end='', flush=True)
        await asyncio.sleep(1)
        print('c\nd', end='')
        await asyncio.sleep(1)
    assert screen.shown == [Shown(1.0, 'ab'), Shown(2.0, 'c\n'), Shown(3.0, 'd')]


def test_a_screen_shows_what_was_written_before_an_error() -> None:
    def fail() -> None:
        print('half a ', end='')
        raise EOFError

    screen = Screen()
    with pytest.raises(EOFError), screen:
        fail()
    assert screen.text == 'half a '


@pytest.mark.virtual_time
async def test_a_pipe_gets_what_is_flushed_and_a_line_is_no_flush() -> None:
    pipe = Pipe()
    print('a', file=pipe)
    await asyncio.sleep(1)
    print('é', end='', file=pipe, flush=True)
    await asyncio.sleep(1)
    print('c' * 9000, end='', file=pipe)
    assert pipe.arrived[0] == Shown(1.0, 'a\né')
    assert pipe.arrived[1].at == 2.0
    assert not pipe.isatty()


def test_a_terminal_shows_at_a_flush_and_where_a_line_is_ended_or_gone_back_on() -> None:
    terminal = Terminal()
    seen: list[list[str]] = []
    for text, flush in (('a', False), ('b', True), ('c', False), ('d\n', False), ('e', False), ('\r', False)):
        print(text, end='', file=terminal, flush=flush)
        seen.append(terminal.lines)
    assert seen == [[], ['ab'], ['ab'], ['abcd'], ['abcd'], ['abcd', 'e']]


@pytest.mark.parametrize(
    ('written', 'seen'),
    [
        ('one\ntwo\n', ['one', 'two']),
        ('one\rtw', ['twe']),
        ('one\b\bX', ['oXe']),
        ('one\r\x1b[Ktwo', ['two']),
        ('one\x1b[2K\rtwo', ['two']),
        ('one\x1b[31mred\x1b[0m', ['onered']),
        ('one\ntwo\x1b[1A\r\x1b[Jthree', ['three']),
        ('\u6771\u4eac\b\b\b\bab', ['ab\u4eac']),  # two cells for each
        ('\u6771\u4eac\b\b\bx', [' x\u4eac']),  # half of one is gone with the other half
        ('\u6771\u4eac\b\b\b\bx', ['x \u4eac']),
        ('e\u0301\bX', ['X']),
        ('1234567890AB', ['1234567890', 'AB']),
        ('123456789\u6771', ['123456789', '\u6771']),
        ('\r\b\x1b[5A!', ['!']),
    ],
)
def test_a_terminal_shows_and_obeys(written: str, seen: list[str]) -> None:
    terminal = Terminal(width=10)
    print(written, end='', file=terminal, flush=True)
    assert terminal.lines == seen
    one_by_one = Terminal(width=10)
    for character in re.findall(r'\x1b\[[\d;]*\w|[^\x1b]', written):
        one_by_one.write(character)
    one_by_one.flush()
    assert one_by_one.lines == seen


@pytest.mark.virtual_time
async def test_a_pipe_gets_whole_blocks_unless_one_flushes_and_stderr_gets_lines() -> None:
    with Outputs() as outputs:
        print('a')
        print('b', file=sys.stderr)
        await asyncio.sleep(1)
        print('c', end='', flush=True)
        print('d', end='', file=sys.stderr)
        await asyncio.sleep(1)
        print('e' * 10_000)
        await asyncio.sleep(1)
        print('f')
    assert [(shown.at, len(shown.text)) for shown in outputs.out.shown] == [(1.0, 3), (2.0, 8192), (3.0, 1811)]
    assert outputs.err.shown == [Shown(0.0, 'b\n'), Shown(3.0, 'd')]


@pytest.mark.virtual_time
async def test_a_terminal_gets_lines_and_says_that_it_is_one() -> None:
    with Outputs(terminal=True) as outputs:
        print('a\nb', end='')
        assert sys.stdout.isatty()
        await asyncio.sleep(1)
    assert outputs.out.shown == [Shown(0.0, 'a\n'), Shown(1.0, 'b')]
    assert not Outputs().out.isatty()


def test_a_reader_that_has_gone_breaks_the_pipe_and_gets_no_more() -> None:
    with Outputs(reads=2) as outputs:
        print('ab', end='', flush=True)
        with pytest.raises(BrokenPipeError):
            print('cd', end='', flush=True)
    assert outputs.out.text == 'ab'


async def test_a_lesson_asks_the_model_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIVE, raising=False)
    assert isinstance(lesson_model('Hello'), ScriptedModel)
    monkeypatch.setenv(LIVE, 'test')
    model = lesson_model('Hello')
    assert isinstance(model, LiveModel)
    async with RunStream(Agent(model).run_stream_events('Go')) as stream:
        assert await stream.get_output() == 'success (no tool calls)'


async def test_a_real_model_is_asked_so_often_and_for_so_much_at_most() -> None:
    scripted = ScriptedModel('Yes.', loop=True)
    agent = Agent(LiveModel(scripted), model_settings={'temperature': 0.5, 'timeout': 5})
    for _ in range(MAX_REQUESTS - 1):
        async with RunStream(agent.run_stream_events('Go')) as stream:
            await stream.get_output()
    assert (await agent.run('Go')).output == 'Yes.'
    with pytest.raises(UsageLimitExceeded, match=f'makes {MAX_REQUESTS} requests'):
        await agent.run('Go')
    assert len(scripted.requests) == MAX_REQUESTS
    for request in scripted.requests:
        assert request.settings == {'temperature': 0.5, 'timeout': 5, 'max_tokens': MAX_TOKENS}


def test_a_file_becomes_cells() -> None:
    source = (
        '"""What it is about."""\n\nimport asyncio\n\n\n# %% One\nasync def main():\n    print(1)\n\n\n'
        '# %% [markdown]\n# Some *words*,\n#\n# in two paragraphs.\n\n\n# %%\n'
        "if __name__ == '__main__':\n    asyncio.run(main())\n"
    )
    assert list(cells(source, 'l01: Title')) == [
        ('markdown', '# l01: Title\n\nWhat it is about.'),
        ('code', 'import asyncio'),
        ('markdown', '## One'),
        ('code', 'async def main():\n    print(1)'),
        ('markdown', 'Some *words*,\n\nin two paragraphs.'),
        ('code', 'await main()'),
    ]


async def test_kernels_are_ready_together_and_each_notebook_begins_with_nothing_defined() -> None:
    async with kernels_ready(2, 'import wave') as ready:
        for one in ready:
            assert await one.printed(notebook('import sys\nprint("wave" in sys.modules)\nseen = 1', '')) == 'True\n'
            assert 'NameError' in await one.printed(notebook('print(seen)', ''))
