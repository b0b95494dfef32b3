"""What each place of a document turns into: shapes for values, containers for objects and arrays.

A shape answers, for each kind of JSON value, how the token becomes a value of the type: nothing to do, a check, or, for
objects and arrays, the container that takes the parts. `shaping` makes them from a type; `PartialDocument` fills them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from typing import Any, Self, TypeAlias

from pydantic_core import SchemaValidator

from .building import MISSING, NOTHING, Build
from .raw import Token, json_of

__all__ = [
    'ANY',
    'ANY_ARRAY',
    'ANY_OBJECT',
    'IGNORED',
    'MISSING',
    'Check',
    'Container',
    'Context',
    'ListContainer',
    'MapContainer',
    'ObjectContainer',
    'Shape',
    'WholeContainer',
    'after',
    'any_literal',
    'any_number',
    'as_it_is',
]

Context: TypeAlias = Any
"""What validators find in `info.context`."""

Check: TypeAlias = Callable[[Any, Context], Any]
"""Turns a token into a value, or raises `ValidationError`. Strings and literals come decoded, numbers as written."""


def any_number(token: str, context: Context = None) -> int | float:
    """A number that may be anything."""
    return int(token) if token.lstrip('-').isdigit() else float(token)


def any_literal(value: bool | None, context: Context = None) -> bool | None:
    """A literal that may be any."""
    return value


def after(first: Callable[[Any], Any] | None, then: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One function after another."""
    return then if first is None else lambda value: then(first(value))


def as_it_is(text: str) -> str:
    """Show text as it comes."""
    return text


class Shape:
    """One place of a document.

    Attributes:
        string, number, literal: How such a token becomes the value. `None` takes every string as it is.
        literals: Literals that are taken as they are.
        object, array: Where the parts of such a value go.
        quick: A shorter way for most numbers; it returns `MISSING` for those that need `number`.
        grows: What to show of a string that is still open; `None` shows nothing before it is complete.
        wrap: Makes the unfinished value of that text, where the two differ.
        hidden: Whether an object or an array shows only when it is complete.
        needed: Whether the object that holds this place is hidden until the value is there.
        scalar: Whether the type is one of single values, in which nothing can be.
    """

    __slots__ = (
        'array',
        'grows',
        'hidden',
        'literal',
        'literals',
        'needed',
        'number',
        'object',
        'quick',
        'scalar',
        'string',
        'wrap',
    )

    def __init__(self) -> None:
        self.string: Check | None = None
        self.number: Check = any_number
        self.literal: Check = any_literal
        self.literals: tuple[bool | None, ...] = ()
        self.object: Container = ANY_OBJECT
        self.array: Container = ANY_ARRAY
        self.quick: Callable[[str], Any] | None = None
        self.grows: Callable[[str], str] | None = None
        self.wrap: Callable[[str], Any] | None = None
        self.hidden = self.needed = self.scalar = False

    @property
    def fills_in(self) -> bool:
        """Whether something of a value may show before all of it has come."""
        if self.hidden:
            return False
        return not (self.grows is None and type(self.object) is type(self.array) is WholeContainer)

    def become(self, other: Shape) -> Shape:
        """Take everything from another shape."""
        for name in Shape.__slots__:
            setattr(self, name, getattr(other, name))
        return self


class Container:
    """Takes the parts of an object or an array, and makes values of them.

    Attributes:
        fields: The shapes of the keys of an object with fields.
        item: The shape of every element of an array; objects and arrays of different elements have `child`.
        uniform: Whether `item` holds for every part.
        whole: Whether nothing shows before the value is complete.
        needed: Names of the fields without which the unfinished value is hidden.
        keyed: Whether keys of an object become something else in the value.
        unordered: Whether an array has no places, so that nothing stands for an element that is invalid.
        validate: Makes the value of validated parts, or raises `ValidationError`; `None` if they are the value.
        wrap: Makes the unfinished value of unfinished parts, where the two differ.
    """

    __slots__ = ('fields', 'item', 'keyed', 'needed', 'uniform', 'unordered', 'validate', 'whole', 'wrap')

    def __init__(self) -> None:
        self.fields: dict[str, Shape] | None = None
        self.item: Shape
        self.uniform = True
        self.validate: Check | None = None
        self.wrap: Callable[[Any], Any] | None = None
        self.whole = False
        self.needed: frozenset[str] = frozenset()
        self.keyed = False
        self.unordered = False

    def child(self, key: Any) -> Shape:
        """The shape of the part under `key`, of the JSON object, or at an index of the array."""
        return self.item

    def next_child(self, key: str, parts: Mapping[str, Any]) -> Shape:
        """The shape of what comes under `key` after `parts`."""
        return self.child(key)

    def key(self, name: str, context: Context) -> Any:
        """The key that the value has for `name` in the JSON object. Raises `ValidationError`."""
        return name

    def field(self, name: Any) -> Any:
        """The name of the field that `name` in the JSON object gives its value."""
        return name

    def keys_of(self, step: Any) -> Iterable[Any]:
        """The names that a step of a path may stand for: those of the document, and then those of fields."""
        # A path in one string cannot tell `0` from `'0'`.
        return (step,) if isinstance(step, str) else (step, str(step))

    def replaced_by(self, key: str) -> Iterable[str]:
        """The keys that do not count any more once `key` has come. In a dict, pydantic looks at equal keys too."""
        return ()

    def partial(self, parts: Any, key: Any, child: Any) -> Any:
        """A value of what is there: the complete `parts`, and `child` under `key`, which is still open or `MISSING`."""
        raise NotImplementedError

    def inside(self, wrap: Callable[[Any], Any] | None) -> Self:
        """A copy, whose unfinished values are inside others: `wrap` makes those."""
        inner = copy(self)
        if wrap is not None:
            inner.wrap = after(self.wrap, wrap)
        return inner

    def complain(self, parts: Any, context: Context) -> None:
        """Of an object some of whose parts are invalid: raise `ValidationError` if more is wrong with it."""


class ObjectContainer(Container):
    """An object with known fields: a model, a dataclass, a TypedDict.

    Args:
        fields: The shape of each key that the document may have.
        names: The field of each such key.
        unknown: The shape of every other key.
        build: Makes the unfinished value.
        extra: Whether the value keeps what comes under other keys.
        alone: Whether each field can be validated without the others.

    Attributes:
        places: The shape of each key.
        check_fields: Raises `ValidationError` if something is wrong with the keys alone.
    """

    __slots__ = ('_before', '_build', '_names', '_renamed', 'check_fields', 'places')

    def __init__(
        self,
        fields: Mapping[str, Shape],
        names: Mapping[str, str],
        unknown: Shape,
        build: Build,
        *,
        extra: bool,
        alone: bool = True,
    ) -> None:
        super().__init__()
        self.places = dict(fields)
        order = list(names)  # of keys for one field the first counts, in whatever order they come
        before = {key: {other for other in order[:at] if names[other] == names[key]} for at, key in enumerate(order)}
        self._before = {key: others for key, others in before.items() if others}
        self.fields = {key: fields[key] for key in fields if key not in self._before} if alone else None
        self.uniform = False
        self.item = unknown
        self.needed = frozenset(names[key] for key, shape in fields.items() if shape.needed)
        self.check_fields: Check | None = None
        self._names, self._build = dict(names), build
        self._renamed = extra or any(key != name for key, name in names.items())

    def child(self, key: Any) -> Shape:
        """The shape of a field, or of what is unknown."""
        return self.places.get(key, self.item)

    def next_child(self, key: str, parts: Mapping[str, Any]) -> Shape:
        """The shape of a field. A key is unknown to pydantic once one has come that counts before it."""
        return self.child(key) if parts.keys().isdisjoint(self._before.get(key, ())) else self.item

    def replaced_by(self, key: str) -> Iterable[str]:
        """A field has one value: the last one of the key that counts."""
        others = (other for other, first in self._before.items() if key in first) if self.item is IGNORED else ()
        return (key, *others) if key in self.places else ()

    def field(self, name: Any) -> Any:
        """The field that a key belongs to."""
        return self._names.get(name, name)

    def keys_of(self, step: Any) -> Iterable[Any]:
        """Keys, and then those of the field of that name."""
        yield from super().keys_of(step)
        yield from (key for key, name in self._names.items() if name == step)

    def shows(self, parts: dict[str, Any]) -> bool:
        """Whether all is there that has to be before anything may show."""
        return self.needed <= {self._names[key] for key in parts if key in self._names}

    def partial(self, parts: dict[str, Any], key: Any, child: Any) -> Any:
        """An unfinished instance."""
        if key in parts:
            child = MISSING
        if not self._renamed:
            return self._build(parts, key, child, NOTHING)
        fields = parts if child is MISSING else {**parts, key: child}
        names = self._names
        keys = (
            [key for key in reversed(names) if key in fields] if self._before else [*filter(names.__contains__, fields)]
        )
        return self._build(
            {names[key]: fields[key] for key in keys},
            None,
            MISSING,
            {key: part for key, part in fields.items() if key not in names},
        )

    def inside(self, wrap: Callable[[Any], Any] | None) -> Self:
        """A copy, whose unfinished instances are inside other values."""
        inner = copy(self)
        if wrap is not None:
            build = self._build

            def build_around(*parts: Any) -> Any:
                return wrap(build(*parts))

            inner._build = build_around
        return inner

    def complain(self, parts: dict[str, Any], context: Context) -> None:
        """Of the keys."""
        if self.check_fields is not None:
            self.check_fields(parts, context)


class MapContainer(Container):
    """An object with keys of one kind: a dict.

    Args:
        item: The shape of the values.
        key: Makes the dict's key of the JSON one, or `None` for strings.
    """

    __slots__ = ('_key',)

    def __init__(self, item: Shape, key: Check | None) -> None:
        super().__init__()
        self.item = item
        self.keyed = key is not None
        self._key = key

    def key(self, name: str, context: Context) -> Any:
        """Text, or what the type of the keys makes of it."""
        return name if self._key is None else self._key(name, context)

    def partial(self, parts: dict[Any, Any], key: Any, child: Any) -> Any:
        """A dict of what is there."""
        value = parts.copy()
        if child is not MISSING:
            value.setdefault(key, child)
        return value if self.wrap is None else self.wrap(value)


class ListContainer(Container):
    """An array: a list, a tuple, a set.

    Args:
        items: The shapes of the first elements.
        item: The shape of the others; `None` if there are none.
        build: Makes the unfinished value of the elements that are there; `None` for a list.
        ordered: Whether an element that is still open may show, and elements have places.
    """

    __slots__ = ('_build', '_items')

    def __init__(
        self,
        items: Sequence[Shape],
        item: Shape | None,
        build: Callable[[list[Any]], Any] | None,
        *,
        ordered: bool = True,
    ) -> None:
        super().__init__()
        self.item = item or ANY
        self.uniform = not items
        self._items = items
        self._build = build
        self.unordered = not ordered

    def child(self, key: int) -> Shape:
        """The shape at an index."""
        return self._items[key] if key < len(self._items) else self.item

    def partial(self, parts: list[Any], key: Any, child: Any) -> Any:
        """A list of what is there, or what is built of it."""
        value: Any = parts.copy()
        if child is not MISSING and not self.unordered:
            value.append(child)
        if self._build is not None:
            value = self._build(value)
        return value if self.wrap is None else self.wrap(value)


class WholeContainer(Container):
    """Shows nothing before it is complete, then validates all of it: for types that cannot be cut.

    Args:
        validator: Makes the value from the JSON of the whole.
    """

    __slots__ = ()

    def __init__(self, validator: Callable[[], SchemaValidator] | None) -> None:
        super().__init__()
        self.item = RAW
        self.whole = True
        if validator is not None:
            self.validate = lambda parts, context: validator().validate_json(json_of(parts), context=context)

    def partial(self, parts: Any, key: Any, child: Any) -> Any:
        """Nothing."""
        return MISSING


# Anything holds anything: the three refer to each other.
ANY_OBJECT: Container = MapContainer(Shape.__new__(Shape), None)
ANY_ARRAY: Container = ListContainer((), Shape.__new__(Shape), None)

ANY = Shape()
"""Anything is valid."""
ANY_OBJECT.item = ANY_ARRAY.item = ANY
ANY.grows = as_it_is
ANY.quick = any_number
ANY.literals = (True, False, None)

RAW = Shape().become(ANY)
"""Anything is valid, and kept as it came."""
RAW.quick = Token
RAW.object, RAW.array = MapContainer(RAW, None), ListContainer((), RAW, None)

IGNORED = Shape().become(ANY)
"""Anything is valid, and none of it is part of the value."""
IGNORED.grows = None
