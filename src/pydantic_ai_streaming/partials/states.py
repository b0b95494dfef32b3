"""What is known of each place of a document: `state_of`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, Literal, TypeAlias, cast

from pydantic import AliasChoices, BaseModel, RootModel
from pydantic.fields import FieldInfo

from .frames import Frame, Log
from .invalid import Path
from .shapes import MISSING

__all__ = ['FieldState', 'found_at', 'leads_into', 'opened', 'state_of']

FieldState: TypeAlias = Literal['missing', 'streaming', 'complete', 'invalid']
"""What is known of one place: nothing has come, it is coming, it is complete and valid, it is invalid."""


def state_of(path: Path, log: Log, end: int, frames: Sequence[Frame], coming: Any) -> FieldState:
    """What is known of one place of a document, where it is not invalid.

    Args:
        path: From the document.
        log: What became visible in it.
        end: How much of that there was.
        frames: Those that were open, from the outermost, an array that nobody sees with the document as its element.
        coming: The name of the value that was coming in the innermost one, `MISSING` if none was.
    """
    frame, still_open = frames[0], [*frames[1:]]
    for depth, step in enumerate((0, *path), 1):
        names = [*frame.container.keys_of(step)]
        if still_open and still_open[0].parent is frame and still_open[0].name in names:
            frame = still_open.pop(0)
            continue
        found = next(filter(None, (log.complete(frame, name, end) for name in names)), None)
        inside = next(filter(None, (log.inside(frame, name) for name in names)), None) if found is None else None
        if inside is not None and depth <= len(path):
            # It has closed with something invalid in it: what is valid of it stays.
            frame, still_open = inside, []
            continue
        if found is None:
            is_coming = frame is frames[-1] and coming in names and depth > len(path)
            return 'streaming' if is_coming else 'missing'
        if found.frame is None or depth > len(path):
            return 'missing' if found_at(found.value, path[depth - 1 :]) is MISSING else 'complete'
        frame = found.frame
    return 'streaming'


def leads_into(path: Path, steps: Path, log: Log, frame: Frame) -> bool:
    """Whether a path leads to a place, or into what is there.

    Args:
        path: From the document, by its keys.
        steps: To the place, by keys or by names of fields.
        log: What became visible.
        frame: The outermost one.
    """
    inside = log.inside(frame, 0)
    for key, step in zip(path, steps, strict=False):
        if key != step and (inside is None or key not in inside.container.keys_of(step)):
            return False
        inside = None if inside is None else log.inside(inside, key)
    return len(path) >= len(steps)


def found_at(value: Any, path: Iterable[str | int]) -> Any:
    """What is at a path in a value, `MISSING` if nothing is."""
    for step in path:
        value = _step(value, step)
        if value is MISSING:
            return MISSING
    return value


def opened(value: Any) -> Any:
    """A value without the root models around it."""
    while isinstance(value, RootModel):
        value = cast('Any', value).root
    return value


def _step(value: Any, step: str | int) -> Any:
    """What a complete value has under a key or an index, `MISSING` if nothing has come there."""
    value = opened(value)
    if isinstance(value, BaseModel):
        name = _field(type(value).model_fields, step)
        if name is not None:
            return getattr(value, name) if name in value.model_fields_set else MISSING
        return (value.model_extra or {}).get(str(step), MISSING)
    if isinstance(value, dict):
        entries = cast('dict[Any, Any]', value)
        key = step if step in entries else next((key for key in entries if str(key) == str(step)), MISSING)
        return entries.get(key, MISSING)
    if isinstance(value, list | tuple | set | frozenset):
        elements: list[Any] = list(cast('Iterable[Any]', value))
        return elements[step] if isinstance(step, int) and 0 <= step < len(elements) else MISSING
    if is_dataclass(value) and isinstance(step, str):
        fields: dict[str, FieldInfo] = getattr(type(value), '__pydantic_fields__', {})
        return getattr(value, _field(fields, step) or step, MISSING)
    return MISSING


def _field(fields: Mapping[str, FieldInfo], step: str | int) -> str | None:
    """The name of the field that has a name or an alias."""
    for name, field in fields.items():
        alias = field.validation_alias
        aliases = alias.choices if isinstance(alias, AliasChoices) else [alias]
        if step in (name, field.alias, *aliases):
            return name
    return None
