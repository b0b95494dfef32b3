"""Where the parts of an open document are kept, and what became visible of it: `Frame`, `Log`."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from .dependent import Late
from .invalid import Path
from .shapes import Container, Shape

__all__ = ['ADDED', 'CLOSED', 'ENDED', 'GAP', 'OPENED', 'REPLACED', 'TEXT', 'Frame', 'Log', 'path_of']

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
"""What was there is complete, and is something else than what showed; `None` if it is invalid."""
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


Log: TypeAlias = list[Any]
"""What became visible, four items each: its kind, the frame that it is in, its name there, and the value; for text, the
piece and the length before it. Flat, as there is an entry for nearly every token."""


def path_of(frame: Frame, *names: str | int) -> Path:
    """The path of a frame, or of what is in it."""
    steps = list(reversed(names))
    while frame.parent is not None:
        steps.append(frame.name)
        frame = frame.parent
    # The first step leads into the array that nobody sees.
    return tuple(reversed(steps[:-1]))
