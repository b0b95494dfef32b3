"""Where the parts of an open document are kept, and what became visible of it: `Frame`, `Log`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final, NamedTuple, cast

from .dependent import Late
from .invalid import Path
from .shapes import MISSING, Container, Shape

__all__ = [
    'ADDED',
    'CLOSED',
    'ENDED',
    'GAP',
    'OPENED',
    'REPLACED',
    'TEXT',
    'Complete',
    'Frame',
    'Log',
    'first',
    'path_of',
]

OPENED: Final = 'opened'
"""An object or an array is there: its own frame, and the number of parts that it already has."""
TEXT: Final = 'text'
"""Text is there (from length 0) or has grown: the piece."""
ADDED: Final = 'added'
"""A complete value is there."""
CLOSED: Final = 'closed'
"""An object or an array that was there is complete: the value."""
ENDED: Final = 'ended'
"""Text that was there is complete: the value."""
REPLACED: Final = 'replaced'
"""What was there is complete, and is something else than what showed; `MISSING` if it is invalid or left out."""
GAP: Final = 'gap'
"""`None` keeps the place of an element that is invalid."""


NONE_LATE: Final[dict[str, Late]] = {}


class Frame:
    """An open object or array.

    Attributes:
        container: Makes values of the parts.
        parts: What is complete: by the keys of the value, or in a list.
        shape: The shape of the place where it stands.
        parent: The frame that it stands in.
        key: Its key in the parent's value.
        name: Its key in the parent's JSON.
        visible: Whether it shows.
        waits: Whether it will show once the fields are there that are needed.
        fields: The shapes of its keys, if it is an object with fields about which there is nothing special: what comes
            is put where it belongs, and shows.
        failed: Whether something in it is invalid.
        found: How many errors the document had when it began.
        late: By key, what is validated when it closes. Replaced, never changed.
    """

    __slots__ = (
        'container',
        'failed',
        'fields',
        'found',
        'is_array',
        'key',
        'late',
        'name',
        'parent',
        'parts',
        'shape',
        'visible',
        'waits',
    )

    def __init__(
        self,
        container: Container,
        parts: Any,
        is_array: bool,
        shape: Shape,
        parent: Frame | None,
        key: Any,
        name: Any,
        visible: bool,
    ) -> None:
        self.container = container
        self.parts = parts
        self.is_array = is_array
        self.shape = shape
        self.parent = parent
        self.key = key
        self.name = name
        self.visible = visible
        self.waits = False
        self.failed = False
        self.found = 0
        self.late: dict[str, Late] = NONE_LATE
        self.fields: dict[str, Shape] | None = container.fields if visible else None


class Complete(NamedTuple):
    """What is complete in a frame.

    Attributes:
        at: Where the log says so.
        value: The value.
        frame: Its own frame, if it filled in.
    """

    at: int
    value: Any
    frame: Frame | None


class Log(list[Any]):
    """What became visible, four items each: its kind, the frame that it is in, its name there, and the value.

    For text, the value is the piece and the length before it. Flat, as there is an entry for nearly every token.
    """

    def __init__(self, entries: Iterable[Any] = ()) -> None:
        super().__init__(entries)
        self._indexed = 0
        self._frames: dict[tuple[Frame, Any], Frame] = {}
        self._complete: dict[tuple[Frame, Any], Complete] = {}

    def complete(self, frame: Frame, name: Any, before: int) -> Complete | None:
        """What was complete under a name of a frame before a place in the log."""
        self._catch_up()
        found = self._complete.get((frame, name))
        return found if found is not None and found.at < before else None

    def inside(self, frame: Frame, name: Any) -> Frame | None:
        """The frame of the object or the array under a name of a frame, if it has shown."""
        self._catch_up()
        return self._frames.get((frame, name))

    def _catch_up(self) -> None:
        for at in range(self._indexed, len(self), 4):
            self._index(at, *self[at : at + 4])
        self._indexed = len(self)

    def _index(self, at: int, kind: str, frame: Frame, name: Any, value: Any) -> None:
        if kind == OPENED:
            opened, count = value
            self._frames[frame, name] = opened
            if count:
                for key, part in first(opened.parts, count).items():
                    self._complete[opened, key] = Complete(at, part, None)
        elif kind in (ADDED, CLOSED, ENDED) or (kind == REPLACED and value is not MISSING):
            own = self._frames.get((frame, name)) if kind == CLOSED else None
            self._complete[frame, name] = Complete(at, value, own)


def first(parts: Any, count: int) -> Any:
    """The first parts of an object or an array, which only grow."""
    if isinstance(parts, list):
        return cast('list[Any]', parts)[:count]
    return dict(islice(cast('dict[Any, Any]', parts).items(), count))


def path_of(frame: Frame, *names: str | int) -> Path:
    """The path of a frame, or of what is in it."""
    steps = list(reversed(names))
    while frame.parent is not None:
        steps.append(frame.name)
        frame = frame.parent
    # The first step leads into the array that nobody sees.
    return tuple(reversed(steps[:-1]))
