"""Core schemas with their places left open: what puts validated parts together as pydantic would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache, partial
from typing import Any, Final, NamedTuple, TypeAlias, cast

from pydantic_core import SchemaValidator

__all__ = [
    'Schema',
    'Validated',
    'around',
    'fields_of',
    'has_config',
    'keys_of',
    'name_of',
    'open_validator',
    'place_of',
    'refers',
    'shell',
]

Schema: TypeAlias = Mapping[str, Any]
"""A core schema."""

Validated: TypeAlias = Callable[[Schema], Callable[..., Any] | None]
"""Makes, of the schema of a field, a function that validates a default; `None` if it need not be."""

_OPEN: Final[Schema] = {'type': 'any'}
_OF_OTHERS: Final = ('ref', 'serialization', 'metadata')


def shell(schema: Schema, validated: Validated | None) -> dict[str, Any]:
    """A schema that takes parts which are validated, and adds all that belongs to the whole.

    Constraints on the whole, defaults, functions that run afterwards, classes and their private attributes stay.
    Strictness goes: it is about where a value comes from, and the parts have been asked already.

    Args:
        schema: Of an object or an array, and functions that run after it.
        validated: Finds what validates the default of a field. `None` leaves defaults out.
    """
    kind = schema['type']
    kept = {key: value for key, value in schema.items() if key != 'strict' and key not in _OF_OTHERS}
    if 'config' in kept:
        kept['config'] = {key: value for key, value in kept['config'].items() if key != 'strict'}
    if kind in ('model', 'function-after', 'dataclass'):
        inner = shell(schema['schema'], validated)
        return {**kept, 'schema': inner}
    if kind in ('model-fields', 'typed-dict', 'dataclass-args'):
        fields = {name: {**field, 'schema': place_of(field, _OPEN, validated)} for name, field in fields_of(schema)}
        kept.pop('extras_schema', None)
        return {**kept, 'fields': list(fields.values()) if kind == 'dataclass-args' else fields}
    if kind in ('list', 'set', 'frozenset'):
        return {**kept, 'items_schema': _OPEN}
    if kind == 'tuple':
        return {**kept, 'items_schema': [_OPEN for _ in schema['items_schema']]}
    if kind == 'dict':
        return {**kept, 'keys_schema': _OPEN, 'values_schema': _OPEN}
    raise ValueError(f'{kind} cannot be cut')


_OF_DEFAULTS: Final = ('type', 'default', 'default_factory', 'default_factory_takes_data', 'copy_default')


def place_of(field: Schema, inner: Schema, validated: Validated | None = None) -> Schema:
    """The place of a field, with its default.

    Args:
        field: The field.
        inner: The schema of what comes there.
        validated: Finds what validates the default. `None` stands for the default without it.
    """
    schema: Schema = field['schema']
    while schema['type'] != 'default':
        if not schema['type'].startswith('function-') or 'schema' not in schema:
            return inner
        schema = schema['schema']
    if validated is None:
        return {'type': 'default', 'default': None, 'schema': inner}
    place = {key: value for key, value in schema.items() if key in _OF_DEFAULTS}
    if (validate := validated(field['schema'])) is None:
        return {**place, 'schema': inner}
    factory = partial(deepcopy, place.pop('default')) if 'default' in place else place['default_factory']
    function = {'type': 'no-info', 'function': partial(_validated, validate)}
    # pydantic validates it, so that an error says which field it is in.
    checked = {'type': 'function-wrap', 'function': function, 'schema': inner}
    return {**place, 'default_factory': partial(_marked, factory), 'validate_default': True, 'schema': checked}


class _Default(NamedTuple):
    value: Any


def _marked(factory: Callable[..., Any], *fields: Any) -> _Default:
    return _Default(factory(*fields))


def _validated(validate: Callable[[Any], Any], value: Any, handler: Callable[[Any], Any]) -> Any:
    return validate(value.value) if type(value) is _Default else handler(value)


def around(schema: Schema, inner: Schema) -> Schema:
    """What a schema adds to the one inside it, around another one."""
    return {**{key: value for key, value in schema.items() if key not in _OF_OTHERS}, 'schema': inner}


def open_validator(schema: Schema, config: Schema) -> Callable[[], SchemaValidator]:
    """The validator of a shell, made when it is first asked for.

    Strictness of the configuration goes with that of the schema. Without `_use_prebuilt=False`, pydantic-core would
    take the validator that a complete class has already, whose places are not open
    (https://github.com/pydantic/pydantic-core/blob/main/src/common/prebuilt.rs).
    """
    lax = {key: value for key, value in config.items() if key != 'strict'}

    @cache
    def make() -> SchemaValidator:
        build = cast('Any', SchemaValidator)
        return build(schema, lax, _use_prebuilt=False)

    return make


def fields_of(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The fields of a model, a TypedDict or a dataclass, by name."""
    if schema['type'] == 'dataclass-args':
        yield from ((field['name'], field) for field in schema['fields'])
    else:
        yield from schema['fields'].items()


def keys_of(name: str, field: Schema, config: Schema) -> list[str] | None:
    """The keys of a JSON object that give a field its value; `None` if it comes from deeper inside."""
    alias = field.get('validation_alias')
    if alias is None:
        return [name]
    paths = [[alias]] if isinstance(alias, str) else [alias] if not isinstance(alias[0], list) else alias
    if any(len(path) > 1 for path in paths):
        return None
    keys = [path[0] for path in paths] if config.get('validate_by_alias') is not False else []
    return [*keys, name] if config.get('validate_by_name') else keys


def has_config(schema: Schema) -> bool:
    """Whether the configuration of a type is its own, whatever is around it."""
    while schema['type'] not in ('model', 'dataclass', 'typed-dict'):
        if 'schema' not in schema:
            return False
        schema = schema['schema']
    return True


def name_of(schema: Schema) -> str:
    """A type's name for people."""
    while 'cls' not in schema and 'schema' in schema:
        schema = schema['schema']
    return getattr(schema.get('cls'), '__name__', f'A {schema["type"]}')


def refers(schema: Any) -> bool:
    """Whether a schema refers to definitions."""
    if isinstance(schema, Mapping):
        schema = cast('Schema', schema)
        return schema.get('type') == 'definition-ref' or any(
            refers(value)
            for key, value in schema.items()
            if key not in ('metadata', 'serialization') or not isinstance(schema.get('type'), str)
        )
    return isinstance(schema, list | tuple) and any(map(refers, cast('Sequence[Any]', schema)))
