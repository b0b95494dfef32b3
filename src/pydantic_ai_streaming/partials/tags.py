"""Finds the field that tells the members of a plain union apart: `tags_of`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .shells import Schema, fields_of, keys_of

__all__ = ['discriminator_of', 'tags_of']


def discriminator_of(schema: Schema) -> frozenset[str] | str:
    """The keys that may hold the tag of a discriminated union, or why no key does.

    Args:
        schema: Of the union.
    """
    keys = schema['discriminator']
    if callable(keys):
        return 'a function finds its discriminator.'
    paths: list[Any] = [[keys]] if isinstance(keys, str) else [keys] if not isinstance(keys[0], list) else keys
    if any(len(path) > 1 for path in paths):
        return 'its discriminator is inside another value.'
    return frozenset(path[0] for path in paths)


def tags_of(members: Sequence[Schema], definition: Callable[[str], Schema]) -> tuple[str, Mapping[Any, Schema]] | None:
    """A key and its values, each of which only one member can have: such a union is discriminated in all but name.

    Args:
        members: The objects of a union.
        definition: Finds the schema of a reference.
    """
    literals = [_literals_of(member, definition) for member in members]
    for key in literals[0] if literals else ():
        values = [fields.get(key, ()) for fields in literals]
        every = [value for of_member in values for value in of_member]
        if all(values) and len({(type(value).__name__, value) for value in every}) == len(every):
            return key, {
                value: member for member, of_member in zip(members, values, strict=True) for value in of_member
            }
    return None


def _literals_of(schema: Schema, definition: Callable[[str], Schema]) -> dict[str, Sequence[Any]]:
    config: Schema = {}
    while schema['type'] in ('definition-ref', 'model', 'dataclass', 'function-after', 'default'):
        config = schema.get('config') or config
        schema = definition(schema['schema_ref']) if schema['type'] == 'definition-ref' else schema['schema']
    if schema['type'] not in ('model-fields', 'dataclass-args', 'typed-dict'):
        return {}
    found: dict[str, Sequence[Any]] = {}
    for name, field in fields_of(schema):
        value: Schema = field['schema']
        while value['type'] == 'default':
            value = value['schema']
        keys = keys_of(name, field, config)
        if value['type'] == 'literal' and keys is not None and len(keys) == 1:
            found[keys[0]] = value['expected']
    return found
