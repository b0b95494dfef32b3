"""Makes shapes of types: `shape_of`. The type's core schema is cut at the places where a document may stop.

A place that holds one value (a number, a date, a literal) is checked by a validator that is cut from the core schema,
with all that the type says there: constraints, functions, strictness. An object or an array is put together by the same
validator with its places left open, so that model validators, defaults, private attributes and `extra` are pydantic's
own. A function that has to see the raw value of an object (`mode='before'`, `'wrap'`, `'plain'`) leaves no place to
cut: such a value is validated as a whole at its end, and so is a union whose member nothing tells before.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cache, lru_cache
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator

from ..core.telling import told_to
from .building import builder_of, frozenset_of, root_builder, set_of, tuple_of
from .dependent import DependentField, DependentShape, may_use_data
from .kinds import ARRAY, OBJECT, kinds_of
from .leaves import fill_leaf, forbidden, growth_as_asked, key_check, member_that_grows, takes_text_as_it_is
from .recursion import Making
from .shapes import (
    ANY,
    ANY_ARRAY,
    ANY_OBJECT,
    IGNORED,
    Container,
    Context,
    ListContainer,
    MapContainer,
    ObjectContainer,
    Shape,
    WholeContainer,
    after,
)
from .shells import Schema, Validated, around, fields_of, has_config, keys_of, name_of, open_validator, refers, shell
from .show import show_of
from .tagged import TaggedContainer
from .tags import discriminator_of, tags_of

__all__ = ['shape_of']

_NO_CONFIG: Schema = {}
_log = told_to('pydantic_ai_streaming')


def shape_of(output_type: Any) -> Shape:
    """The shape of a type: anything that pydantic can validate.

    Types that cannot be cut somewhere are logged once (logger `pydantic_ai_streaming`, level INFO).

    Raises:
        PydanticSchemaGenerationError: pydantic cannot validate the type.
    """
    try:
        return _shape_of(output_type, repr(output_type))
    except TypeError:  # not hashable
        return _Shaper(TypeAdapter(output_type)).shape


@lru_cache(256)  # a program that makes types as it goes does not keep them all
def _shape_of(output_type: Any, written: str) -> Shape:
    # `int | str` equals `str | int`, which pydantic reads otherwise: only how a type is written tells them apart.
    return _Shaper(TypeAdapter(output_type)).shape


class _Shaper:
    def __init__(self, adapter: TypeAdapter[Any]) -> None:
        self._definitions: dict[str, Schema] = {}
        self._making = Making()
        # For each container that can be finished by a validator with open places, the schema of that.
        anything: tuple[Schema, Schema] = {'type': 'any'}, {}
        self._shells: dict[Container, tuple[Schema, Schema]] = {ANY_OBJECT: anything, ANY_ARRAY: anything}
        self._makers: dict[str, Callable[[Schema, Schema], Shape]] = {
            'any': self._any,
            'dataclass': self._object,
            'default': self._default,
            'definition-ref': self._reference,
            'definitions': self._with_definitions,
            'dict': self._dict,
            'frozenset': self._list,
            'function-after': self._function_after,
            'function-before': self._seen_before,
            'function-plain': self._seen_before,
            'function-wrap': self._seen_before,
            'json-or-python': self._json_or_python,
            'lax-or-strict': self._lax_or_strict,
            'list': self._list,
            'model': self._model,
            'nullable': self._nullable,
            'set': self._list,
            'tagged-union': self._tagged_union,
            'tuple': self._tuple,
            'typed-dict': self._object,
            'union': self._union,
        }
        self.shape = self._shape(cast('Schema', adapter.core_schema), _NO_CONFIG)
        self._making.finish()

    def _shape(self, schema: Schema, config: Schema) -> Shape:
        make = self._makers.get(schema['type'])
        shape = make(schema, config) if make else self._whole(schema, config, 'there is no way to fill it in.')
        show = show_of(schema)
        if show is None:
            return shape

        def change(shape: Shape) -> None:
            shape.needed = show.needed
            shape.hidden = show.when == 'complete'
            if show.when is not None:
                shape.grows = growth_as_asked(schema, config) if show.when == 'growing' else None

        return self._making.like(shape, change)

    # References

    def _with_definitions(self, schema: Schema, config: Schema) -> Shape:
        self._definitions |= {definition['ref']: definition for definition in schema['definitions']}
        return self._shape(schema['schema'], config)

    def _reference(self, schema: Schema, config: Schema) -> Shape:
        definition = self._definitions[schema['schema_ref']]
        # Under another configuration, what has none of its own is another shape.
        under = _NO_CONFIG if has_config(definition) else config
        return self._making.of((schema['schema_ref'], id(under)), lambda: self._shape(definition, under))

    def _validator(self, schema: Schema, config: Schema) -> Callable[[], SchemaValidator]:
        @cache
        def make() -> SchemaValidator:
            whole: Any = schema
            if self._definitions and refers(schema):
                whole = {'type': 'definitions', 'schema': schema, 'definitions': list(self._definitions.values())}
            return SchemaValidator(whole, cast('Any', config))

        return make

    # One value, or none that can be cut

    def _leaf(self, schema: Schema, config: Schema) -> Shape:
        shape = Shape()
        validator = self._validator(schema, config)
        fill_leaf(shape, schema, config, validator)
        shape.object = shape.array = WholeContainer(validator)
        return shape

    def _whole(self, schema: Schema, config: Schema, reason: str) -> Shape:
        if kinds_of(schema, self._definitions.__getitem__) & {OBJECT, ARRAY}:
            _log.info('%s shows only when it is complete: %s', name_of(schema), reason)
        return self._leaf(schema, config)

    def _any(self, schema: Schema, config: Schema) -> Shape:
        return ANY

    # What is around a value

    def _nullable(self, schema: Schema, config: Schema) -> Shape:
        def change(shape: Shape) -> None:
            shape.literals = (*shape.literals, None)

        return self._making.like(self._shape(schema['schema'], config), change)

    def _default(self, schema: Schema, config: Schema) -> Shape:
        if schema.get('on_error', 'raise') != 'raise':
            return self._whole(schema, config, 'an error in it gives a default.')
        inner: Schema = schema['schema']
        if inner['type'] == 'function-after':
            return self._function_after(inner, config, schema)
        # A function may ask for the default (`PydanticUseDefault`).
        may_ask = inner['type'].startswith('function-')
        return self._seen_before(schema, config) if may_ask else self._shape(inner, config)

    def _json_or_python(self, schema: Schema, config: Schema) -> Shape:
        return self._shape(schema['json_schema'], config)

    def _lax_or_strict(self, schema: Schema, config: Schema) -> Shape:
        strict = schema.get('strict', config.get('strict', False))
        return self._shape(schema['strict_schema' if strict else 'lax_schema'], config)

    def _seen_before(self, schema: Schema, config: Schema) -> Shape:
        return self._whole(schema, config, 'a function sees it before it is validated.')

    def _function_after(self, schema: Schema, config: Schema, default: Schema | None = None) -> Shape:
        whole = default or schema
        function: object = schema['function']['function']
        if isinstance(function, type):
            return self._whole(whole, config, f'{function.__name__} is made of it.')
        inner, shape = self._shape(schema['schema'], config), self._leaf(whole, config)

        def outer(part: Schema) -> Schema:
            finished = around(schema, part)
            return finished if default is None else around(default, finished)

        def finish() -> None:
            self._go_on(shape, inner, outer, self._validator(whole, config))

        self._making.once_made(inner, shape, finish)
        return shape

    def _go_on(
        self,
        shape: Shape,
        inner: Shape,
        outer: Callable[[Schema], Schema],
        validator: Callable[[], SchemaValidator],
        wrap: Callable[[Any], Any] | None = None,
    ) -> None:
        """Let objects and arrays fill in as those inside, and then become what `outer` is around them."""
        for name in ('object', 'array'):
            container: Container = getattr(inner, name)
            cut = self._shells.get(container)
            if cut is not None:
                setattr(shape, name, self._cut(container.inside(wrap), outer(cut[0]), cut[1]))
            elif isinstance(container, TaggedContainer):

                def change(choice: Shape) -> None:
                    self._go_on(choice, copy(choice), outer, validator, wrap)

                choices = {tag: self._making.like(choice, change) for tag, choice in container.choices.items()}
                setattr(shape, name, container.with_choices(choices, validator))
            else:
                setattr(shape, name, WholeContainer(validator))

    def _cut(self, container: Container, schema: Schema, config: Schema) -> Container:
        """Let a container be finished by a validator whose places are open."""
        validator = open_validator(schema, config)

        def validate(parts: Any, context: Context) -> Any:
            return validator().validate_python(parts, context=context)

        container.validate = validate
        self._shells[container] = schema, config
        return container

    # Arrays

    def _list(self, schema: Schema, config: Schema) -> Shape:
        shape = self._leaf(schema, config)
        item = self._shape(schema['items_schema'], config) if 'items_schema' in schema else ANY
        build = {'set': set_of, 'frozenset': frozenset_of}.get(schema['type'])
        container = ListContainer((), item, build, ordered=build is None)
        shape.array = self._array(container, schema, config)
        return shape

    def _tuple(self, schema: Schema, config: Schema) -> Shape:
        shape = self._leaf(schema, config)
        items = [self._shape(item, config) for item in schema['items_schema']]
        variadic = schema.get('variadic_item_index')
        if variadic is not None and variadic < len(items) - 1:
            return self._whole(schema, config, 'what its elements are shows only at its end.')
        rest = None if variadic is None else items.pop()
        shape.array = self._array(ListContainer(items, rest, tuple_of(len(items))), schema, config)
        return shape

    def _array(self, container: Container, schema: Schema, config: Schema) -> Container:
        open_schema = shell(schema, None)
        if schema['type'] == 'list' and not {'min_length', 'max_length'} & schema.keys():
            self._shells[container] = open_schema, config
            return container
        return self._cut(container, open_schema, config)

    # Objects

    def _dict(self, schema: Schema, config: Schema) -> Shape:
        shape = self._leaf(schema, config)
        item = self._shape(schema['values_schema'], config) if 'values_schema' in schema else ANY
        keys = schema.get('keys_schema', {'type': 'any'})
        pair = {'type': 'dict', 'keys_schema': keys, 'values_schema': {'type': 'any'}}
        key = None if takes_text_as_it_is(keys, config) else key_check(self._validator(pair, config))
        container = MapContainer(item, key)
        open_schema = shell(schema, None)
        self._shells[container] = open_schema, config
        limited = {'min_length', 'max_length'} & schema.keys()
        shape.object = self._cut(container, open_schema, config) if limited else container
        return shape

    def _model(self, schema: Schema, config: Schema) -> Shape:
        return self._root(schema, config) if schema.get('root_model') else self._object(schema, config)

    def _object(self, schema: Schema, config: Schema) -> Shape:
        # Of what is around it, a TypedDict takes no configuration.
        config = schema.get('config') or (_NO_CONFIG if schema['type'] == 'typed-dict' else config)
        shape = self._leaf(schema, config)
        inner = schema
        while inner['type'] in ('model', 'dataclass', 'function-after'):
            inner = inner['schema']
        if schema.get('custom_init'):
            return self._whole(schema, config, 'it has an __init__ of its own.')
        if inner['type'] not in ('model-fields', 'dataclass-args', 'typed-dict'):
            return self._whole(schema, config, 'a function sees it before it is validated.')
        keys: dict[str, list[str]] = {}
        places: dict[str, Shape] = {}
        for name, field in fields_of(inner):
            of_field = keys_of(name, field, config) if field.get('init', True) else []
            if of_field is None:
                return self._whole(schema, config, f'{name!r} comes from inside another value (AliasPath).')
            keys[name], places[name] = of_field, self._shape(field['schema'], config)
            if of_field and may_use_data(field['schema'], self._definitions.__getitem__):
                places[name] = self._dependent(name, places[name], keys, inner, config)
        fields = {key: places[name] for name, of_field in keys.items() for key in of_field}
        names = {key: name for name, of_field in keys.items() for key in of_field}
        alone = not any(isinstance(place, DependentShape) for place in places.values())
        behavior = inner.get('extra_behavior') or config.get('extra_fields_behavior') or 'ignore'
        unknown = IGNORED if behavior == 'ignore' else forbidden(inner) if behavior == 'forbid' else ANY
        if behavior == 'allow' and inner.get('extras_schema'):
            unknown = self._shape(inner['extras_schema'], config)
        validated, extra = self._validated(config), behavior == 'allow'
        build = builder_of(schema, inner, validated, extra=extra)
        container = ObjectContainer(fields, names, unknown, build, extra=extra, alone=alone)
        bare = open_validator(shell(inner, None), config)

        def complain(parts: Any, context: Context) -> None:
            bare().validate_python(parts, context=context)

        container.check_fields = complain
        open_schema = shell(schema, validated)
        shape.object = self._cut(container, open_schema, config)
        return shape

    def _dependent(
        self, name: str, place: Shape, keys: dict[str, list[str]], owner: Schema, config: Schema
    ) -> DependentShape:
        fields = dict(fields_of(owner))

        def make(schema: Schema) -> Callable[[], SchemaValidator]:
            return self._validator(schema, config)

        known = {other: fields[other] for other in keys}
        shape = DependentShape(DependentField(name, keys, known, config, make, self._validated(config)))
        shape.needed = place.needed
        return shape

    def _validated(self, config: Schema) -> Validated:
        def find(field: Schema) -> Callable[[Any], Any] | None:
            if not field.get('validate_default', config.get('validate_default')):
                return None
            validator = self._validator(field, config)
            return lambda default: validator().validate_python(default)

        return find

    def _root(self, schema: Schema, config: Schema) -> Shape:
        config = schema.get('config') or config
        inner, shape = self._shape(schema['schema'], config), self._leaf(schema, config)
        build = root_builder(schema['cls'])

        def finish() -> None:
            shape.grows, shape.hidden, shape.wrap = inner.grows, inner.hidden, after(inner.wrap, build)
            self._go_on(shape, inner, lambda part: around(schema, part), self._validator(schema, config), build)

        self._making.once_made(inner, shape, finish)
        return shape

    # Unions

    def _tagged_union(self, schema: Schema, config: Schema) -> Shape:
        shape = self._leaf(schema, config)
        names = discriminator_of(schema)
        if isinstance(names, str):
            return self._whole(schema, config, names)
        choices = {tag: self._shape(choice, config) for tag, choice in schema['choices'].items()}
        shape.object = TaggedContainer(names, choices, self._validator(schema, config), refuse=True)
        return shape

    def _union(self, schema: Schema, config: Schema) -> Shape:
        choices: list[Schema] = [choice[0] if isinstance(choice, tuple) else choice for choice in schema['choices']]
        shape = self._leaf(schema, config)
        kinds = [kinds_of(choice, self._definitions.__getitem__) for choice in choices]
        for name, kind in (('object', OBJECT), ('array', ARRAY)):
            members = [choice for choice, may in zip(choices, kinds, strict=True) if kind in may]
            if len(members) == 1:
                self._take(shape, name, self._shape(members[0], config))
            elif kind == OBJECT and (tags := tags_of(members, self._definitions.__getitem__)):
                key, by_tag = tags
                named = {tag: self._shape(member, config) for tag, member in by_tag.items()}
                validator = self._validator(schema, config)
                shape.object = TaggedContainer(frozenset({key}), named, validator, refuse=False)
            elif members:
                self._whole(schema, config, 'nothing tells before its end which member of the union it is.')
        member = member_that_grows(schema, choices, kinds, config)
        if member is not None:
            growing = self._shape(member, config)
            shape.grows, shape.wrap = growing.grows, growing.wrap
        return shape

    def _take(self, shape: Shape, name: str, member: Shape) -> None:
        """Let the objects or arrays of a union be those of the only member that has such."""

        def finish() -> None:
            container: Container = getattr(member, name)
            if member.hidden:
                container = copy(container)
                container.whole = True
            shape.needed = shape.needed or member.needed
            setattr(shape, name, container)

        self._making.once_made(member, shape, finish)
