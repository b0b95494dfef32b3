"""The events of a response with its text cut anew, at a pace that one can read: `PacedEvents`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic_ai.messages import (
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)

from ..core.pacing import Pacer, Smoothing

__all__ = ['PacedEvents']

SAME_BURST = 0.001
"""Seconds: pieces of text that come closer together are fed as one."""


class PacedEvents:
    """Passes events on in their order, text through a `Pacer`.

    The start of a text part comes at once, with the text that it has; the deltas of the part come cut anew, at the
    pace. An event between two deltas keeps its place among the characters. The end of the part, and whatever follows
    it, waits for the rest of its text, which is due within `Smoothing.drain` then.

    The start is left whole because `agent.run_stream` hands a response over at the `FinalResultEvent` that follows it,
    and `stream_text` then begins with what the response has: what was still held back would come twice.

    Args:
        smoothing: The pace.

    Example:
        >>> events = PacedEvents(Smoothing())
        >>> events.feed(PartStartEvent(index=0, part=TextPart('One two th')), now=0.0)
        >>> events.feed(PartDeltaEvent(index=0, delta=TextPartDelta('ree four')), now=0.1)
        >>> [event.event_kind for event in events.due(0.1)]
        ['part_start', 'part_delta']
    """

    def __init__(self, smoothing: Smoothing) -> None:
        self._smoothing = smoothing
        self._pacer: Pacer | None = None
        self._index = -1
        # Characters of the part that came, and that were passed on; and what stands where among them.
        self._came = self._shown = 0
        self._placed: deque[tuple[int, Any]] = deque()
        self._burst: list[str] = []
        self._burst_at = 0.0
        self._ending = False
        self._closed_at: float | None = None
        self._waiting: deque[tuple[float, Any]] = deque()
        self._ready: list[Any] = []

    @property
    def next_due(self) -> float | None:
        """When to call `due` again; `None` if that depends on what comes."""
        return None if self._pacer is None else self._pacer.next_due

    @property
    def finished(self) -> bool:
        """Whether nothing waits."""
        return self._pacer is None and not self._ready

    def feed(self, event: Any, now: float) -> None:
        """Take an event that came at `now` (seconds)."""
        if self._ending:
            self._waiting.append((now, event))
        else:
            self._take(event, now)

    def due(self, now: float) -> Sequence[Any]:
        """What to pass on at `now`."""
        while (pacer := self._pacer) is not None:
            self._feed_burst(pacer)
            piece = pacer.due(now)
            if piece:
                self._show(piece)
            if not pacer.finished:
                break
            self._end_part()
        ready, self._ready = self._ready, []
        return ready

    def close(self, now: float) -> None:
        """Nothing more comes."""
        self._closed_at = now
        if self._pacer is not None and not self._ending:
            self._close_part(self._pacer, now)

    def flush(self, now: float) -> Sequence[Any]:
        """All that waits, at once."""
        while (pacer := self._pacer) is not None:
            self._feed_burst(pacer)
            self._show(pacer.flush())
            self._end_part()
        ready, self._ready = self._ready, []
        return ready

    def _take(self, event: Any, now: float) -> None:
        pacer = self._pacer
        if type(event) is PartDeltaEvent and event.index == self._index and type(event.delta) is TextPartDelta:
            self._text(event, event.delta, now)
        elif pacer is None:
            self._pass(event)
        elif _ends_text(event):
            self._waiting.appendleft((now, event))
            self._close_part(pacer, now)
        else:
            self._place(event)

    def _pass(self, event: Any) -> None:
        """Take an event while no text is open."""
        if type(event) is PartStartEvent and isinstance(event.part, TextPart):
            self._index, self._came, self._shown = event.index, 0, 0
            self._pacer = Pacer(self._smoothing)
        self._ready.append(event)

    def _text(self, event: PartDeltaEvent, delta: TextPartDelta, now: float) -> None:
        pacer = self._pacer
        assert pacer is not None, 'the index is that of the open part'
        if text := delta.content_delta:
            if self._burst and now - self._burst_at > SAME_BURST:
                self._feed_burst(pacer)
            self._burst.append(text)
            self._burst_at = now
            self._came += len(text)
        if delta.provider_name or delta.provider_details or delta.citations_delta:
            # What a delta brings beside text keeps its place too.
            self._place(replace(event, delta=replace(delta, content_delta='')))

    def _place(self, event: Any) -> None:
        """Have an event come after the text that has come."""
        if self._came == self._shown and not self._placed:
            self._ready.append(event)
        else:
            self._placed.append((self._came, event))

    def _feed_burst(self, pacer: Pacer) -> None:
        if self._burst:
            pacer.feed(''.join(self._burst), self._burst_at)
            self._burst.clear()

    def _close_part(self, pacer: Pacer, now: float) -> None:
        self._feed_burst(pacer)
        pacer.close(now)
        self._ending = True

    def _end_part(self) -> None:
        """All text of the part has been passed on: what waited for it follows."""
        self._ready += [event for _, event in self._placed]
        self._placed.clear()
        self._pacer, self._index, self._ending = None, -1, False
        while self._waiting and not self._ending:
            at, event = self._waiting.popleft()
            self._take(event, at)
        if self._closed_at is not None:
            self.close(self._closed_at)

    def _show(self, piece: str) -> None:
        placed, start, said = self._placed, self._shown, 0
        while placed and placed[0][0] <= start + len(piece):
            place, event = placed.popleft()
            self._say(piece[said : place - start])
            said = place - start
            self._ready.append(event)
        self._say(piece[said:])

    def _say(self, text: str) -> None:
        if text:
            self._ready.append(PartDeltaEvent(index=self._index, delta=TextPartDelta(content_delta=text)))
            self._shown += len(text)


def _ends_text(event: object) -> bool:
    """Whether no more text of a part comes after this; text of another part is not mixed with it."""
    kind = type(event)
    return (
        kind is PartEndEvent
        or kind is PartStartEvent
        or (type(event) is PartDeltaEvent and type(event.delta) is TextPartDelta)
    )
