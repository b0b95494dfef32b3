"""Which kinds of JSON a type may accept: `kinds_of`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from .shells import Schema

__all__ = ['ARRAY', 'EVERY', 'LITERAL', 'NUMBER', 'OBJECT', 'STRING', 'kinds_of']

STRING, NUMBER, LITERAL, OBJECT, ARRAY = 'string', 'number', 'literal', 'object', 'array'
"""The kinds of JSON values; literals are true, false and null."""

EVERY: Final = frozenset({STRING, NUMBER, LITERAL, OBJECT, ARRAY})

_OF: Final[Mapping[str, frozenset[str]]] = {
    'none': frozenset({LITERAL}),
    'str': frozenset({STRING, NUMBER}),
    'bytes': frozenset({STRING}),
    'int': frozenset({STRING, NUMBER, LITERAL}),
    'float': frozenset({STRING, NUMBER, LITERAL}),
    'bool': frozenset({STRING, NUMBER, LITERAL}),
    'decimal': frozenset({STRING, NUMBER}),
    'date': frozenset({STRING, NUMBER}),
    'time': frozenset({STRING, NUMBER}),
    'datetime': frozenset({STRING, NUMBER}),
    'timedelta': frozenset({STRING, NUMBER}),
    'url': frozenset({STRING}),
    'multi-host-url': frozenset({STRING}),
    'uuid': frozenset({STRING}),
    'json': frozenset({STRING}),
    'model-fields': frozenset({OBJECT}),
    'dataclass-args': frozenset({OBJECT}),
    'typed-dict': frozenset({OBJECT}),
    'tagged-union': frozenset({OBJECT}),
    'dict': frozenset({OBJECT}),
    'list': frozenset({ARRAY}),
    'tuple': frozenset({ARRAY}),
    'set': frozenset({ARRAY}),
    'frozenset': frozenset({ARRAY}),
}


def kinds_of(schema: Schema, definition: Callable[[str], Schema], seen: frozenset[str] = frozenset()) -> frozenset[str]:
    """The kinds of JSON that a schema may accept; rather too many than too few.

    Args:
        schema: The core schema.
        definition: Finds the schema of a reference.
        seen: References on the way here.
    """
    kind: str = schema['type']
    if kind == 'definition-ref':
        ref: str = schema['schema_ref']
        return EVERY if ref in seen else kinds_of(definition(ref), definition, seen | {ref})
    if kind == 'nullable':
        return kinds_of(schema['schema'], definition, seen) | {LITERAL}
    if kind == 'union':
        choices: list[Schema] = [choice[0] if isinstance(choice, tuple) else choice for choice in schema['choices']]
        return frozenset[str]().union(*(kinds_of(choice, definition, seen) for choice in choices))
    if kind == 'literal':
        return frozenset(_kind_of(value) for value in schema['expected'])
    if kind == 'enum':
        return frozenset(_kind_of(member) for member in schema['members'])
    if kind in ('default', 'function-after', 'model', 'dataclass', 'definitions'):
        return (
            EVERY
            if kind == 'default' and schema.get('on_error', 'raise') != 'raise'
            else kinds_of(schema['schema'], definition, seen)
        )
    if kind == 'json-or-python':
        return kinds_of(schema['json_schema'], definition, seen)
    if kind == 'lax-or-strict':
        return kinds_of(schema['lax_schema'], definition, seen) | kinds_of(schema['strict_schema'], definition, seen)
    return _OF.get(kind, EVERY)


def _kind_of(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return STRING
    return LITERAL if value is None or isinstance(value, bool) else NUMBER
