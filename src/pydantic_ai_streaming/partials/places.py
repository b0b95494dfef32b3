"""Looks for places in shapes: `may_be`, `may_hold_list`, `fields_of`."""

from __future__ import annotations

from collections.abc import Iterable

from .invalid import Path
from .shapes import IGNORED, ListContainer, MapContainer, ObjectContainer, Shape
from .tagged import TaggedContainer

__all__ = ['fields_of', 'may_be', 'may_hold_list']

# What pydantic-ai sends an output in has these steps to the output.
ENVELOPES: tuple[Path, ...] = ((), ('response',), ('result', 'data'), ('result', 'data', 'response'))


def may_hold_list(shape: Shape, path: Path) -> bool:
    """Whether a list may be at a path of an output. Where the type does not tell, it may."""
    return any(_may(shape, (*steps, *path)) for steps in ENVELOPES)


def may_be(shape: Shape, path: Path) -> bool:
    """Whether there may be anything at a path of a document. Where the type does not tell, there may."""
    if not path:
        return True
    if shape.scalar:
        return False
    inner, array = shape.object, shape.array
    step, rest = path[0], path[1:]
    if isinstance(step, int) and isinstance(array, ListContainer) and may_be(array.child(abs(step)), rest):
        return True
    if isinstance(inner, TaggedContainer):
        return any(may_be(choice, path) for choice in inner.choices.values())
    if isinstance(inner, MapContainer):
        return may_be(inner.item, rest)
    if isinstance(inner, ObjectContainer):
        places = list(_places(inner, str(step)))
        return any(may_be(place, rest) for place in places) or (not places and inner.item is not IGNORED)
    return not isinstance(array, ListContainer)


def fields_of(shape: Shape, path: Path) -> list[str]:
    """The fields that the innermost object on the way to a path is known to have."""
    inner = shape.object
    names = sorted({str(inner.field(key)) for key in inner.places}) if isinstance(inner, ObjectContainer) else []
    if not path:
        return names
    step, rest = path[0], path[1:]
    if isinstance(step, int) and isinstance(shape.array, ListContainer):
        return fields_of(shape.array.child(abs(step)), rest)
    if isinstance(inner, MapContainer):
        return fields_of(inner.item, rest)
    places = list(_places(inner, str(step))) if isinstance(inner, ObjectContainer) else []
    return fields_of(places[0], rest) if places else names


def _may(shape: Shape, path: Path) -> bool:
    if shape.scalar:
        return False
    inner, array = shape.object, shape.array
    known = isinstance(inner, ObjectContainer | TaggedContainer | MapContainer)
    if not path:
        return isinstance(array, ListContainer) or not known
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return _may(array.child(step), rest) if isinstance(array, ListContainer) else not known
    if isinstance(inner, TaggedContainer):
        return any(_may(choice, path) for choice in inner.choices.values())
    if isinstance(inner, MapContainer):
        return _may(inner.item, rest)
    if isinstance(inner, ObjectContainer):
        places = list(_places(inner, step))
        return any(_may(place, rest) for place in places) or (not places and inner.item is not IGNORED)
    return not isinstance(array, ListContainer)


def _places(container: ObjectContainer, step: str) -> Iterable[Shape]:
    return (shape for key, shape in container.places.items() if step in (key, container.field(key)))
