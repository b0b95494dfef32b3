"""Fetching what others have written of streams that are followed here: `CatchingUp`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from ..core.telling import told_to
from .heads import Slice, Wanted
from .tail import FETCHES, Tail

__all__ = ['CatchingUp']

logger = told_to(__name__)

REFRESHED_AT_ONCE: Final = 1000
"""Entries that are fetched of a stream in one go."""


class CatchingUp:
    """Brings tails up to date, many in one go.

    Args:
        tails: What this process has of streams.
        fetch: Reads some of them, as `LogBackend.fetch`.
    """

    def __init__(
        self, tails: Mapping[str, Tail], fetch: Callable[[Sequence[Wanted]], Awaitable[Sequence[Slice | None]]]
    ) -> None:
        self._tails = tails
        self._fetch = fetch
        self._due: set[str] = set()
        self._alarm = asyncio.Event()

    def soon(self, stream_ids: Iterable[str]) -> None:
        """Have streams fetched that were changed, as far as they are followed here."""
        for stream_id in stream_ids:
            tail = self._tails.get(stream_id)
            if tail is not None and tail.head is None:
                tail.missed = True  # it is read just now, and perhaps as it was before
            elif tail is not None:
                self._due.add(stream_id)
                self._alarm.set()

    async def run(self) -> None:
        """Fetch what is due, for ever."""
        while True:
            if not self._due:
                self._alarm.clear()
                await self._alarm.wait()
            due, self._due = self._due, set()
            try:
                await self.refresh(due)
            except BaseException:
                self._due |= due
                raise

    async def refresh(self, stream_ids: Iterable[str]) -> None:
        """Fetch what is missing of streams, now."""
        known = [(one, tail) for one in stream_ids if (tail := self._tails.get(one)) is not None]
        wanted = {one: tail for one, tail in known if tail.head is not None and not tail.gone}
        fetches = 0
        while wanted:
            fetches += 1
            for stream_id, tail in tuple(wanted.items()):
                if fetches > FETCHES or tail.lacks > FETCHES * REFRESHED_AT_ONCE:
                    tail.skip()
                    del wanted[stream_id]
            missing = [Wanted(one, tail.end, REFRESHED_AT_ONCE) for one, tail in wanted.items()]
            parts = await self._fetch(missing) if missing else ()
            for (stream_id, tail), part in zip(tuple(wanted.items()), parts, strict=True):
                tail.see(part)
                if tail.behind and part is not None and not part.entries and part.end < part.head.length:
                    logger.error('Stream %s has lost its entries from %d on', stream_id, part.end)
                    tail.see(None)
                if not tail.behind:
                    del wanted[stream_id]
