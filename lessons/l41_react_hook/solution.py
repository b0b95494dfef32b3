"""Each message knows which frame it waits for, and is replaced by its next state, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Message:
    text: str = ''
    state: str = 'waiting'
    next: int = 0


Messages = dict[str, Message]


def reduced(messages: Messages, stream: str, number: int, frame: Mapping[str, Any]) -> Messages:
    message = messages.get(stream, Message())
    if number != message.next:
        return messages
    message = replace(message, next=number + 1)
    if frame['type'] == 'text':
        message = replace(message, text=message.text + frame['text'], state='writing')
    elif frame['type'] == 'retraction':
        message = replace(message, text=message.text.removesuffix(frame['text']), state='waiting')
    elif frame['type'] in ('end', 'error'):
        message = replace(message, state=frame['finish'])
    return {**messages, stream: message}
