"""What a run did when: `Timeline`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from pydantic_ai.messages import (
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallEvent,
    ToolCallPartDelta,
    ToolResultEvent,
)

from .events import AttemptRejectedEvent, StreamRecoveredEvent
from .gantt import html_of, text_of
from .tool_call import ToolCall
from .tool_watch import ToolWatch

__all__ = ['Activity', 'Span', 'Timeline', 'TimelineReader', 'timeline_of']

Activity: TypeAlias = Literal['waiting', 'thinking', 'model', 'tool']
"""Whom a moment belongs to: the model, while it writes or thinks; tools, while any runs; nobody, while the model is
waited for, or an approval."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time.

    Attributes:
        activity: Whom it belongs to.
        start, end: Seconds since the run began.
    """

    activity: Activity
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a run did when, as far as it has come.

    Attributes:
        spans: Stretches of time without gaps, from the beginning to the end.
        calls: The tool calls, in the order in which the model made them, with their own times.
        duration: Seconds from the beginning to the end.
    """

    spans: Sequence[Span]
    calls: Sequence[ToolCall]
    duration: float

    def share(self, activity: Activity) -> float:
        """Seconds that belong to an activity."""
        return sum(span.end - span.start for span in self.spans if span.activity == activity)

    def text(self, width: int = 80) -> str:
        """A picture in characters: a row for the model and one for each tool call.

        Args:
            width: Columns, 40 at least.
        """
        return text_of(self.rows(), self.duration, width)

    def html(self) -> str:
        """The same picture as a piece of HTML that needs nothing else."""
        return html_of(self.rows(), self.duration)

    _repr_html_ = html

    def rows(self) -> list[tuple[str, str, list[tuple[str, float, float]]]]:
        """The rows of the picture: a name, a remark, and the bars, each with its kind, start and end."""
        bars = [(span.activity, span.start, span.end) for span in self.spans if span.activity != 'tool']
        rows: list[tuple[str, str, list[tuple[str, float, float]]]] = [
            ('model', f'{self.share("model"):.2f} s', list(bars))
        ]
        for call in self.calls:
            start = call.times['calling']
            begin = call.times.get('running')
            stop = call.times[call.state] if call.ended else self.duration
            asked = call.times.get('waiting')
            acted = stop if begin is None else begin
            shown = [('calling', start, acted if asked is None else asked)]
            if asked is not None:
                shown.append(('waiting', asked, acted))
            if begin is not None:
                shown.append(('running' if call.state in ('returned', 'running') else call.state, begin, stop))
            took = '' if call.duration is None else f' {call.duration:.2f} s'
            rows.append((call.name, f'{call.state}{took}', shown))
        return rows


def timeline_of(events: Iterable[tuple[float, object]], *, end: float, over: bool) -> Timeline:
    """Make the timeline of a run.

    Args:
        events: The events, each with the second since the run began at which it came, in order.
        end: Where the timeline ends, in seconds.
        over: Whether the run is over: calls that are still open are `unfinished` then.
    """
    reader = TimelineReader()
    for at, event in events:
        reader.add(event, at)
    if over:
        reader.finish(end)
    return reader.timeline(end)


class TimelineReader:
    """Fed with the events of a run, tells what they change about its tool calls, and its timeline at any moment."""

    def __init__(self) -> None:
        self._watch = ToolWatch()
        self._marks: list[tuple[float, Activity]] = [(0.0, 'waiting')]
        self._worked: list[tuple[float, float]] = []  # stretches in which some tool ran, one after the other
        self._working: set[int] = set()  # the calls that run
        self._since = 0.0  # when the first of them began, after nothing ran

    def add(self, event: object, at: float) -> list[ToolCall]:
        """Take in an event that came at `at`, in seconds since the run began. Returns the calls that it has changed."""
        calls = self._watch.add(event, at)
        for call in calls:
            if call.state == 'running':
                self._begins(call.number, at)
            else:
                self._end({call.number}, at)
        if self._working and isinstance(event, PartStartEvent) and isinstance(event.part, TextPart | ThinkingPart):
            # The provider writes again, so that its tools have ended, even those whose return it does not send.
            self._end({number for number in self._working if self._watch.calls[number].kind == 'native'}, at)
        activity = _activity(event)
        if activity is not None and activity != self._marks[-1][1]:
            self._marks.append((at, activity))
        return calls

    def _begins(self, number: int, at: float) -> None:
        if not self._working:
            self._since = at
        self._working.add(number)

    def _end(self, numbers: set[int], at: float) -> None:
        if self._working and numbers:
            self._working -= numbers
            if not self._working:
                self._worked.append((self._since, at))

    def finish(self, now: float) -> list[ToolCall]:
        """The run is over. Returns the calls that did not get to an end."""
        return self._watch.finish(now)

    def timeline(self, end: float) -> Timeline:
        """What the run did until `end`, in seconds since it began."""
        # Those that run know by now what has begun beside them.
        calls = (call.changed() if call.state == 'running' else call for call in self._watch.calls)
        return Timeline(self.spans(end), tuple(calls), end)

    def spans(self, end: float) -> tuple[Span, ...]:
        """The stretches of time alone."""
        worked = [*self._worked, (self._since, end)] if self._working else self._worked
        return tuple(_spans(self._marks, worked, end))


def _activity(event: object) -> Activity | None:
    if isinstance(event, PartStartEvent):
        return 'thinking' if isinstance(event.part, ThinkingPart) else 'model'
    if isinstance(event, PartDeltaEvent):
        if isinstance(event.delta, ThinkingPartDelta):
            return 'thinking'
        return 'model' if isinstance(event.delta, TextPartDelta | ToolCallPartDelta) else None
    # A tool is called when the response is over, and when it has returned, the model is waited for.
    asks = isinstance(event, ToolCallEvent | ToolResultEvent | AttemptRejectedEvent | StreamRecoveredEvent)
    return 'waiting' if asks else None


def _spans(
    marks: Sequence[tuple[float, Activity]], worked: Sequence[tuple[float, float]], end: float
) -> Iterable[Span]:
    instants = sorted({0.0, end, *(at for at, _ in marks), *(at for pair in worked for at in pair)})
    spans: list[Span] = []
    mark = work = 0
    for start, stop in pairwise(instants):
        while mark + 1 < len(marks) and marks[mark + 1][0] <= start:
            mark += 1
        activity: Activity = marks[mark][1]
        while work < len(worked) and worked[work][1] <= start:
            work += 1
        if work < len(worked) and worked[work][0] <= start:
            activity = 'tool'
        if spans and spans[-1].activity == activity:
            spans[-1] = Span(activity, spans[-1].start, stop)
        else:
            spans.append(Span(activity, start, stop))
    return spans
