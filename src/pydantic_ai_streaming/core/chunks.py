"""How long a model takes for each chunk of a response: `Chunks`."""

from __future__ import annotations

__all__ = ['Chunks']


class Chunks:
    """Tells the seconds from the end of each chunk to the end of the next. Knows no clock: instants are arguments.

    What comes within `within` of the begin of a chunk belongs to it: a provider often sends several events in one
    packet, and what is read in one go has not been waited for.

    Args:
        within: Seconds.

    Example:
        >>> chunks = Chunks(within=0.001)
        >>> [chunks.content(now) for now in (1.0, 1.5, 1.5004, 1.75)]
        [None, None, None, 0.5004]
        >>> round(chunks.response_ended(), 4)
        0.2496
    """

    __slots__ = ('_before', '_begin', '_end', '_within')

    def __init__(self, within: float = 0.002) -> None:
        self._within = within
        self._before: float | None = None
        self._begin: float | None = None
        self._end = 0.0

    def content(self, now: float) -> float | None:
        """Content came. Returns the seconds that the chunk before it took, if it was complete and not the first."""
        begin = self._begin
        if begin is not None and now - begin < self._within:
            self._end = now
            return None
        took = self._took()
        self._before = None if begin is None else self._end
        self._begin = self._end = now
        return took

    def response_ended(self) -> float | None:
        """The response is over. Returns the seconds that its last chunk took, if it was not the first."""
        took = self._took()
        self._before = self._begin = None
        return took

    def _took(self) -> float | None:
        return None if self._before is None else self._end - self._before
