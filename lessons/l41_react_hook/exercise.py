"""The reducer of a chat page: the messages so far and one frame make the messages that follow.

A frame is of a stream, and has a number in it, from 0. `Message.next` is the number that is to come: what was there
before changes nothing, and neither does what comes too early, so that the page can ask again for all from `next` on.
`text` is added; a `retraction` takes back its text, which was shown last; `end` and `error` tell in `finish` how it
ended, which becomes the `state`. It is 'writing' from the first text on, and 'waiting' before that and after a
retraction. React calls a reducer twice to see that it changes nothing that it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Message:
    text: str = ''
    state: str = 'waiting'
    next: int = 0


Messages = dict[str, Message]


def reduced(messages: Messages, stream: str, number: int, frame: Mapping[str, Any]) -> Messages:
    # TODO: it trusts that each frame comes once, in order, and of one stream at a time.
    if stream not in messages:
        messages[stream] = Message()
    last = list(messages.values())[-1]
    if frame['type'] == 'text':
        last.text += frame['text']
        last.state = 'writing'
    if frame['type'] == 'end':
        last.state = 'complete'
    last.next = number + 1
    return messages
