"""Puts the tokens of a JSON document together as values of a type: `Filling`.

What is complete is validated once, by the token that completes it, and shared by everything that is shown from then on.

    frames      one for each open bracket: the container, and the parts that are complete
    log         what became visible, in order; snapshots refer to stretches of it
    results     what validators said, in order; a second reader of the same document takes them from there
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, cast

from pydantic_core import SchemaError, ValidationError

from .dependent import DependentCheck, DependentShape, Late
from .frames import ADDED, CLOSED, ENDED, GAP, OPENED, REPLACED, TEXT, Frame, Log, path_of
from .invalid import InvalidPart, Path, invalid_parts
from .raw import Token
from .shapes import (
    ANY,
    IGNORED,
    MISSING,
    Check,
    Container,
    Context,
    ListContainer,
    ObjectContainer,
    Shape,
)
from .tagged import TaggedContainer

__all__ = ['ADDED', 'CLOSED', 'ENDED', 'OPENED', 'TEXT', 'Filling', 'Frame', 'Log', 'Results', 'path_of']

Results: TypeAlias = list[tuple[bool, Any]]
"""What validators said, in order: whether they accepted, and the value or the exception."""


class Filling:
    """The handler of a parser: fills the containers of one shape.

    Args:
        shape: What the document turns into.
        context: For the validators.
        results: What validators have said to another reader of the same document; it grows with what this one asks.

    Attributes:
        frame: The innermost open bracket. The outermost is an array that nobody sees, with the document as its element.
        shape: The shape of the value that comes next.
        at: The key under which its frame keeps it.
        name: Its key in the document.
        shown: Characters that were shown of the string that is open.
        log: What became visible.
    """

    __slots__ = (
        '_asked',
        '_context',
        '_errors',
        '_found',
        '_results',
        'at',
        'frame',
        'log',
        'name',
        'root',
        'shape',
        'shown',
    )

    def __init__(self, shape: Shape, context: Context, results: Results) -> None:
        self._context = context
        self._results = results
        self._asked = 0
        self.root = self.frame = Frame(ListContainer((), shape, None), [], True, shape, None, 0, 0, True)
        self.shape = shape
        self.at: Any = 0
        self.name: Any = 0
        self.shown = 0
        self._found: list[InvalidPart] = []
        self._errors: tuple[InvalidPart, ...] | None = ()
        self.log = Log()

    @property
    def errors(self) -> tuple[InvalidPart, ...]:
        """What is invalid, in the order in which it was found."""
        if self._errors is None:
            self._errors = tuple(self._found)
        return self._errors

    def blame(self, parts: Iterable[InvalidPart]) -> None:
        """Note what is invalid."""
        self._found.extend(parts)
        self._errors = None

    # What the parser tells

    def open_object(self, offset: int) -> None:
        """An object begins."""
        self._open(self.shape.object, {}, False)
        self.name = None

    def open_array(self, offset: int) -> None:
        """An array begins."""
        shape = self.shape
        container = shape.array
        self._open(container, [], True)
        self.shape = IGNORED if shape is IGNORED else container.item if container.uniform else container.child(0)

    def key(self, name: str) -> None:
        """A key of the innermost object."""
        self.name = name
        frame = self.frame
        if frame.fields is not None:
            self.shape = frame.fields.get(name) or frame.container.next_child(name, frame.parts)
        elif frame.shape is IGNORED:
            self.shape = IGNORED
        else:
            self._special_key(frame, frame.container, name)

    def string(self, value: str) -> None:
        """A string is complete."""
        shape, frame = self.shape, self.frame
        if shape.string is None and frame.fields is not None and not self.shown and shape is not IGNORED:
            frame.parts[self.name] = value
            self.log += (ADDED, frame, self.name, value)
            return
        valid: Any = value if shape.string is None else self._ask(shape.string, value)
        if self.shown:
            self._end_of_text(shape, value, valid)
        else:
            self._put(valid, ADDED)

    def number(self, token: str) -> None:
        """A number is complete."""
        shape, frame = self.shape, self.frame
        quick = shape.quick
        value = MISSING if quick is None else quick(token)
        if value is MISSING:
            value = self._ask(shape.number, token)
        elif frame.fields is not None and shape is not IGNORED:
            frame.parts[self.name] = value
            self.log += (ADDED, frame, self.name, value)
            return
        self._put(value, ADDED)

    def literal(self, value: bool | None) -> None:
        """True, false or null."""
        shape = self.shape
        self._put(value if value in shape.literals else self._ask(shape.literal, value), ADDED)

    def close(self, end: int) -> None:
        """The innermost object or array is complete."""
        frame = self.frame
        assert frame.parent is not None
        if frame.late:
            self._validate_late(frame)
        self.frame, self.shape, self.at, self.name = frame.parent, frame.shape, frame.key, frame.name
        if frame.shape is IGNORED:
            return
        container = frame.container
        kind = CLOSED if frame.visible else ADDED
        if frame.failed:
            frame.parent.failed, frame.parent.fields = True, None
            value = self._complain(frame)
        else:
            value = frame.parts if container.validate is None else self._ask(container.validate, frame.parts)
        if value is MISSING and frame.visible and self.shape is not IGNORED:
            # What is valid of it stays.
            value, kind = container.partial(frame.parts, None, MISSING), ''
        self._put(value, kind)

    # How the parts come together

    def _special_key(self, frame: Frame, container: Container, name: str) -> None:
        if frame.failed:
            for replaced in container.replaced_by(name):
                self._forget(path_of(frame, replaced))
        self.at = name
        self.shape = container.item if container.uniform else container.next_child(name, frame.parts)
        if isinstance(self.shape, DependentShape):
            self.shape = self.shape.within(frame.parts)
        if container.keyed:
            self.at = self._ask(container.key, name, path_of(frame))
            if self.at is MISSING:
                self.shape = IGNORED

    def _open(self, container: Container, parts: Any, is_array: bool) -> None:
        frame, shape = self.frame, self.shape
        name = len(frame.parts) if frame.is_array else self.name
        at = self.at if frame.container.keyed else name
        visible = frame.visible and not (container.whole or shape.hidden or shape is IGNORED)
        self.frame = inner = Frame(container, parts, is_array, shape, frame, at, name, visible)
        inner.found = len(self._found)
        if container.needed:
            # Hidden until they are there.
            inner.visible, inner.waits, inner.fields = False, visible, None
        elif visible:
            self.log += (OPENED, frame, name, (inner, 0))

    def _put(self, value: Any, kind: str) -> None:
        if value is MISSING:
            if not self._leave_out(kind):
                return
            # In an array, `None` keeps the place of an invalid value: indices stay those of the document.
            value, kind = MISSING if self.frame.container.unordered else None, ''
        if self.shape is IGNORED:
            return
        frame = self.frame
        if frame.is_array:
            name = len(frame.parts)
            frame.parts.append(value)
            if not frame.container.uniform:
                self.shape = frame.container.child(name + 1)
        else:
            name = self.name
            frame.parts[self.at if frame.container.keyed else name] = value
        if frame.visible:
            if kind:
                self.log += (kind, frame, name, value)
        elif frame.waits:
            self._show(frame)
        elif type(frame.container) is TaggedContainer and name in frame.container.keys and not frame.failed:
            self._choose(frame, frame.container, value)

    def _leave_out(self, kind: str) -> bool:
        """Note that a value is invalid, or left out. Returns whether something keeps its place."""
        frame = self.frame
        shown = frame.visible and kind != ADDED
        if not frame.is_array:
            if shown:
                self.log += (REPLACED, frame, self.name, MISSING)
            return False
        if self.shape is IGNORED:
            self.shape = frame.container.child(len(frame.parts))
            return False
        if frame.visible and not frame.container.unordered:
            self.log += (REPLACED, frame, len(frame.parts), MISSING) if shown else (GAP, frame, len(frame.parts), None)
        return True

    def _end_of_text(self, shape: Shape, text: str, valid: Any) -> None:
        """Text that was shown as it grew is complete: what was not shown of it yet, and what has become of it."""
        assert shape.grows is not None
        whole, shown = shape.grows(text), self.shown
        self.shown = 0
        name = len(self.frame.parts) if self.frame.is_array else self.name
        if len(whole) > shown:
            self.log += (TEXT, self.frame, name, (whole[shown:], shown))
        # A root model holds the text that showed; anything else that is not that text takes its place.
        self._put(valid, ENDED if shape.wrap is not None or valid == whole else REPLACED)

    def _show(self, frame: Frame) -> None:
        """Show an object that has waited for fields that are needed, once they are there."""
        assert isinstance(frame.container, ObjectContainer)
        if frame.container.shows(frame.parts):
            frame.visible, frame.waits = True, False
            frame.fields = None if frame.failed else frame.container.fields
            self.log += (OPENED, frame.parent or self.root, frame.name, (frame, len(frame.parts)))

    def _choose(self, frame: Frame, tagged: TaggedContainer, tag: Any) -> None:
        """The tag of an object has come: what it is, is known, and what was kept until now gets its place."""
        try:
            chosen = tagged.choose(tag, self._context)
        except ValidationError as error:
            self._invalid(path_of(frame), error)
            return
        if chosen is None or frame.parent is None:
            return
        kept, frame.parts, frame.container = frame.parts, {}, chosen.object
        visible = frame.parent.visible and not (chosen.object.whole or frame.shape.hidden or chosen.hidden)
        frame.visible, frame.waits = visible and not chosen.object.needed, visible and bool(chosen.object.needed)
        if frame.visible:
            frame.fields = chosen.object.fields
            self.log += (OPENED, frame.parent, frame.name, (frame, 0))
        for name, value in kept.items():
            self.key(name)
            self._tell(value)

    def _tell(self, value: Any) -> None:
        """Tell a value that has been kept, as the parser would."""
        if isinstance(value, Token):
            self.number(value)
        elif isinstance(value, dict):
            self.open_object(0)
            for name, part in cast('dict[str, Any]', value).items():
                self.key(name)
                self._tell(part)
            self.close(0)
        elif isinstance(value, list):
            self.open_array(0)
            for part in cast('list[Any]', value):
                self._tell(part)
            self.close(0)
        elif isinstance(value, str):
            self.string(value)
        else:
            self.literal(value)

    # Validation

    def _ask(self, check: Check, token: Any, path: Path | None = None) -> Any:
        """What a validator makes of a token, `MISSING` if it is invalid or left out."""
        asked = self._asked
        self._asked = asked + 1
        if asked < len(self._results):
            accepted, value = self._results[asked]
        else:
            try:
                accepted, value = True, check(token, self._context)
            except Exception as error:  # a user's validator may raise anything
                accepted, value = False, error.with_traceback(None)
            self._results.append((accepted, value))
        if accepted:
            if type(value) is not Late:
                return value
            self.frame.late = {**self.frame.late, self.name: value}
            self.shape = IGNORED
            return MISSING
        if isinstance(check, DependentCheck):
            path = path_of(self.frame)
        if self._is_left_out(value):
            self.shape = IGNORED
        else:
            name = len(self.frame.parts) if self.frame.is_array else self.name
            # Of checks that have the key in their own path, as pydantic's errors have it.
            has_key = isinstance(value, ValidationError)
            self._invalid(path if path is not None and has_key else path_of(self.frame, name), value)
        return MISSING

    def _is_left_out(self, error: Exception) -> bool:
        """Whether a validator says that a value is as if it had not come: `PydanticOmit`, `PydanticUseDefault`."""
        if not isinstance(error, SchemaError) or self.frame is self.root:
            return False
        # What is around the value deals with both; without it, pydantic-core has nothing but this to say.
        text = str(error)
        return 'Omit' in text or ('PydanticUseDefault' in text and isinstance(self.frame.container, ObjectContainer))

    def _validate_late(self, frame: Frame) -> None:
        """Validate the fields that had to wait for others, now that no more will come."""
        for name, late in frame.late.items():
            self.name, self.shape = name, ANY
            value = self._ask(late.check, late.value)
            if value is not MISSING:
                frame.parts[name] = value
                if frame.visible:
                    self.log += (ADDED, frame, name, value)

    def _invalid(self, path: Path, error: Exception) -> None:
        # What has failed is special: a key that comes again may set it right.
        self.frame.failed, self.frame.fields = True, None
        self.blame(invalid_parts(path, error))

    def _complain(self, frame: Frame) -> Any:
        """Some part of an object is invalid: see what else is, without the functions that expect valid parts."""
        if frame.is_array:
            return MISSING
        path = path_of(frame)
        known = {part.path for part in self._found[frame.found :] if part.path[: len(path)] == path}
        there = dict.fromkeys(step[len(path)] for step in known if len(step) > len(path))
        try:
            frame.container.complain({**there, **frame.parts}, self._context)
        except ValidationError as error:
            self.blame([part for part in invalid_parts(path, error) if part.path not in known])
        return MISSING

    def _forget(self, path: Path) -> None:
        """A key has come again: only its last value counts, for pydantic too."""
        kept = [part for part in self._found if part.path[: len(path)] != path]
        if len(kept) < len(self._found):
            self._found, self._errors = kept, None
            above = path[:-1]
            self.frame.failed = any(part.path[: len(above)] == above for part in kept)
