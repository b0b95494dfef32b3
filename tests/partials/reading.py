"""Reads documents in slices, and compares what showed with what pydantic makes of the whole."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from pydantic_ai_streaming.partials.document import PartialDocument
from pydantic_ai_streaming.partials.invalid import InvalidPart
from pydantic_ai_streaming.partials.shapes import MISSING, Context
from pydantic_ai_streaming.partials.shaping import shape_of

NOTHING = '(nothing)'


def structure(value: Any) -> Any:
    """A value as nested tuples that hold all there is to see of it, so that later changes of it would be seen."""
    if value is MISSING:
        return NOTHING
    if isinstance(value, BaseModel):
        extra, private = value.__pydantic_extra__, value.__pydantic_private__
        own = {name: part for name, part in value.__dict__.items() if name in type(value).model_fields}
        assert own.keys() == value.__dict__.keys(), f'{type(value).__name__} has {sorted(value.__dict__)}'
        return type(value), structure(own), value.model_fields_set.copy(), structure(extra), structure(private)
    if is_dataclass(value):
        names = [each.name for each in fields(value)]
        names += [name for name in getattr(value, '__dict__', {}) if name not in names]
        return type(value), structure({name: getattr(value, name, MISSING) for name in names})
    if isinstance(value, Mapping):
        parts = cast('Mapping[Any, Any]', value)
        return type(parts), sorted(((repr(key), structure(part)) for key, part in parts.items()), key=lambda p: p[0])
    if isinstance(value, AbstractSet):
        return type(cast('Any', value)), sorted(repr(structure(part)) for part in cast('AbstractSet[Any]', value))
    if isinstance(value, list | tuple | deque):
        return type(cast('Any', value)), [structure(part) for part in cast('Sequence[Any]', value)]
    return type(value), repr(value)


def grew(before: Any, after: Any) -> str | None:
    """What was taken back, or turned into something of another type, between two snapshots; `None` if nothing was."""
    if before is MISSING or before is None:
        return None
    if type(before) is not type(after):
        return f'{before!r} became {after!r}'
    if isinstance(before, str):
        return None if after.startswith(before) else f'{before!r} became {after!r}'
    if isinstance(before, BaseModel):
        if lost := before.model_fields_set - after.model_fields_set:
            return f'{lost} went away'
        pairs = [(getattr(before, name), getattr(after, name)) for name in before.model_fields_set]
    elif is_dataclass(before):
        blank = {each.name: each.default for each in fields(before)}
        values = {name: getattr(before, name, None) for name in blank}
        pairs = [(part, getattr(after, name)) for name, part in values.items() if part and part != blank[name]]
    elif isinstance(before, Mapping):
        parts = cast('Mapping[Any, Any]', before)
        if lost := parts.keys() - after.keys():
            return f'{lost} went away'
        pairs = [(part, after[key]) for key, part in parts.items()]
    elif isinstance(before, AbstractSet):
        return None if before <= after else f'{before - after} went away'
    elif isinstance(before, list | tuple | deque):
        if len(cast('Sequence[Any]', before)) > len(after):
            return f'{before!r} became {after!r}'
        pairs = list(zip(cast('Sequence[Any]', before), after, strict=False))
    else:
        return None if before == after or before != before else f'{before!r} became {after!r}'
    return next((wrong for pair in pairs if (wrong := grew(*pair))), None)


@dataclass
class Reading:
    """What was seen of a document: after each slice the value, its structure then, and the errors."""

    document: PartialDocument
    values: list[Any] = field(default_factory=list[Any])
    structures: list[Any] = field(default_factory=list[Any])
    errors: list[tuple[InvalidPart, ...]] = field(default_factory=list[tuple[InvalidPart, ...]])

    def take(self, text: str | None) -> None:
        if text is None:
            self.document.close()
        else:
            self.document.feed(text)
        self.document.look()
        self.values.append(self.document.value())
        self.structures.append(structure(self.values[-1]))
        self.errors.append(self.document.errors)

    @property
    def final(self) -> Any:
        return self.values[-1]

    def distinct(self) -> list[Any]:
        """The values that differ from the one before."""
        kept: list[Any] = []
        last: Any = NOTHING
        for value, now in zip(self.values, self.structures, strict=True):
            if now != last:
                kept.append(value)
            last = now
        return kept


def slices(text: str, sizes: int | Iterable[int]) -> Iterator[str]:
    """A text in slices: of one size, or of given sizes and the rest."""
    if isinstance(sizes, int):
        yield from (text[at : at + sizes] for at in range(0, len(text), sizes))
        return
    at = 0
    for size in sizes:
        yield text[at : at + size]
        at += size
    yield text[at:]


def read(kind: Any, text: str, sizes: int | Iterable[int] = 1, *, context: Context = None) -> Reading:
    """Read a document in slices. No snapshot may change after it was taken."""
    reading = Reading(PartialDocument(shape_of(kind), context=context))
    for piece in slices(text, sizes):
        reading.take(piece)
    reading.take(None)
    for value, then in zip(reading.values, reading.structures, strict=True):
        assert structure(value) == then, 'a snapshot has changed'
    return reading


def sizes_for(text: str, seed: int = 0) -> Iterator[int | list[int]]:
    """Whole, in slices of 1 to 7 characters, and at random cuts."""
    yield from (*range(1, 8), len(text) + 1)
    dice = random.Random(seed)
    for _ in range(2):
        yield [dice.randint(0, 9) for _ in range(len(text) // 4)]


def check(kind: Any, text: str, *, transforms: bool = False, adapter: TypeAdapter[Any] | None = None) -> None:
    """A valid document: right at every cut, nothing taken back, no alarm, and in the end what pydantic makes of it.

    Args:
        kind: The type.
        text: A document.
        transforms: Whether a function makes something else of a model, a list or text that has shown before.
        adapter: The type's, if there is one already.
    """
    expected = structure((adapter or TypeAdapter(kind)).validate_json(text))
    for sizes in sizes_for(text):
        reading = read(kind, text, sizes)
        assert reading.document.done, (sizes, text)
        assert reading.errors[-1] == (), (sizes, text)
        assert reading.structures[-1] == expected, (sizes, text)
        if transforms:
            continue
        for before, after in zip(reading.values, reading.values[1:], strict=False):
            assert (wrong := grew(before, after)) is None, (sizes, text, wrong)


def complaints(kind: Any, text: str, *, context: Context = None) -> set[tuple[str, tuple[str | int, ...]]]:
    """What pydantic says of a document."""
    try:
        TypeAdapter(kind).validate_json(text, context=context)
    except ValidationError as error:
        return {(line['type'], line['loc']) for line in error.errors(include_url=False, include_input=False)}
    return set()


def found(reading: Reading) -> set[tuple[str, tuple[str | int, ...]]]:
    """What was found in the end."""
    return {(part.type, part.path) for part in reading.errors[-1]}
