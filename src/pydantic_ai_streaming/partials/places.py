"""Looks for places in shapes: `may_hold_list`."""

from __future__ import annotations

from collections.abc import Iterable

from .invalid import Path
from .shapes import IGNORED, ListContainer, MapContainer, ObjectContainer, Shape
from .tagged import TaggedContainer

__all__ = ['may_hold_list']

# What pydantic-ai sends an output in has these steps to the output.
ENVELOPES: tuple[Path, ...] = ((), ('response',), ('result', 'data'), ('result', 'data', 'response'))


def may_hold_list(shape: Shape, path: Path) -> bool:
    """Whether a list may be at a path of an output. Where the type does not tell, it may."""
    return any(_may(shape, (*steps, *path)) for steps in ENVELOPES)


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
