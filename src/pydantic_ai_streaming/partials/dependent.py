"""Fields whose functions may look at the fields before them (`info.data`).

Such a field is validated when it closes if the fields before it are there, and otherwise when its object closes. Its
validator stands in a TypedDict whose other places look up what those fields have become.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final, cast

from pydantic_core import SchemaValidator

from .raw import Token, json_of
from .shapes import Context, Shape, WholeContainer
from .shells import Schema, Validated, place_of

__all__ = ['DependentCheck', 'DependentField', 'DependentShape', 'Late', 'may_use_data']

_numbers: Final = count()
_looked_up: Final[dict[int, Mapping[str, Any]]] = {}  # the fields of the validations that are under way


def _look_up(where: tuple[int, str]) -> Any:
    number, key = where
    return _looked_up[number][key]


_LOOK_UP: Final[Schema] = {'type': 'function-plain', 'function': {'type': 'no-info', 'function': _look_up}}


class Late:
    """A value that is validated when its object closes.

    Args:
        check: Validates it.
        value: What came.
    """

    def __init__(self, check: DependentCheck, value: Any) -> None:
        self.check = check
        self.value = value


_OF_KEYS: Final = ('extra_fields_behavior', 'loc_by_alias', 'title', 'validate_by_alias', 'validate_by_name')
"""What a configuration says of the keys of an object, and not of the values."""


class DependentField:
    """A field with those before it.

    Args:
        name: Its name.
        keys: The keys of each field before it, and then its own.
        fields: The schema of each.
        config: The configuration of their owner.
        make: Makes the validator of a schema.
        validated: Finds what validates the default of a field.
    """

    def __init__(
        self,
        name: str,
        keys: Mapping[str, Sequence[str]],
        fields: Mapping[str, Schema],
        config: Schema,
        make: Callable[[Schema], Callable[[], SchemaValidator]],
        validated: Validated,
    ) -> None:
        places: dict[str, Schema] = {
            other: {'type': 'typed-dict-field', 'schema': place_of(field, _LOOK_UP, validated), 'required': False}
            for other, field in fields.items()
            if other != name
        }
        own = fields[name]['schema']
        places[name] = {'type': 'typed-dict-field', 'schema': own, 'required': False, 'validation_alias': keys[name][0]}
        self._name, self._key = name, keys[name][0]
        self._before = {other: of_other for other, of_other in keys.items() if other != name}
        # A TypedDict takes no configuration but its own.
        of_values = {key: value for key, value in config.items() if key not in _OF_KEYS}
        self._validator = make({'type': 'typed-dict', 'fields': places, 'config': of_values})

    def is_ready(self, parts: Mapping[str, Any]) -> bool:
        """Whether all the fields before it are there."""
        return all(any(key in parts for key in keys) for keys in self._before.values())

    def validate(self, value: Any, parts: Mapping[str, Any], context: Context) -> Any:
        """Make the value of what came. Raises `ValidationError`."""
        number = next(_numbers)
        there = {name: key for name, keys in self._before.items() for key in reversed(keys) if key in parts}
        document = {name: [Token(number), key] for name, key in there.items()}
        _looked_up[number] = parts
        try:
            return self._validator().validate_json(json_of({**document, self._key: value}), context=context)[self._name]
        finally:
            del _looked_up[number]


class DependentCheck:
    """The check of a dependent field in one object.

    Args:
        field: The field.
        parts: What is complete of its object.
        kind: What the token is turned into first.
        at_the_end: Whether no more fields will come.
    """

    def __init__(
        self,
        field: DependentField,
        parts: Mapping[str, Any],
        kind: Callable[[Any], Any] | None,
        at_the_end: bool = False,
    ) -> None:
        self.field, self.parts, self.kind, self.at_the_end = field, parts, kind, at_the_end

    def __call__(self, token: Any, context: Context) -> Any:
        """Validate, or say that it is too early."""
        value = token if self.kind is None else self.kind(token)
        if self.at_the_end or self.field.is_ready(self.parts):
            return self.field.validate(value, self.parts, context)
        return Late(DependentCheck(self.field, self.parts, None, at_the_end=True), value)


class DependentShape(Shape):
    """The place of a dependent field: the shape of the value is another one in each object."""

    __slots__ = ('field',)

    def __init__(self, field: DependentField) -> None:
        super().__init__()
        self.field = field

    def within(self, parts: Mapping[str, Any]) -> Shape:
        """The shape in an object."""
        shape = Shape()
        shape.string = shape.literal = check = DependentCheck(self.field, parts, None)
        shape.number = DependentCheck(self.field, parts, Token)
        shape.object = shape.array = whole = WholeContainer(None)
        whole.validate = check
        return shape


_OWN_FIELDS: Final = frozenset({'model-fields', 'typed-dict', 'dataclass-args', 'arguments'})


def may_use_data(schema: Any, definition: Callable[[str], Schema], seen: frozenset[str] = frozenset()) -> bool:
    """Whether a function in a schema may ask for the fields before it.

    Args:
        schema: Of the value of a field. Functions of fields inside it see those fields.
        definition: Finds the schema of a reference.
        seen: References on the way here.
    """
    if isinstance(schema, list | tuple):
        return any(may_use_data(part, definition, seen) for part in cast('Sequence[Any]', schema))
    if not isinstance(schema, Mapping):
        return False
    schema = cast('Schema', schema)
    kind = schema.get('type')
    if kind == 'definition-ref':
        ref = schema['schema_ref']
        return ref not in seen and may_use_data(definition(ref), definition, seen | {ref})
    if kind == 'with-info':
        return not str(getattr(schema['function'], '__module__', '')).startswith('pydantic.')
    inside = (part for name, part in schema.items() if name not in ('metadata', 'serialization'))
    return kind not in _OWN_FIELDS and any(may_use_data(part, definition, seen) for part in inside)
