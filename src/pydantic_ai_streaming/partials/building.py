"""Makes unfinished values: instances that nothing has validated as a whole, with defaults where nothing has come."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, Final, TypeAlias, cast

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from .shells import Schema, Validated, fields_of

__all__ = ['MISSING', 'NOTHING', 'Build', 'Default', 'builder_of', 'frozenset_of', 'root_builder', 'set_of', 'tuple_of']

MISSING: Final = cast('Any', object())
"""Nothing is there, or nothing that may be shown."""

Build: TypeAlias = Callable[[Mapping[str, Any], Any, Any, dict[str, Any]], Any]
"""Makes the value of the fields that are there, by name; of one more and its name, `MISSING` if there is none; and of
what came under unknown keys."""

NOTHING: Final[dict[str, Any]] = {}
"""What came under unknown keys, mostly. Not to be changed."""

Default: TypeAlias = Callable[[], Any]
"""Makes what stands where nothing has come."""

_set = object.__setattr__
_OF_EMPTY: Final[dict[type, Default]] = {list: list, dict: dict, set: set}


def _stand_in(field: Mapping[str, Any], nothing: Any = None) -> Any:
    """What stands for a field that has not come: its default, or `None`.

    A factory is asked once, and only what is empty is taken from it: another one could make something else at the end
    (an id, the time), and nothing that was shown may change then.

    Args:
        field: The core schema of the field's value.
        nothing: What stands where there is no default.
    """
    schema = field
    while schema['type'] != 'default':
        if 'schema' not in schema or schema['type'] in ('model', 'dataclass', 'json'):
            return nothing
        schema = schema['schema']
    if 'default' in schema:
        default = schema['default']
    elif schema.get('default_factory_takes_data'):
        return None
    else:
        try:
            default = schema['default_factory']()
        except Exception:  # whatever it needs, it is not there yet
            return None
        if default or not isinstance(default, list | dict | set | str | int | tuple):
            return None
    return cast('Any', default)


def _split(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, Default]]]:
    """Values that may be shared, and makers of those that somebody could change."""
    template: dict[str, Any] = {}
    makers: list[tuple[str, Default]] = []
    for name, default in fields.items():
        template[name] = default
        make = _OF_EMPTY.get(type(cast('object', default)))
        if make is not None and not default:
            makers.append((name, make))
        elif not isinstance(default, Hashable):
            makers.append((name, partial(deepcopy, default)))
    return template, makers


def builder_of(schema: Schema, fields: Schema, validated: Validated, *, extra: bool) -> Build:
    """Make unfinished values of a model, a dataclass or a TypedDict.

    Args:
        schema: Its core schema.
        fields: The core schema of its fields.
        validated: Finds what validates the default of a field.
        extra: Whether it keeps what comes under unknown keys.
    """
    nothing = getattr(schema.get('cls'), '__stand_in__', None)
    defaults = {name: _default(field['schema'], validated, nothing) for name, field in fields_of(fields)}
    if fields['type'] == 'model-fields':
        return _model_builder(schema['cls'], defaults, extra=extra)
    if fields['type'] == 'dataclass-args':
        return _dataclass_builder(schema['cls'], defaults, schema['fields'])
    config: Schema = fields.get('config') or {}
    total = config.get('typed_dict_total', True)
    return _mapping_builder([name for name, field in fields_of(fields) if field.get('required', total)])


def _default(field: Schema, validated: Validated, nothing: Any) -> Any:
    default, validate = _stand_in(field, nothing), validated(field)
    if default is nothing or default is None or validate is None:
        return default
    try:
        return validate(default)
    except Exception:  # whatever is wrong with it, it is not there yet
        return None


def _model_builder(cls: type[BaseModel], defaults: Mapping[str, Any], *, extra: bool) -> Build:
    """Make unfinished instances of a model. `model_fields_set` says which fields have come."""
    template, makers = _split(defaults)
    private, private_makers = _split(
        {
            name: default
            for name, attribute in cls.__private_attributes__.items()
            if (default := _stand_in(_as_field(attribute))) is not PydanticUndefined
        }
    )
    new = cls.__new__

    def build(fields: Mapping[str, Any], name: Any, part: Any, others: dict[str, Any]) -> BaseModel:
        values = template.copy()
        for default, make in makers:
            values[default] = make()
        values.update(fields)
        come = set(fields)
        if part is not MISSING:
            values[name] = part
            come.add(name)
        model = new(cls)
        _set(model, '__dict__', values)
        _set(model, '__pydantic_fields_set__', come)
        _set(model, '__pydantic_extra__', None)
        _set(model, '__pydantic_private__', None)
        return model

    if not (private or extra):
        return build

    def build_all(fields: Mapping[str, Any], name: Any, part: Any, others: dict[str, Any]) -> BaseModel:
        model = build(fields, name, part, others)
        if extra:
            _set(model, '__pydantic_extra__', others)
            _set(model, '__pydantic_fields_set__', {*model.model_fields_set, *others})
        if private:
            _set(model, '__pydantic_private__', {**private, **{name: make() for name, make in private_makers}})
        return model

    return build_all


def _as_field(attribute: Any) -> dict[str, Any]:
    if attribute.default_factory is not None:
        return {'type': 'default', 'default_factory': attribute.default_factory}
    return {'type': 'default', 'default': attribute.get_default()}


def root_builder(cls: type[BaseModel]) -> Callable[[Any], Any]:
    """Make unfinished instances of a `RootModel`."""

    def build(root: Any) -> BaseModel:
        model = cls.__new__(cls)
        # Root models have neither extra nor private attributes.
        _set(model, '__dict__', {'root': root})
        _set(model, '__pydantic_fields_set__', {'root'})
        return model

    return build


def _dataclass_builder(cls: type[Any], defaults: Mapping[str, Any], names: Sequence[str]) -> Build:
    """Make unfinished instances of a dataclass. `__post_init__` sees only the finished ones.

    Args:
        cls: The dataclass.
        defaults: What stands for each field.
        names: The fields that instances have.
    """
    template, makers = _split({name: default for name, default in defaults.items() if name in names})

    def build(fields: Mapping[str, Any], name: Any, part: Any, others: dict[str, Any]) -> Any:
        values = template.copy()
        for default, make in makers:
            values[default] = make()
        values.update((field, value) for field, value in fields.items() if field in template)
        if part is not MISSING and name in template:
            values[name] = part
        instance: Any = cast('Any', cls).__new__(cls)
        for field, value in values.items():
            _set(instance, field, value)
        return instance

    return build


def _mapping_builder(required: Sequence[str]) -> Build:
    """Make unfinished values of a TypedDict: `None` stands for what is required and has not come."""
    template = dict.fromkeys(required)

    def build(fields: Mapping[str, Any], name: Any, part: Any, others: dict[str, Any]) -> dict[str, Any]:
        value = {**template, **fields, **others}
        if part is not MISSING:
            value[name] = part
        return value

    return build


def set_of(elements: list[Any]) -> set[Any]:
    """The set of those elements that can be in one: what else is there, the end of the set finds invalid."""
    try:
        found = set(elements)
    except Exception:  # somebody's own hash, of an element that is not whole
        found = {element for element in elements if _can_be_hashed(element)}
    found.discard(MISSING)
    return found


def frozenset_of(elements: list[Any]) -> frozenset[Any]:
    """The frozen set of them, like `set_of`."""
    return frozenset(set_of(elements))


def tuple_of(length: int) -> Callable[[list[Any]], tuple[Any, ...]]:
    """Make tuples of the elements that are there, with `None` for those that have to come."""

    def build(elements: list[Any]) -> tuple[Any, ...]:
        return (*elements, *[None] * (length - len(elements)))

    return build


def _can_be_hashed(value: Any) -> bool:
    try:
        hash(value)
    except Exception:
        return False
    return True
