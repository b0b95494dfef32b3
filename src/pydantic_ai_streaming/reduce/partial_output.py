"""What a structured output is at one instant: `PartialOutput`, and what changed to make it that: `Change`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from itertools import islice
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, cast

from pydantic import BaseModel, RootModel
from typing_extensions import TypeVar

from .filling import ADDED, CLOSED, ENDED, GAP, OPENED, REPLACED, TEXT, Frame, Log, path_of
from .invalid import InvalidPart, Path
from .shapes import MISSING

__all__ = ['Change', 'FieldState', 'Moment', 'PartialOutput', 'as_path', 'differ', 'elements', 'first']

OutputT = TypeVar('OutputT', default=Any)

FieldState: TypeAlias = Literal['missing', 'streaming', 'complete', 'invalid']
"""What is known of one place: nothing has come, it is coming, it is complete and valid, it is invalid."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that has changed since the snapshot before.

    Attributes:
        op: `'set'`: a value is there where none was; text, objects and arrays may be unfinished.
            `'append'`: the same for an element of an array.
            `'extend'`: text has grown by `value`.
            `'complete'`: what is there is complete and valid; `value` is all of it.
        path: Where, as in the document.
        value: The value, or the piece of text.
    """

    op: Literal['set', 'append', 'extend', 'complete']
    path: Path
    value: Any


class Moment(NamedTuple):
    """Where a document stood when a snapshot was taken.

    Attributes:
        log: What became visible in the document, also later.
        start, end: The stretch of it that is new in the snapshot.
        frame: The innermost frame that was open.
        counts: Of each frame from there outwards, the number of its complete parts that showed.
        coming: The name of the value that is coming in the innermost one, `MISSING` if none is.
        prefix: Steps of the document to the output.
        text: Text that was open.
    """

    log: Log
    start: int
    end: int
    frame: Frame
    counts: tuple[int, ...]
    coming: Any
    prefix: Path
    text: str

    @property
    def frames(self) -> list[tuple[Frame, int]]:
        """The frames that were open, from the outermost, each with its count."""
        frames: list[tuple[Frame, int]] = []
        frame: Frame | None = self.frame
        for count in self.counts:
            assert frame is not None
            frames.append((frame, count))
            frame = frame.parent
        frames.reverse()
        return frames


class PartialOutput(Generic[OutputT]):
    """A structured output as far as it has come. It never changes: each change gives a new one.

    Attributes:
        value: The output so far, as the output type: a model, a dataclass, a dict, a list, a scalar. Where nothing has
            come there is the field's default, else `None`; `state` tells these from data. Only what is complete has
            been validated. Parts that are complete are shared with later snapshots, so do not change them.
        is_final: Whether `value` is the validated output of the run, after output validators and functions.
        errors: What is invalid so far, in the order in which it was found.
        attempt: Which attempt at the output this is, counted from 1: a new one begins after a rejected one.
        received: Characters of the document that have come.
        replaces: Whether this is the final one, and an output validator or function has made something else of what the
            model has sent: `changes` then holds all of it.
    """

    __slots__ = ('_moment', 'attempt', 'errors', 'is_final', 'received', 'replaces', 'value')

    def __init__(
        self,
        value: OutputT,
        *,
        errors: tuple[InvalidPart, ...] = (),
        attempt: int = 1,
        received: int = 0,
        is_final: bool = False,
        moment: tuple[Any, ...] | None = None,
    ) -> None:
        self.value = value
        self.errors = errors
        self.attempt = attempt
        self.received = received
        self.is_final = is_final
        self.replaces = False
        self._moment = moment

    def __repr__(self) -> str:
        marks = ', final' if self.is_final else ''.join(f', {error!r}' for error in self.errors)
        return f'PartialOutput({self.value!r}{marks})'

    def final(self, value: Any) -> PartialOutput[Any]:
        """The last snapshot, after this one: `value` is the validated output."""
        moment = self.moment
        if moment is not None:
            moment = moment._replace(start=moment.end)
        final = PartialOutput(value, attempt=self.attempt, received=self.received, is_final=True, moment=moment)
        final.replaces = moment is None or bool(self.errors) or differ(value, self.value)
        return final

    def state(self, path: str | int | Sequence[str | int] = ()) -> FieldState:
        """What is known of one place of the output.

        Args:
            path: Keys and indices, as in the document or by field names: `('orders', 0, 'total')`, or in one string,
                `'orders.0.total'`. Empty for the whole.
        """
        steps = as_path(path)
        moment = self.moment
        if any(error.path[: len(steps)] == steps for error in self.errors) and not self._is_open(steps):
            return 'invalid'
        if moment is None or self.is_final:
            return 'complete' if _holds(self.value, steps) else 'missing'
        return _state(moment, (*moment.prefix, *steps))

    @property
    def finished(self) -> tuple[Path, ...]:
        """The paths of everything that is complete and valid, in the order in which it became so."""
        moment = self.moment
        if moment is None:
            return ((),) if self.is_final else ()
        invalid = {error.path for error in self.errors}
        done = (change.path for change in _changes(moment, 0) if change.op == 'complete')
        finished = tuple(path for path in dict.fromkeys(done) if path not in invalid)
        return (*finished, ()) if self.is_final and () not in finished else finished

    @property
    def changes(self) -> list[Change]:
        """What has changed since the snapshot before."""
        if self.replaces:
            return [Change('set', (), self.value), Change('complete', (), self.value)]
        moment = self.moment
        return [] if moment is None else list(_changes(moment, moment.start))

    @property
    def moment(self) -> Moment | None:
        """Where the document stood; for what is built on snapshots."""
        # A tuple until somebody asks: there is one for each snapshot, and most are looked at for their value only.
        return None if self._moment is None else Moment._make(self._moment)

    def _is_open(self, steps: Path) -> bool:
        moment = self.moment
        if moment is None or self.is_final:
            return False
        return any(path_of(frame) == (*moment.prefix, *steps) for frame, _ in moment.frames[1:])


def differ(one: Any, other: Any) -> bool:
    """Whether two values differ, as far as their own comparison can tell."""
    try:
        return bool(one != other)
    except Exception:  # somebody's own comparison
        return True


def as_path(path: str | int | Sequence[str | int]) -> Path:
    """A path that was given in any of its forms.

    Example:
        >>> as_path('orders.0.total'), as_path('title'), as_path(()), as_path(('a.b', 1))
        (('orders', 0, 'total'), ('title',), (), ('a.b', 1))
    """
    if isinstance(path, int):
        return (path,)
    if isinstance(path, str):
        return tuple(int(step) if step.isdecimal() else step for step in path.split('.')) if path else ()
    return tuple(path)


def elements(partial: PartialOutput[Any], path: Path) -> Iterator[tuple[int, Any]]:
    """The elements of the array at `path` that have become complete since the snapshot before, with their indices.

    Those of an array that shows only as a part of something complete come with that, again if they had come before.
    """
    moment = partial.moment
    if moment is None:
        return
    steps = (*moment.prefix, *path)
    for index in range(moment.start, moment.end, 4):
        kind, frame, name, value = moment.log[index : index + 4]
        if kind not in (ADDED, CLOSED, ENDED):
            continue
        places = _places(frame, name)
        depth = len(places)
        if not all(_same(above, key, step) for (above, key), step in zip(places, steps, strict=False)):
            continue
        if depth == len(steps) + 1 and frame.is_array:
            yield name, value
        elif depth <= len(steps):
            found = _at(value, steps[depth:])
            found = _opened(found)
            if isinstance(found, list | tuple | set | frozenset):
                yield from enumerate(cast('Iterable[Any]', found))


def _places(frame: Frame, name: Any) -> list[tuple[Frame, Any]]:
    """The steps from the document to what is in a frame, each with the frame that it is in."""
    places = [(frame, name)]
    while frame.parent is not None:
        places.append((frame.parent, frame.name))
        frame = frame.parent
    # The first step leads into the array that nobody sees.
    return places[-2::-1]


def _changes(moment: Moment, start: int) -> Iterator[Change]:
    depth = len(moment.prefix)
    log = moment.log
    for index in range(start, moment.end, 4):
        kind, frame, name, value = log[index : index + 4]
        path = path_of(frame, name)
        if path[:depth] != moment.prefix:
            continue
        path = path[depth:]
        appears: Literal['append', 'set'] = 'append' if frame.is_array and path else 'set'
        if kind == OPENED:
            opened, count = value
            yield Change(appears, path, opened.container.partial(first(opened.parts, count), None, MISSING))
        elif kind == TEXT:
            piece, before = value
            yield Change('extend' if before else appears, path, piece)
        elif kind == GAP:
            yield Change(appears, path, None)
        elif kind == REPLACED:
            yield Change('set', path, value)
            if value is not None:
                yield Change('complete', path, value)
        elif kind == ADDED:
            yield Change(appears, path, value)
            yield Change('complete', path, value)
        elif kind in (CLOSED, ENDED):
            yield Change('complete', path, value)


def first(parts: Any, count: int) -> Any:
    """The first parts of an object or an array, which only grow."""
    if isinstance(parts, list):
        return cast('list[Any]', parts)[:count]
    return dict(islice(cast('dict[Any, Any]', parts).items(), count))


def _state(moment: Moment, path: Path) -> FieldState:
    frames = moment.frames
    for depth, (frame, count) in enumerate(frames):
        # The outermost frame is an array that nobody sees, with the document as its element.
        name = 0 if depth == 0 else path[depth - 1] if depth <= len(path) else MISSING
        if name is MISSING:
            return 'streaming'
        if depth + 1 < len(frames) and _same(frame, frames[depth + 1][0].name, name):
            continue
        parts = first(frame.parts, count)
        found = _part(frame, parts, name)
        if found is not MISSING:
            return 'complete' if _holds(found, path[depth:]) else 'missing'
        coming = depth + 1 == len(frames) and _same(frame, moment.coming, name) and depth >= len(path)
        return 'streaming' if coming else 'missing'
    return 'streaming'


def _same(frame: Frame, name: Any, other: Any) -> bool:
    if name == other:
        return True
    # Keys of a dict may be anything, and a path in one string cannot tell `0` from `'0'`.
    return not frame.is_array and (frame.container.field(name) == other or str(name) == str(other))


def _part(frame: Frame, parts: Any, name: Any) -> Any:
    if frame.is_array:
        return parts[name] if isinstance(name, int) and 0 <= name < len(parts) else MISSING
    return next((part for key, part in parts.items() if _same(frame, key, name)), MISSING)


def _holds(value: Any, path: Iterable[str | int]) -> bool:
    return _at(value, path) is not MISSING


def _at(value: Any, path: Iterable[str | int]) -> Any:
    """What is at a path in a value, `MISSING` if nothing is."""
    for step in path:
        value = _step(value, step)
        if value is MISSING:
            return MISSING
    return value


def _opened(value: Any) -> Any:
    return cast('Any', value).root if isinstance(value, RootModel) else value


def _step(value: Any, step: str | int) -> Any:
    """What a complete value has under a key or an index, `MISSING` if nothing has come there."""
    value = _opened(value)
    if isinstance(value, BaseModel):
        name = _field(value, step)
        return MISSING if name is None else getattr(value, name)
    if isinstance(value, dict):
        entries = cast('dict[Any, Any]', value)
        return (
            entries[step]
            if step in entries
            else next((entries[key] for key in entries if str(key) == str(step)), MISSING)
        )
    if isinstance(value, list | tuple | set | frozenset):
        elements: list[Any] = list(cast('Iterable[Any]', value))
        return elements[step] if isinstance(step, int) and 0 <= step < len(elements) else MISSING
    if is_dataclass(value) and isinstance(step, str):
        return getattr(value, step, MISSING)
    return MISSING


def _field(model: BaseModel, step: str | int) -> str | None:
    fields = type(model).model_fields
    for name, field in fields.items():
        if step in (name, field.alias, field.validation_alias):
            return name if name in model.model_fields_set else None
    return str(step) if step in (model.model_extra or {}) else None
