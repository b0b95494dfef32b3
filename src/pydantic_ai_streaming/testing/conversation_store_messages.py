"""What the suite of conversation stores saves: short messages, one of every kind, and what tools return."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pydantic_ai import DeferredToolRequests
from pydantic_ai.conversation import Conversation
from pydantic_ai.messages import (
    BinaryContent,
    BinaryImage,
    CompactionPart,
    DocumentUrl,
    FilePart,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    NativeToolCallPart,
    NativeToolReturnPart,
    RetryFeedbackPart,
    RetryInfo,
    SystemPromptPart,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.usage import RequestUsage, RunUsage

__all__ = ['TOOL_VALUES', 'answer', 'every_kind', 'paused', 'question', 'texts', 'usage']

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
IMAGE = b'\x89PNG\r\n\x1a\n\x00\xff'


class Colour(Enum):
    """A value that a tool may return."""

    RED = 'red'


class Weather(BaseModel):
    """A model that a tool may return."""

    place: str
    range: tuple[int, int]
    stations: set[str]
    picture: bytes


@dataclass
class Point:
    """A dataclass that a tool may return."""

    x: int
    tags: frozenset[str]


TOOL_VALUES: dict[str, Any] = {
    'text': 'sunny',
    'list': [1, [2, {'three': 3.5}], None, True],
    'tuple': (1, (2, 3)),
    'set': {'pear', 'apple', 'fig'},
    'set of tuples': {(1, 2), (0, 8), (8, 0)},
    'frozenset': {'inside': [frozenset({8, 0, 16})]},
    'bytes': IMAGE,
    'bytes inside': {'picture': IMAGE, 'pair': (b'a', b'b')},
    'model': Weather(place='Paris', range=(3, 9), stations={'north', 'south'}, picture=IMAGE),
    'models': [Weather(place='Rome', range=(1, 2), stations=set(), picture=b'')],
    'dataclass': Point(1, frozenset({'b', 'a', 'c'})),
    'times': {'at': NOON, 'on': date(2026, 1, 1), 'for': timedelta(seconds=1)},
    'other scalars': (Decimal('1.50'), UUID(int=1), Colour.RED),
    'keys that are no text': {1: 'one', (2, 3): 'pair', None: 'none'},
    'no number': [float('nan'), float('inf')],
    'what looks like a file': {'kind': 'binary', 'data': 'AAAA', 'media_type': 'image/png'},
    'file': BinaryContent(IMAGE, media_type='image/png'),
    'files among others': ['See', ImageUrl('https://example.com/a.png'), BinaryContent(IMAGE, media_type='image/png')],
}
"""What tools return, by a name for each."""


def question(text: str) -> ModelMessage:
    """A request that holds a prompt."""
    return ModelRequest(parts=[UserPromptPart(text, timestamp=NOON)])


def answer(text: str) -> ModelMessage:
    """A response that holds a text."""
    return ModelResponse(parts=[TextPart(text)], timestamp=NOON)


def usage(requests: int) -> RunUsage:
    """The usage of so many requests."""
    return RunUsage(requests=requests, input_tokens=10 * requests, details={'cached': 1})


def paused() -> DeferredToolRequests:
    """What a run waits for that was paused for an approval."""
    call = ToolCallPart('remove', {'path': 'a'}, 'call-1')
    return DeferredToolRequests(approvals=[call], metadata={'call-1': {'why': ['asked', 1]}})


def texts(conversation: Conversation | None) -> list[str]:
    """The texts of a conversation, in order; none if there is no conversation."""
    messages = [] if conversation is None else conversation.messages
    return [str(getattr(part, 'content', '')) for message in messages for part in message.parts]


def every_kind() -> list[ModelMessage]:
    """A history with a part of each kind, and with what JSON has a form for in every place."""
    files = [
        'Look:',
        TextContent('a note', metadata={'page': 1}),
        ImageUrl('https://example.com/a.png'),
        DocumentUrl('https://example.com/a.pdf', vendor_metadata={'detail': 'high'}),
        BinaryContent(b'PDF', media_type='application/pdf', identifier='one'),
        BinaryImage(IMAGE, media_type='image/png'),
    ]
    return [
        ModelRequest(
            parts=[SystemPromptPart('Be brief.', timestamp=NOON), UserPromptPart(files, timestamp=NOON)],
            instructions='Be kind.',
            metadata={'source': 'test'},
            run_id='run-1',
        ),
        ModelResponse(
            parts=[
                ThinkingPart('Hm.', id='t', signature='sig', provider_name='p', provider_details={'a': [1]}),
                NativeToolCallPart('web_search', {'q': 'x'}, 'n-1', provider_name='p'),
                NativeToolReturnPart('web_search', [{'title': 'X'}], 'n-1', timestamp=NOON, provider_name='p'),
                FilePart(BinaryImage(IMAGE, media_type='image/png')),
                TextPart('I will look.', id='x', provider_name='p', provider_details={'b': None}),
                ToolCallPart('look', {'at': ['a', 1]}, 'c-1'),
                ToolCallPart('look', '{"at": ["b"', 'c-2'),
            ],
            usage=RequestUsage(input_tokens=5, output_tokens=7, details={'reasoning': 3}),
            model_name='m',
            timestamp=NOON,
            provider_details={'finish_reason': 'tool_calls'},
            finish_reason='tool_call',
        ),
        ModelRequest(
            parts=[
                ToolReturnPart('look', {'seen': [1, 2.5, None]}, 'c-1', metadata={'ms': 3}, timestamp=NOON),
                ToolReturnPart('look', 'No such thing', 'c-2', outcome='failed', timestamp=NOON),
                RetryFeedbackPart('Not like this.', retry=RetryInfo('model_retry', attempt=1), timestamp=NOON),
            ]
        ),
        ModelResponse(parts=[CompactionPart('So far: nothing.', provider_name='p')], timestamp=NOON),
        ModelResponse(parts=[TextPart('Half of a')], timestamp=NOON, state='interrupted'),
        ModelResponse(parts=[], timestamp=NOON),
    ]
