"""The events of a run as those of the Responses API, as MLflow's `ResponsesAgent` has them: `ResponseEvents`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from uuid import uuid4

from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    OutputToolCallEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
)
from pydantic_ai.run import AgentRunResult, AgentRunResultEvent
from pydantic_ai.tools import DeferredToolRequests
from pydantic_ai.usage import RunUsage
from pydantic_core import from_json, to_json

from ..reduce.events import RunEvent, takes_back

__all__ = ['ResponseEvents']

Told: TypeAlias = dict[str, Any]

SHORT = {'length': 'max_output_tokens', 'content_filter': 'content_filter'}
"""Reasons to finish that leave an answer incomplete, and what the protocol calls them."""


@dataclass
class _Held:
    """A text or thoughts of the response that is being streamed: whether it counts is not known before its end."""

    id: str
    kind: Literal['text', 'thinking']
    pieces: list[str] = field(default_factory=list[str])

    @property
    def text(self) -> str:
        return ''.join(self.pieces)


class ResponseEvents:
    """Makes the events of a response from those of a run, which are to be added in their order.

    - Each text is an item of its own, with a delta for each piece and one `response.output_item.done` with the whole.
      The deltas of an item, joined, are the text of its end.
    - Function calls, their outputs and thoughts are items that come whole. Output tools are not shown.
    - The end of an item comes when its response counts. An item whose deltas came, and whose end does not, is taken
      back: the next event has its id in `custom_outputs['retracted']`. That is so for an attempt that output validation
      rejects, for a response that broke off and begins anew, and for a text that an output function has replaced.
    - A structured output is a text in JSON, in one delta.
    - The last event is `response.completed`, with all items and the usage; or `response.incomplete`, where the model
      was not allowed to go on. A run that fails has neither.

    Args:
        response_id: What the response is called, in the ids of its items too. A random one by default.

    Example:
        >>> from pydantic_ai.messages import TextPart
        >>> events = ResponseEvents('1')
        >>> list(events.add(PartStartEvent(index=0, part=TextPart('Hello'))))
        [{'type': 'response.output_text.delta', 'item_id': 'msg_1_1', 'delta': 'Hello'}]
    """

    def __init__(self, response_id: str | None = None) -> None:
        self._id = uuid4().hex if response_id is None else response_id
        self._items = 0
        self._output: list[Told] = []
        self._held: dict[int, _Held] = {}
        self._last_index = -1
        self._by_tool = False
        self._retracted: list[str] = []
        self._handlers: dict[type, Callable[[Any], Iterator[Told]]] = {
            PartStartEvent: self._part_started,
            PartDeltaEvent: self._part_grew,
            FunctionToolCallEvent: self._tool_called,
            FunctionToolResultEvent: self._tool_returned,
            OutputToolCallEvent: self._output_tool_called,
            AgentRunResultEvent: self._ended,
        }

    def add(self, event: RunEvent) -> Iterator[Told]:
        """Take in an event of the run. Yields what it is in the response; read all of it before the next."""
        if takes_back(event):
            self._retract(self._held.values())
            self._held.clear()
            return
        handler = self._handlers.get(type(event))
        if handler is None:
            return
        for told in handler(event):
            if self._retracted:
                told['custom_outputs'] = {'retracted': self._retracted}
                self._retracted = []
            yield told

    # The model writes

    def _part_started(self, event: PartStartEvent) -> Iterator[Told]:
        if event.index <= self._last_index:
            # Another response: nobody has said that the one before does not count.
            yield from self._counts()
        self._last_index = event.index
        part = event.part
        if isinstance(part, TextPart):
            self._held[event.index] = _Held(self._new_id('msg'), 'text')
            yield from self._text(event.index, part.content)
        elif isinstance(part, ThinkingPart):
            self._held[event.index] = _Held(self._new_id('rs'), 'thinking', [part.content])

    def _part_grew(self, event: PartDeltaEvent) -> Iterator[Told]:
        delta = event.delta
        if isinstance(delta, TextPartDelta):
            yield from self._text(event.index, delta.content_delta or '')
        elif isinstance(delta, ThinkingPartDelta):
            self._held[event.index].pieces.append(delta.content_delta or '')

    def _text(self, index: int, piece: str) -> Iterator[Told]:
        held = self._held[index]
        held.pieces.append(piece)
        if piece:
            yield {'type': 'response.output_text.delta', 'item_id': held.id, 'delta': piece}

    # What it wrote counts, or not

    def _counts(self) -> Iterator[Told]:
        for held in self._held.values():
            if held.text:
                yield self._done(_message(held) if held.kind == 'text' else _reasoning(held))
        self._held.clear()
        self._last_index, self._by_tool = -1, False

    def _retract(self, items: Iterable[_Held]) -> None:
        self._retracted += [held.id for held in items if held.kind == 'text' and held.text]
        self._by_tool = False

    def _tool_called(self, event: FunctionToolCallEvent) -> Iterator[Told]:
        yield from self._counts()
        part = event.part
        yield self._done(
            {
                'type': 'function_call',
                'id': self._new_id('fc'),
                'call_id': part.tool_call_id,
                'name': part.tool_name,
                'arguments': part.args_as_json_str(),
            }
        )

    def _tool_returned(self, event: FunctionToolResultEvent) -> Iterator[Told]:
        part = event.part
        output = part.model_response_str()
        yield self._done({'type': 'function_call_output', 'call_id': part.tool_call_id, 'output': output})

    def _output_tool_called(self, event: OutputToolCallEvent) -> Iterator[Told]:
        self._by_tool = bool(event.args_valid)
        yield from ()

    # The run is over

    def _ended(self, event: AgentRunResultEvent[Any]) -> Iterator[Told]:
        output = event.result.output
        answer = _answer(output)
        texts = [held for held in self._held.values() if held.kind == 'text']
        said = answer is None or _says([held.text for held in texts], answer, is_json=not isinstance(output, str))
        if not said and not self._by_tool:
            # What streamed is not what came of it: an output function or a validator has made another text of it.
            self._retract(texts)
            self._held = {index: held for index, held in self._held.items() if held.kind != 'text'}
        yield from self._counts()
        if answer and not said:
            self._held[0] = _Held(self._new_id('msg'), 'text')
            yield from self._text(0, answer)
            yield from self._counts()
        yield self._response(event.result)

    def _response(self, result: AgentRunResult[Any]) -> Told:
        response = result.response
        short = SHORT.get(response.finish_reason or '')
        status = 'incomplete' if short else 'completed'
        told: Told = {
            'id': f'resp_{self._id}',
            'object': 'response',
            'status': status,
            'model': response.model_name,
            'output': list(self._output),
            'usage': _usage(result.usage),
        }
        if short:
            told['incomplete_details'] = {'reason': short}
        return {'type': f'response.{status}', 'response': told}

    def _done(self, item: Told) -> Told:
        self._output.append(item)
        return {'type': 'response.output_item.done', 'item': item}

    def _new_id(self, kind: str) -> str:
        self._items += 1
        return f'{kind}_{self._id}_{self._items}'


def _message(held: _Held) -> Told:
    content = {'type': 'output_text', 'text': held.text, 'annotations': list[Any]()}
    return {'type': 'message', 'id': held.id, 'role': 'assistant', 'content': [content]}


def _reasoning(held: _Held) -> Told:
    return {'type': 'reasoning', 'id': held.id, 'summary': [{'type': 'summary_text', 'text': held.text}]}


def _answer(output: object) -> str | None:
    """The output as a text; `None` if there is none to show."""
    if output is None or isinstance(output, DeferredToolRequests):
        return None
    return output if isinstance(output, str) else to_json(output, bytes_mode='base64', serialize_unknown=True).decode()


def _says(texts: Sequence[str], answer: str, *, is_json: bool) -> bool:
    """Whether the texts of a response, or the last of them, are the answer."""
    ends = [''.join(texts[start:]) for start in range(len(texts))]
    return answer in ends or (is_json and any(_same_json(end, answer) for end in ends))


def _same_json(text: str, answer: str) -> bool:
    try:
        return from_json(text) == from_json(answer)
    except ValueError:
        return False


def _usage(usage: RunUsage) -> Told:
    return {
        'input_tokens': usage.input_tokens,
        'input_tokens_details': {'cached_tokens': usage.cache_read_tokens},
        'output_tokens': usage.output_tokens,
        'output_tokens_details': {'reasoning_tokens': usage.details.get('reasoning_tokens', 0)},
        'total_tokens': usage.total_tokens,
    }
