"""JSON that is kept until it can be validated: values as they came, with numbers as they are written."""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import Any, cast

from pydantic_core import to_json

__all__ = ['Token', 'json_of']


class Token(str):
    """A number as it is written: a decimal has digits that a float has not."""

    __slots__ = ()


def json_of(value: Any) -> str:
    """JSON of what came as JSON."""
    if isinstance(value, Token):
        return value
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        parts = cast('dict[str, Any]', value)
        return '{' + ','.join([f'{encode_basestring(key)}:{json_of(part)}' for key, part in parts.items()]) + '}'
    if isinstance(value, list):
        return '[' + ','.join([json_of(part) for part in cast('list[Any]', value)]) + ']'
    return to_json(value, inf_nan_mode='constants').decode()
