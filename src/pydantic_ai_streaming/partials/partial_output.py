"""What a structured output is at one instant: `PartialOutput`, and what changed to make it that: `Change`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, cast

from typing_extensions import TypeVar

from ..errors import StreamUsageError
from .frames import ADDED, CLOSED, ENDED, GAP, OPENED, REPLACED, TEXT, Frame, Log, first, path_of
from .invalid import InvalidPart, Path
from .places import fields_of, may_be
from .shapes import MISSING
from .states import FieldState, found_at, leads_into, opened, state_of

__all__ = ['Change', 'FieldState', 'Moment', 'PartialOutput', 'as_path', 'differ', 'elements']

OutputT = TypeVar('OutputT', default=Any)


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
        attempt: Which attempt at the output this is, counted from 1: a new one begins after a rejected one, and after
            a response that broke off and is begun anew (`StreamRecoveredEvent` with `step='restart'`).
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

        Raises:
            StreamUsageError: The output can have no such place, as far as its type tells.
        """
        steps = as_path(path)
        moment = self.moment
        if self.errors and self._is_invalid(steps):
            return 'invalid'
        if moment is None or self.replaces:
            return 'missing' if found_at(self.value, steps) is MISSING else 'complete'
        frames = [frame for frame, _ in moment.frames]
        place = (*moment.prefix, *steps)
        state = state_of(place, moment.log, moment.end, frames, moment.coming)
        shape = frames[0].shape
        if state == 'missing' and not may_be(shape, place):
            fields = ', '.join(fields_of(shape, place))
            has = f' There it has: {fields}.' if fields else ''
            raise StreamUsageError(f'state({path!r}): the output can have no such place.{has}')
        return state

    @property
    def finished(self) -> tuple[Path, ...]:
        """The paths of everything that is complete and valid, in the order in which it became so.

        A list of all there is, made when it is asked for: what is new in each snapshot is in `changes`.
        """
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

    def _is_invalid(self, steps: Path) -> bool:
        moment = self.moment
        if moment is None:
            return any(error.path[: len(steps)] == steps for error in self.errors)
        (outermost, _), *frames = moment.frames
        steps = *moment.prefix, *steps

        def is_at(path: Path) -> bool:
            return leads_into(path, steps, moment.log, outermost)

        # What is open may still become valid: a key that comes again can set it right.
        is_open = any(len(path) == len(steps) and is_at(path) for path in (path_of(frame) for frame, _ in frames))
        return not is_open and any(is_at((*moment.prefix, *error.path)) for error in self.errors)


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
    if not isinstance(path, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without types
        raise TypeError(f"{path!r} is no path: use a name, 'orders.0.total' or a tuple such as ('orders', 0, 'total')")
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
        if not all(key in above.container.keys_of(step) for (above, key), step in zip(places, steps, strict=False)):
            continue
        if depth == len(steps) + 1 and frame.is_array:
            yield name, value
        elif depth <= len(steps):
            found = opened(found_at(value, steps[depth:]))
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
            inner, count = value
            parts = first(inner.parts, count)
            yield Change(appears, path, inner.container.partial(parts, None, MISSING))
            for key in parts:
                yield Change('complete', (*path, key), parts[key])
        elif kind == TEXT:
            piece, before = value
            yield Change('extend' if before else appears, path, piece)
        elif kind == GAP:
            yield Change(appears, path, None)
        elif kind == REPLACED:
            yield Change('set', path, None if value is MISSING else value)
            if value is not MISSING:
                yield Change('complete', path, value)
        elif kind == ADDED:
            yield Change(appears, path, value)
            yield Change('complete', path, value)
        elif kind in (CLOSED, ENDED):
            yield Change('complete', path, value)
