"""The same run in two columns: whole in the end, however it ends."""

from __future__ import annotations

import asyncio
import io
import math
import re
import sys
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.demo.clock import loop_factory
from pydantic_ai_streaming.display import can_print_columns, print_columns
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Stall, ToolCall


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def terminal_of_80_by_24(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('NO_COLOR', raising=False)
    for name, value in {'TERM': 'xterm', 'COLUMNS': '80', 'LINES': '24'}.items():
        monkeypatch.setenv(name, value)


def lines_of(terminal: Terminal) -> list[str]:
    """What stands there in the end: what was drawn last."""
    last = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]|\r', '', terminal.getvalue().rpartition('as it arrives')[2])
    return [line.rstrip() for line in last.splitlines()[2:] if line.strip()]


def shown(*script: Any, cancel_after: float | None = None, terminal: Terminal | None = None) -> list[str]:
    terminal = terminal or Terminal()
    agent = Agent(ScriptedModel(*script, gap=0.1))

    @agent.tool_plain
    async def tide() -> str:
        await asyncio.sleep(1)
        return 'high'

    async def main() -> None:
        async with RunStream(agent.run_stream_events('Go')) as stream:
            task = asyncio.create_task(print_columns(stream, file=terminal))
            await asyncio.wait({task}, timeout=cancel_after)
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=loop_factory(math.inf)) as runner:
        runner.run(main())
    return lines_of(terminal)


def both(line: str) -> str:
    return f'{line:<37}    {line}'


def test_both_columns_tell_the_same_in_the_end() -> None:
    assert shown(['Let me look.', ToolCall('tide', {}, pieces=1)], ['It is ', 'high.']) == [
        both('Let me look.'),
        both('→ tide {}'),
        both('← tide 1.0 s: high'),
        both('It is high.'),
    ]


def test_what_does_not_fit_on_the_screen_is_there_in_the_end() -> None:
    lines = [f'line {number}' for number in range(60)]
    assert shown([f'{line}\n' for line in lines]) == [both(line) for line in lines]


def test_nothing_is_lost_when_it_is_cancelled() -> None:
    assert shown(['Half a', ' wo', Stall()], cancel_after=0.21) == [both('Half a wo')]


def test_nothing_is_lost_when_the_run_fails() -> None:
    error = ModelConnectionError(model_name='scripted', message='gone')
    terminal = Terminal()
    with pytest.raises(ModelConnectionError):
        shown(['Half a', ' wo', Fail(error)], terminal=terminal)
    assert lines_of(terminal) == [both('Half a wo')]


def test_columns_need_room_a_terminal_and_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_print_columns(Terminal())
    assert not can_print_columns(io.StringIO())
    monkeypatch.setenv('COLUMNS', '60')
    assert not can_print_columns(Terminal())
    monkeypatch.setenv('COLUMNS', '80')
    monkeypatch.setenv('LINES', '10')
    assert not can_print_columns(Terminal())
    monkeypatch.setenv('LINES', '24')
    monkeypatch.setitem(sys.modules, 'rich', None)
    assert not can_print_columns(Terminal())


def test_no_color_leaves_no_style(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('NO_COLOR', '1')
    terminal = Terminal()

    async def main() -> None:
        async with RunStream(Agent(ScriptedModel('Hi.')).run_stream_events('Go')) as stream:
            await print_columns(stream, file=terminal)

    with asyncio.Runner(loop_factory=loop_factory(math.inf)) as runner:
        runner.run(main())
    assert 'Hi.' in terminal.getvalue()
    assert not re.search(r'\x1b\[[0-9;]*m', terminal.getvalue())


def test_no_timer_is_left_when_it_has_returned() -> None:
    async def main() -> None:
        async with RunStream(Agent(ScriptedModel('Hi.')).run_stream_events('Go')) as stream:
            await print_columns(stream, file=Terminal())
        # A live display that has stopped draws nothing, so a forgotten timer would not be seen.
        timers: list[asyncio.TimerHandle] = getattr(asyncio.get_running_loop(), '_scheduled')  # noqa: B009
        assert [timer for timer in timers if not timer.cancelled()] == []

    with asyncio.Runner(loop_factory=loop_factory(math.inf)) as runner:
        runner.run(main())
