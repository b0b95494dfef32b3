"""What is wrong with a part of a document: `InvalidPart`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from pydantic_core import ValidationError

from ..core.json_parser import JsonError

__all__ = ['InvalidPart', 'Path', 'dotted', 'invalid_parts', 'sentence']

Path: TypeAlias = tuple[str | int, ...]
"""Where something is in a document: keys of objects as the document has them, indices of arrays from 0."""


def dotted(path: Path) -> str:
    """A path to read.

    Example:
        >>> dotted(('orders', 2, 'total'))
        'orders[2].total'
    """
    text = ''.join(f'[{step}]' if isinstance(step, int) else f'.{step}' for step in path)
    return text.removeprefix('.') or 'the document'


class InvalidPart:
    """One part of a document that is not valid.

    Attributes:
        path: Where it is. For a key that is missing, where it would be. Inside a value that is validated as a whole,
            with the steps that pydantic adds for members of unions and for functions.
        type: pydantic's name for what is wrong, such as `int_parsing`; `json_invalid` for text that is no JSON.
        message: What is wrong, in a sentence.
        input: What was given.
        error: The exception: pydantic's `ValidationError`, what a validator raised otherwise, or a `JsonError`.
    """

    __slots__ = ('error', 'input', 'message', 'path', 'type')

    def __init__(self, path: Path, error: Exception, *, type: str, message: str, input: Any = None) -> None:  # noqa: A002 - pydantic's names
        self.path = path
        self.error = error
        self.type = type
        self.message = message
        self.input = input

    def inside(self, prefix: Path) -> InvalidPart:
        """The same, seen from what lies at `prefix`."""
        path = self.path[len(prefix) :] if self.path[: len(prefix)] == prefix else ()
        return InvalidPart(path, self.error, type=self.type, message=self.message, input=self.input)

    def __repr__(self) -> str:
        return f'InvalidPart({sentence(self)})'


def sentence(part: InvalidPart) -> str:
    """What is wrong and where, in a sentence."""
    return f'{dotted(part.path)}: {part.message}' if part.path else part.message


def invalid_parts(path: Path, error: Exception) -> Iterator[InvalidPart]:
    """What an exception says of the value at `path`, and of what is in it."""
    if isinstance(error, ValidationError):
        for line in error.errors(include_url=False):
            yield InvalidPart((*path, *line['loc']), error, type=line['type'], message=line['msg'], input=line['input'])
    else:
        kind = 'json_invalid' if isinstance(error, JsonError) else type(error).__name__
        yield InvalidPart(path, error, type=kind, message=str(error))
