"""The timeline: every instant belongs to somebody, and the pictures show it in any width."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from pydantic_ai import Agent
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    NativeToolCallPart,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)

from pydantic_ai_streaming import RunStream, Span, Timeline
from pydantic_ai_streaming.reduce.gantt import html_of, text_of
from pydantic_ai_streaming.reduce.timeline import timeline_of
from pydantic_ai_streaming.testing import ScriptedModel, Thinking, ToolCall

EVENTS: list[object] = [
    PartStartEvent(index=0, part=ThinkingPart('x')),
    PartStartEvent(index=0, part=TextPart('x')),
    PartDeltaEvent(index=0, delta=TextPartDelta('x')),
    PartStartEvent(index=1, part=ToolCallPart('a', '{}', '1')),
    PartEndEvent(index=1, part=ToolCallPart('a', '{}', '1')),
    PartStartEvent(index=2, part=NativeToolCallPart('n', {}, tool_call_id='2')),
    FunctionToolCallEvent(ToolCallPart('a', '{}', '1'), args_valid=True),
    FunctionToolResultEvent(ToolReturnPart('a', 'x', '1')),
]


def check_complete(timeline: Timeline) -> None:
    spans = timeline.spans
    assert (spans[0].start, spans[-1].end) == (0.0, timeline.duration)
    assert all(before.end == after.start for before, after in pairwise(spans))
    assert all(span.start < span.end for span in spans)
    assert all(before.activity != after.activity for before, after in pairwise(spans))


@given(st.lists(st.tuples(st.floats(0, 10), st.sampled_from(EVENTS)), max_size=30), st.booleans())
def test_any_events_in_any_order_leave_no_instant_out(steps: list[tuple[float, object]], over: bool) -> None:
    now, events = 0.0, list[tuple[float, object]]()
    for wait, event in steps:
        now += wait
        events.append((now, event))
    timeline = timeline_of(events, end=now + 1, over=over)
    check_complete(timeline)
    assert abs(sum(map(timeline.share, ('waiting', 'thinking', 'model', 'tool'))) - timeline.duration) < 1e-6
    assert all(len(line) <= 50 for line in timeline.text(50).splitlines())
    assert not over or all(call.ended for call in timeline.calls)


@pytest.mark.virtual_time
async def test_the_timeline_of_a_run_tells_whom_each_second_belongs_to() -> None:
    model = ScriptedModel(
        [Thinking('Hm', wait=1), Thinking('.', wait=2), ToolCall('look', pieces=['{', '}'])], ['Do', 'ne.'], gap=1
    )
    agent: Agent[None, str] = Agent(model)

    @agent.tool_plain
    async def look() -> str:
        await asyncio.sleep(4)
        return 'seen'

    async with RunStream(agent.run_stream_events('Go')) as stream:
        await asyncio.sleep(7)
        early = stream.timeline
        await stream.get_output()
    check_complete(early)
    assert (early.duration, early.calls[0].state) == (7.0, 'running')
    assert stream.timeline.spans == snapshot(
        (
            Span(activity='waiting', start=0.0, end=1.0),
            Span(activity='thinking', start=1.0, end=4.0),
            Span(activity='model', start=4.0, end=6.0),
            Span(activity='tool', start=6.0, end=10.0),
            Span(activity='waiting', start=10.0, end=11.0),
            Span(activity='model', start=11.0, end=12.0),
        )
    )
    assert stream.timeline.text(50) == snapshot("""\
model ··░░░░░░░█████         ··███ 3.00 s
look           ╌╌╌╌╌━━━━━━━━━      returned 4.00 s
      0 s                  12.00 s\
""")
    assert early.calls[0].state == 'running', 'a timeline does not change'


def test_a_native_tool_whose_return_is_not_sent_ends_when_the_provider_writes_again() -> None:
    search = NativeToolCallPart('search', {'q': 1}, tool_call_id='n')
    events = [(1.0, PartStartEvent(index=0, part=search)), (3.0, PartStartEvent(index=1, part=TextPart('x')))]
    timeline = timeline_of(events, end=5.0, over=True)
    assert [(span.activity, span.end) for span in timeline.spans] == [('waiting', 1.0), ('tool', 3.0), ('model', 5.0)]


def test_a_run_that_took_no_time_has_a_picture_too() -> None:
    timeline = timeline_of([(0.0, EVENTS[3])], end=0.0, over=True)
    assert (timeline.spans, timeline.share('model')) == ((), 0)
    assert 'unfinished' in timeline.text()
    assert 'unfinished' in timeline.html()


ROW: Any = [('running', 0.0, 1.0)]


@pytest.mark.parametrize('width', [0, 20, 40, 41, 80, 200])
def test_no_line_is_longer_than_the_width_and_narrow_is_40(width: int) -> None:
    rows = [('a name that is much too long', 'a remark that is much too long', ROW), ('b', '', ROW)]
    lines = text_of(rows, 12345.678, width).splitlines()
    assert max(map(len, lines)) <= max(width, 40)
    assert '…' in lines[0]


def test_wide_and_combining_characters_keep_the_columns() -> None:
    lines = text_of([('天気', '', ROW), ('e\u0301t', '', ROW), ('four', '', ROW)], 1.0, 40).splitlines()
    assert [line[: line.index('━')] for line in lines[:3]] == ['天気 ', 'e\u0301t   ', 'four ']
    assert text_of([('天気天気天気天気天気', '', ROW)], 1.0, 40).startswith('天気天気天気天… ')


def test_a_name_that_a_model_made_up_neither_breaks_lines_nor_moves_the_cursor() -> None:
    lines = text_of([('a\n\x1b[2Jb', 'x\ry', ROW)], 1.0, 60).splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ''
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.names |= {tag, *(name for name, _ in attrs)}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_html_shows_names_as_they_are_and_runs_nothing() -> None:
    evil = '<img src=x onerror="alert(1)">&'
    page = Tags()
    page.feed(html_of([(evil, evil, [('"><b>', 0.0, 1.0)])], 1.0))
    assert page.open == []
    assert page.names == {'div', 'span', 'style', 'role', 'title', 'aria-label'}
    assert page.text == evil * 2


def test_every_bar_of_the_html_lies_within_the_picture() -> None:
    timeline = timeline_of([(float(now), event) for now, event in enumerate(EVENTS)], end=9.0, over=True)
    bars = re.findall(r'left:([\d.]+)%;width:max\(([\d.]+)%', timeline.html())
    assert len(bars) >= 5
    assert all(float(left) + float(width) <= 100.02 for left, width in bars)
    assert timeline._repr_html_() == timeline.html()  # pyright: ignore[reportPrivateUsage] - what Jupyter calls


def lines_run(calls: int) -> int:
    """How many lines of Python it takes to follow so many calls that all run at once, and to tell the timeline."""
    ids = [f'c{number}' for number in range(calls)]
    parts = [ToolCallPart('slow', {}, tool_call_id=one) for one in ids]
    events: list[tuple[float, object]] = [(0.0, PartStartEvent(index=n, part=part)) for n, part in enumerate(parts)]
    events += [(1 + n / 1e4, FunctionToolCallEvent(part, args_valid=True)) for n, part in enumerate(parts)]
    events += [
        (2 + n / 1e4, FunctionToolResultEvent(part=ToolReturnPart('slow', 'x', tool_call_id=one)))
        for n, one in enumerate(ids)
    ]
    lines = 0

    def count(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        nonlocal lines
        lines += event == 'line'
        return count

    sys.settrace(count)
    try:
        timeline = timeline_of(events, end=4.0, over=True)
    finally:
        sys.settrace(None)
    assert len(timeline.calls) == calls
    assert all(len(call.beside) == calls - 1 for call in timeline.calls[:2])
    return lines


def test_many_tools_at_once_take_work_that_grows_with_their_number_not_with_its_square() -> None:
    assert lines_run(400) < 2.2 * lines_run(200)
