"""Bodies and the messages in them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final, NoReturn

from .answers import Refused

__all__ = ['MOST_MESSAGES', 'is_json', 'is_text', 'joined', 'media_type', 'messages_in']

MOST_MESSAGES: Final = 10_000
"""Messages in a body: each takes more in the log than its bytes, and others wait until all are written."""

SPACE: Final = re.compile(r'[ \t\n\r]*')


def media_type(content_type: str | None) -> str:
    """A content type without its parameters, to be compared."""
    return (content_type or '').partition(';')[0].strip().lower()


def is_json(content_type: str) -> bool:
    """Whether the entries of a stream are JSON values, each a message of its own."""
    return media_type(content_type) == 'application/json'


def is_text(content_type: str) -> bool:
    """Whether server-sent events carry the stream as it is, and not in base64."""
    return is_json(content_type) or media_type(content_type).startswith('text/')


def messages_in(body: bytes, content_type: str) -> list[bytes]:
    r"""The entries that a body amounts to: itself, or of JSON the elements of an array or the one value.

    JSON is cut, not written anew: the digits of a number and the order and number of keys stay as they came.

    Raises:
        Refused: It is to be JSON, and is not, or it has more than `MOST_MESSAGES`.

    Example:
        >>> messages_in(b'[{"n": 1.10}, [2]]', 'application/json')
        [b'{"n": 1.10}', b'[2]']
        >>> messages_in(b'one\n', 'text/plain')
        [b'one\n']
    """
    if not is_json(content_type):
        return [body] if body else []
    try:
        return [message.encode() for message in _values(body.decode())]
    except RecursionError:
        raise Refused(400, 'The body is nested too deeply.') from None
    except ValueError as error:
        raise Refused(400, f'The body is not JSON: {error}.') from None


def joined(entries: Sequence[bytes], content_type: str) -> bytes:
    """The body that holds these entries."""
    return b'[' + b','.join(entries) + b']' if is_json(content_type) else b''.join(entries)


def _values(text: str) -> list[str]:
    start = _skip(text, 0)
    if not text.startswith('[', start):
        value, end = _value(text, start)
        _nothing_after(text, end)
        return [value]
    values: list[str] = []
    at = _skip(text, start + 1)
    if text.startswith(']', at):
        _nothing_after(text, at + 1)
        return values
    while True:
        value, end = _value(text, at)
        values.append(value)
        if len(values) > MOST_MESSAGES:
            raise Refused(413, f'The body has more than {MOST_MESSAGES} messages.')
        end = _skip(text, end)
        if text.startswith(']', end):
            _nothing_after(text, end + 1)
            return values
        if not text.startswith(',', end):
            raise ValueError(f'there is neither a comma nor a bracket at character {end}')
        at = _skip(text, end + 1)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f'{name} is not JSON')


# Only where a value ends is wanted: no number is computed.
DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_constant)


def _value(text: str, start: int) -> tuple[str, int]:
    _, end = DECODER.raw_decode(text, start)
    return text[start:end], end


def _nothing_after(text: str, end: int) -> None:
    if _skip(text, end) != len(text):
        raise ValueError(f'there is more after character {end}')


def _skip(text: str, start: int) -> int:
    match = SPACE.match(text, start)
    return start if match is None else match.end()
