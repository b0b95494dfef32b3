"""What a log has of one step of a workflow, and what is written when the step is run again: `StepTrack`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from pydantic_ai.messages import (
    CustomEvent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    OutputToolCallEvent,
    OutputToolResultEvent,
)

from ..reduce.content import text_in, thinking_in
from .frames import Frame, frame

__all__ = ['StepTrack', 'tracks_of']

Words: TypeAlias = Literal['text', 'thinking']
OUTCOMES: Mapping[str, str] = {'success': 'returned'}
"""Of those that have another name in a frame."""


class StepTrack:
    r"""Makes frames of the events of one step, each once however often the step is run.

    A step that is run again begins again. What it says is held against what the log has of it: as long as it is the
    same, nothing is written, and who reads along sees the text stand still until it goes on. Where it differs, what was
    shown from there on is taken back (`retraction`), and the new text follows.

    Args:
        step: What the step is called; it is in each of its frames.

    Example:
        >>> from pydantic_ai.messages import PartStartEvent, TextPart
        >>> said = lambda text: PartStartEvent(index=0, part=TextPart(text))
        >>> track = StepTrack('2')
        >>> track.add(said('High water'))
        ['{"type":"text","text":"High water","step":"2"}']
        >>> track.begin()
        >>> track.add(said('High '))
        []
        >>> print(*track.add(said('tide')), sep='\n')
        {"type":"retraction","attempt":1,"text":"water","step":"2"}
        {"type":"text","text":"tide","step":"2"}
    """

    def __init__(self, step: str) -> None:
        self.step = step
        self._written: dict[Words, str] = {'text': '', 'thinking': ''}
        self._others: list[Frame] = []
        self._retracted = 0
        self.begin()

    def begin(self) -> None:
        """The step is run, for the first time or again."""
        self._said: dict[Words, int] = {'text': 0, 'thinking': 0}
        self._matched = 0

    def add(self, event: object) -> list[Frame]:
        """The frames that an event makes, as far as the log does not have them."""
        frames = self._say('text', text_in(event)) + self._say('thinking', thinking_in(event))
        if (other := _other(event, self.step)) is not None:
            if self._matched < len(self._others) and self._others[self._matched] == other:
                self._matched += 1
            else:
                # From here on it is another one; what was told of the last one stays, as it has happened.
                self._others.append(other)
                self._matched = len(self._others)
                frames.append(other)
        return frames

    def _say(self, kind: Words, piece: str) -> list[Frame]:
        if not piece:
            return []
        written, said = self._written[kind], self._said[kind]
        common = _common(written[said : said + len(piece)], piece)
        self._said[kind] += common
        if common == len(piece):
            return []
        frames = self._take_back(kind)
        self._written[kind] += piece[common:]
        self._said[kind] = len(self._written[kind])
        return [*frames, frame(kind, text=piece[common:], step=self.step)]

    def end(self) -> list[Frame]:
        """The step is over: what an earlier attempt had said beyond this one is taken back."""
        return self._take_back('text') + self._take_back('thinking')

    def _take_back(self, kind: Words) -> list[Frame]:
        written, said = self._written[kind], self._said[kind]
        if said == len(written):
            return []
        self._written[kind], rest = written[:said], written[said:]
        self._retracted += 1
        # The text is there also where it is thinking that is taken back: clients shorten theirs by its length.
        fields = {'text': rest} if kind == 'text' else {'text': '', 'thinking': rest}
        return [frame('retraction', attempt=self._retracted, **fields, step=self.step)]

    def know(self, one: Mapping[str, Any], entry: Frame) -> None:
        """Take up a frame that the log has of this step."""
        match one:
            case {'type': 'text', 'text': str(text)}:
                self._written['text'] += text
            case {'type': 'thinking', 'text': str(text)}:
                self._written['thinking'] += text
            case {'type': 'retraction', 'text': str(text)}:
                self._retracted += 1
                self._written['text'] = self._written['text'].removesuffix(text)
                self._written['thinking'] = self._written['thinking'].removesuffix(str(one.get('thinking', '')))
            case _:
                self._others.append(entry)


def tracks_of(entries: Iterable[bytes]) -> dict[str, StepTrack]:
    """What a log has of each step."""
    tracks: dict[str, StepTrack] = {}
    for entry in entries:
        one: Any = json.loads(entry) if entry.startswith(b'{') else {}
        step = one.get('step')
        if isinstance(step, str):
            tracks.setdefault(step, StepTrack(step)).know(one, entry.decode())
    return tracks


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with together."""
    if one == other:
        return len(one)
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (a, b) in pairs if a != b), min(len(one), len(other)))


def _other(event: object, step: str) -> Frame | None:
    """The frame of an event that is no piece of text. Calls have no number here: their id says which one it is."""
    if isinstance(event, CustomEvent):
        if not event.ui:
            return None
        return frame(
            'progress', tool_call_id=event.tool_call_id, name=event.name, payload=event.to_payload(), step=step
        )
    if isinstance(event, (FunctionToolCallEvent, OutputToolCallEvent)):
        part = event.part
        kind = 'output' if isinstance(event, OutputToolCallEvent) else 'function'
        fields = {'tool_call_id': part.tool_call_id, 'name': part.tool_name, 'kind': kind}
        return frame('tool_call', **fields, state='running', arguments=part.args_as_json_str(), step=step)
    if isinstance(event, (FunctionToolResultEvent, OutputToolResultEvent)):
        part = event.part
        kind = 'output' if isinstance(event, OutputToolResultEvent) else 'function'
        state = OUTCOMES.get(part.outcome, part.outcome)
        fields = {'tool_call_id': part.tool_call_id, 'name': part.tool_name, 'kind': kind, 'state': state}
        # What the model was told of a failure is the text of an exception.
        result = {'result': part.content} if state == 'returned' and kind == 'function' else {}
        return frame('tool_call', **fields, **result, step=step)
    return None
