"""What a log needs of the place where it is kept: `LogBackend`, the part that differs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence

from ..errors import StoreError
from .heads import Head, Refusal, Slice, Wanted, Write

__all__ = ['LogBackend']


class LogBackend(ABC):
    """A place for streams. `StreamLog` makes the rest of it: group commits, leases, shared tails.

    Each method may raise `StoreUnavailable`; then a write may have been done or not, and is done once at most however
    often it is tried, if it has a token.
    """

    @abstractmethod
    async def open(self) -> None:
        """Make ready what is needed, the schema included. Called once, before anything else, in the loop of use.

        After that loop has ended, it is called in the next one, perhaps without `close`. Nothing of the loop before,
        such as its connections and locks, can be used or closed there.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections and threads. Called in the loop of use, or in the next one."""

    @abstractmethod
    async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | StoreError | None]:
        """Do these writes in their order, each as a whole or not at all, with the outcome of `apply` for each.

        What was done is durable, as far as this backend is, and seen by everybody when this returns. The outcome is an
        error for one that could not be done while others were, as when what is stored of its stream is damaged.
        """

    @abstractmethod
    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        """Read streams, each at one instant; `None` where there is none.

        A slice ends before the limit with the entry that brings it to the bytes that are wanted.
        """

    @abstractmethod
    async def lapsed(self) -> Sequence[str]:
        """The streams whose producer is gone without having closed them."""

    @abstractmethod
    async def owned(self, owner: str) -> Sequence[Head]:
        """The streams of an owner."""

    @abstractmethod
    async def sweep(self) -> None:
        """Remove what has expired, where that does not happen by itself."""

    @abstractmethod
    def changes(self, watched: Callable[[], Collection[str]]) -> AsyncGenerator[Mapping[str, int | None], None]:
        """Yield streams that somebody else has changed, for ever, with their versions (`None`: unknown).

        Every change of a watched stream is told, once a moment has passed. When it begins, and after a lost connection,
        all that are watched are. More than have changed is allowed; what came by `commit` need not be told, unless that
        has raised an error. A stream that was deleted has no version, and one that was made anew begins with a low one.

        Args:
            watched: The streams of which somebody wants to know now.
        """
