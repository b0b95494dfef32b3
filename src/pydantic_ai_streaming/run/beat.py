"""What a response in full flow leaves of each event: `Beat`."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from pydantic_ai.messages import PartDeltaEvent

from ..reduce.content import content_in

__all__ = ['NEVER', 'Beat', 'is_more']

NEVER = -math.inf
"""When something happened that has not happened."""


class Beat:
    """One instant for each event, in place of two calls, while content follows content.

    Such an event can only put a deadline off, until so long after the next was awaited; when it came does not matter,
    nor do those before it. So whoever passes them on notes when the next is awaited, and the timekeeper reads that when
    somebody asks for a deadline, a timer that rings mostly. What is no content is told to the timekeeper, and
    everything is while `steady` does not hold.

    Attributes:
        steady: Whether the instants of content are to be noted here.
        back: When an event was awaited last since it holds, on the loop's clock; `NEVER` before the first.
        puller: The task that waits for an event; `None` while the last one is still with whoever took it.
    """

    __slots__ = ('back', 'puller', 'steady')

    def __init__(self) -> None:
        self.steady = False
        self.back = NEVER
        self.puller: asyncio.Task[Any] | None = None

    def begin(self) -> None:
        """From here on instants are noted: content has come just now."""
        self.back = NEVER
        self.steady = True


def is_more(event: object) -> bool:
    """Whether an event goes on with a part, and brings content.

    Example:
        >>> from pydantic_ai.messages import TextPartDelta
        >>> is_more(PartDeltaEvent(index=0, delta=TextPartDelta(content_delta='Hello')))
        True
        >>> is_more(PartDeltaEvent(index=0, delta=TextPartDelta(content_delta='')))
        False
    """
    return type(event) is PartDeltaEvent and content_in(event) is not None
