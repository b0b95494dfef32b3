"""Shapes of types that hold themselves: some are asked for while they are being made."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import cast

from .shapes import Shape

__all__ = ['Making']


class Making:
    """The shapes of one type while they are being made, and what has to wait for them."""

    def __init__(self) -> None:
        self._shapes: dict[Hashable, Shape] = {}
        self._unfinished: list[Shape] = []
        self._waiting: list[Callable[[], None]] = []

    def of(self, ref: Hashable, make: Callable[[], Shape]) -> Shape:
        """The shape of a definition: made when it is first asked for, unfinished if that is in the middle of it."""
        if ref not in self._shapes:
            self._shapes[ref] = shape = Shape()
            self._unfinished.append(shape)
            made = make()
            if made in self._unfinished:
                self._waiting.append(lambda: cast('None', shape.become(made)))
            else:
                shape.become(made)
                self._unfinished.remove(shape)
        return self._shapes[ref]

    def once_made(self, other: Shape, shape: Shape, finish: Callable[[], None]) -> None:
        """Finish a shape by what another one is, which may be unfinished. `finish` may be called more than once."""
        if other in self._unfinished:
            self._unfinished.append(shape)
            self._waiting.append(finish)
        else:
            finish()

    def like(self, other: Shape, change: Callable[[Shape], None]) -> Shape:
        """A shape that differs from another one."""
        shape = Shape()
        self.once_made(other, shape, lambda: change(shape.become(other)))
        return shape

    def finish(self) -> None:
        """Finish what waits: all shapes are there."""
        self._unfinished.clear()
        # What waited for one that was in the making may wait for one that waits: as often as there are such.
        for _ in self._waiting:
            for finish in self._waiting:
                finish()
